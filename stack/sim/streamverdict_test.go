package sim

import (
	"errors"
	"fmt"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// aborts reports whether anybody was cut off: then others may wait in vain, since nobody
// says a second time that it aborted.
func (s *streams) aborts() bool {
	if s.relayed > 0 || s.refused > 0 || s.gaveUp() {
		return true
	}
	for _, t := range s.talks {
		if t.disturbed || len(t.errs) > 0 && !t.closed {
			return true
		}
	}
	return false
}

// gaveUp reports whether a stack gave up over wires that lose: one whose application had closed
// already tells nobody.
func (s *streams) gaveUp() bool { return !s.clean && s.net.Totals().TCP.TCPAbortOnTimeout > 0 }

// sockets lists all connections, for messages.
func (s *streams) sockets() (all []string) {
	for _, h := range s.net.Hosts() {
		for _, w := range h.Workers() {
			infos := make([]stack.SocketInfo, 64)
			n, _ := w.Stack().Sockets(0, infos)
			for _, i := range infos[:n] {
				if i.State != "LISTEN" {
					all = append(all, fmt.Sprintf("%v: %+v", w, i))
				}
			}
		}
	}
	return all
}

// gone: no connection is left anywhere.
func (s *streams) gone() error {
	for _, h := range s.net.Hosts() {
		for _, w := range h.Workers() {
			var infos [4]stack.SocketInfo
			if n, _ := w.Stack().Sockets(0, infos[:]); n > 0 {
				return fmt.Errorf("%v has a socket at the end: %+v", w, infos[0])
			}
			if b := w.Pool().Books(); b.Holds[umem.HoldReceive] != 0 {
				return fmt.Errorf("%v: %d frames are in receive queues at the end", w, b.Holds[umem.HoldReceive])
			}
			if c := w.Stack().Counters(); c.TCP.CurrEstab != 0 {
				return fmt.Errorf("%v: CurrEstab is %d at the end", w, c.TCP.CurrEstab)
			}
		}
	}
	return nil
}

// slowestClean is how long a willing reader may wait in a roomy network: a handful of round
// trips, a delayed ACK, a pause of the scheduler; no timeout.
const slowestClean = 200 * umem.Millisecond

// verdict judges what became of each talk.
func (s *streams) verdict() error {
	if s.wire.err != nil {
		return s.wire.err
	}
	for _, t := range s.talks {
		switch {
		case t.closed:
			if err := s.refusedTo(t); err != nil {
				return err
			}
		case t.disturbed || t.whole() && len(t.errs) == 0:
		case len(t.errs) == 0 && s.relayed == 0 && !s.gaveUp():
			return fmt.Errorf("flow %d is not whole and nobody was told: up %+v, down %+v", t.up.id, t.up, t.down)
		case s.roomy:
			return fmt.Errorf("flow %d in a roomy network: %v", t.up.id, errors.Join(t.errs...))
		case len(t.errs) > 0:
			if err := s.explained(t); err != nil {
				return err
			}
		}
		if s.roomy && max(t.up.Slowest, t.down.Slowest) > slowestClean {
			return fmt.Errorf("a reader waited %d ms for octets of flow %d over clean wires",
				max(t.up.Slowest, t.down.Slowest)/umem.Millisecond, t.up.id)
		}
	}
	t := s.net.Totals()
	switch {
	case s.roomy && t.TCP.TCPTimeouts > 0:
		return fmt.Errorf("%d timeouts over clean wires", t.TCP.TCPTimeouts)
	case s.roomy && t.TCP.RetransSegs > 0 && t.HandedOff == 0: // between workers the order changes
		return fmt.Errorf("%d retransmissions over clean wires", t.TCP.RetransSegs)
	}
	return nil
}

// refusedTo judges a talk with a port where nobody listens, or a host that is not there.
func (s *streams) refusedTo(t *talk) error {
	for _, err := range t.errs {
		if errors.Is(err, socket.ECONNREFUSED) || errors.Is(err, socket.EHOSTUNREACH) || !s.clean && errors.Is(err, socket.ETIMEDOUT) {
			return nil
		}
	}
	if t.disturbed {
		return nil
	}
	return fmt.Errorf("a client connected to where nobody listens, and heard %v", t.errs)
}

// explained looks for the reason of an error that an end heard of.
func (s *streams) explained(t *talk) error {
	for _, err := range t.errs {
		switch {
		case !s.clean && (errors.Is(err, socket.ETIMEDOUT) || errors.Is(err, socket.EHOSTUNREACH)):
		case (errors.Is(err, socket.ECONNRESET) || errors.Is(err, socket.EPIPE)) && (s.relayed > 0 || t.server == nil):
		default:
			return fmt.Errorf("flow %d, which nobody disturbed: %w", t.up.id, err)
		}
	}
	return nil
}
