package sim

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// sendTime is for how long clients send.
const sendTime = 2 * umem.Second

// serve opens the services of a host on one worker: each worker has a socket on
// the same ports.
func (s *scenario) serve(host int, w *Worker) {
	w.Do(func(now umem.Time) {
		s.echo(host, w)
		s.sink(host, w)
	})
}

// open opens a socket, which must work.
func (s *scenario) open(w *Worker, o socket.Options) *Socket {
	k, err := w.Open(o, socket.Owner{UID: uint32(w.ID())})
	if err != nil {
		s.fail(w, err)
	}
	return k
}

// echo turns each datagram round, in its frame, at once or after a while: the
// application holds it until then.
func (s *scenario) echo(host int, w *Worker) {
	k := s.open(w, socket.Options{Events: true})
	s.fail(w, k.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), portEcho)))
	slow := upTo(s.traffic, 3*umem.Millisecond)
	k.Datagram = func(now umem.Time, e *stack.Event) {
		number, err := s.oracle.Request(now, host, e.Frame.Bytes())
		s.fail(w, err)
		frame := e.Frame
		reply := func(now umem.Time) {
			if err := w.Stack().Reply(now, k.Handle(), frame); err != nil {
				s.refuse(w, err)
				return
			}
			s.oracle.Answer(number)
		}
		if slow == 0 || s.traffic.IntN(4) != 0 {
			reply(now)
			return
		}
		s.net.After(upTo(s.traffic, slow), func() { w.Do(reply) })
	}
	s.closeEarly(w, k)
}

// sink reads each datagram, some time after it heard that there are some.
func (s *scenario) sink(host int, w *Worker) {
	k := s.open(w, socket.Options{})
	s.fail(w, k.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), portSink)))
	s.read(w, k, func(now umem.Time, data []byte) error {
		_, err := s.oracle.Request(now, host, data)
		return err
	})
	s.closeEarly(w, k)
}

// read reads the queue of a socket until it is empty, whenever it is said not to be.
func (s *scenario) read(w *Worker, k *Socket, got func(now umem.Time, data []byte) error) {
	slow := upTo(s.traffic, 3*umem.Millisecond)
	m := socket.Msg{Data: make([]byte, 2048)}
	drain := func(now umem.Time) {
		for {
			n, err := k.Recv(now, &m)
			switch {
			case err == nil:
				s.fail(w, got(now, m.Data[:n]))
			case errors.Is(err, socket.EAGAIN) || errors.Is(err, socket.EBADF):
				return
			default:
				s.judge(w, err)
			}
		}
	}
	k.Readable = func(now umem.Time) {
		switch {
		case slow == 0:
			drain(now)
			return
		case !s.roomy && s.traffic.IntN(64) == 0:
			s.closeNow(w, k) // with what waits in it
			return
		}
		s.net.After(upTo(s.traffic, slow), func() { w.Do(drain) })
	}
}

// closeEarly closes one socket in eight while others still send to it.
func (s *scenario) closeEarly(w *Worker, k *Socket) {
	if s.roomy || s.traffic.IntN(8) != 0 {
		return
	}
	s.net.After(upTo(s.traffic, sendTime), func() { s.close(w, k) })
}

// client opens a socket that sends some bursts to one address, connected or not.
func (s *scenario) client(host int, w *Worker) {
	w.Do(func(now umem.Time) {
		k := s.open(w, socket.Options{Events: s.traffic.IntN(2) == 0})
		to, peer := s.target()
		k.Datagram = func(now umem.Time, e *stack.Event) {
			s.reply(now, host, w, e.Frame.Bytes())
			w.Stack().Release(e.Frame)
		}
		s.read(w, k, func(now umem.Time, data []byte) error {
			_, err := s.oracle.Reply(now, host, data)
			return err
		})
		k.Failed = func(now umem.Time, e *stack.Event) {
			s.errors++
			s.judge(w, e.Errno)
		}
		dst := to
		if s.traffic.IntN(2) == 0 {
			if err := k.Connect(to); err != nil {
				s.judge(w, err)
				s.close(w, k)
				return
			}
			dst = netip.AddrPort{}
		}
		for range 2 + s.traffic.IntN(8) {
			s.net.After(upTo(s.traffic, sendTime), func() { s.burst(host, w, k, dst, peer) })
		}
		s.closeAtEnd(w, k)
	})
}

// closeAtEnd closes a client some time: half of them before their replies are in.
func (s *scenario) closeAtEnd(w *Worker, k *Socket) {
	if s.roomy || s.traffic.IntN(2) == 0 {
		return
	}
	s.net.After(upTo(s.traffic, 2*sendTime), func() { s.close(w, k) })
}

// close closes a socket in a turn to come.
func (s *scenario) close(w *Worker, k *Socket) {
	w.Do(func(umem.Time) { s.closeNow(w, k) })
}

// closeNow closes a socket that may be closed already.
func (s *scenario) closeNow(w *Worker, k *Socket) {
	if err := k.Close(); err != nil && !errors.Is(err, socket.EBADF) {
		s.fail(w, err)
	}
}

func (s *scenario) reply(now umem.Time, host int, w *Worker, data []byte) {
	_, err := s.oracle.Reply(now, host, data)
	s.fail(w, err)
}

// target draws whom a client talks to: mostly another host's services, or its own,
// sometimes a port where nobody listens, a host that does not exist, a network to
// which no route leads. peer is the host's number, -1 when there is none.
func (s *scenario) target() (to netip.AddrPort, peer int) {
	hosts := s.net.Hosts()
	peer = s.traffic.IntN(len(hosts))
	port := []uint16{portEcho, portSink}[s.traffic.IntN(2)]
	if s.roomy {
		return s.address(hosts[peer], port), peer
	}
	switch s.traffic.IntN(16) {
	case 0:
		return s.address(hosts[peer], portClosed), -1
	case 1:
		return netip.AddrPortFrom(prefix(s.family(), 200+s.traffic.IntN(3)).Addr(), port), -1
	case 2:
		return netip.MustParseAddrPort([]string{"198.19.0.1:9", "[2001:2:0:1::1]:9"}[s.family()/2-2]), -1
	}
	return s.address(hosts[peer], port), peer
}

// burst sends up to 32 datagrams, all at once or one after the other.
func (s *scenario) burst(host int, w *Worker, k *Socket, to netip.AddrPort, peer int) {
	var gap umem.Time
	if s.traffic.IntN(2) == 0 {
		gap = upTo(s.traffic, 500*umem.Microsecond)
	}
	for i := range 1 + s.traffic.IntN(32) {
		s.net.After(umem.Time(i)*gap, func() {
			w.Do(func(now umem.Time) { s.send(now, host, w, k, to, peer) })
		})
	}
}

// send sends one datagram of the oracle.
func (s *scenario) send(now umem.Time, host int, w *Worker, k *Socket, to netip.AddrPort, peer int) {
	data := s.data[:MinDatagram+s.traffic.IntN(len(s.data)-MinDatagram)]
	number := s.oracle.Compose(now, data, host, peer)
	send := k.Send
	if s.traffic.IntN(4) == 0 {
		send = k.SendFrame
	}
	if err := send(now, data, to); err != nil {
		s.refuse(w, err)
		return
	}
	s.oracle.Accepted(number)
}

// refuse counts a send that was refused.
func (s *scenario) refuse(w *Worker, err error) {
	s.refused++
	if errors.Is(err, socket.ENOBUFS) {
		s.noRoom++
	}
	s.judge(w, err)
}

// judge accepts errors that a socket may get in such a network, and no others.
func (s *scenario) judge(w *Worker, err error) {
	for _, e := range []socket.Errno{
		socket.ENOBUFS, socket.EHOSTUNREACH, socket.ENETUNREACH, socket.ECONNREFUSED, socket.EBADF,
	} {
		if errors.Is(err, e) {
			return
		}
	}
	if !s.clean && (errors.Is(err, socket.EADDRNOTAVAIL) || errors.Is(err, socket.ENOPROTOOPT)) {
		return // damaged ARP, ND or IPv6 headers can say the like
	}
	s.fail(w, fmt.Errorf("a socket got %w", err))
}
