package tcp

import (
	"math/rand/v2"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// chaos is a rig to which anything may happen.
type chaos struct {
	*rig
	rng     *rand.Rand
	handles []socket.Handle
}

// TestAnythingMayArriveAndBeCalled: segments that no sane peer sends, calls in any order, time that jumps: nothing
// panics, the ledger holds, windows do not go back, and after Shut nothing is left.
func TestAnythingMayArriveAndBeCalled(t *testing.T) {
	seed := testenv.Seed(t)
	for i := range uint64(300) {
		c := &chaos{rig: newRig(t, int(i)%len(kinds), func(*Config) {}), rng: rand.New(rand.NewPCG(seed, i))}
		c.listening()
		for step := range 500 {
			c.step()
			if c.sent = nil; t.Failed() {
				t.Fatalf("run %d, step %d", i, step)
			}
		}
		for _, f := range c.lent {
			c.pool.Release(f, umem.HoldApp)
		}
		c.lent = nil
		c.tab.Shut(c.now)
		c.complete()
		c.listener, c.sent = socket.Handle{}, nil
		if c.gone(); c.tab.held != 0 || c.tab.forwarded != 0 || c.tab.segments.Len() != 0 || c.count.CurrEstab != 0 {
			t.Fatalf("run %d: left: %d frames held, %d forwarded, %d segments, %d established",
				i, c.tab.held, c.tab.forwarded, c.tab.segments.Len(), int64(c.count.CurrEstab))
		}
		c.check()
	}
}

func (c *chaos) step() {
	switch c.rng.IntN(12) {
	case 0, 1, 2, 3, 4:
		c.segment()
	case 5, 6, 7:
		c.call()
	case 8:
		c.stay = c.rng.IntN(3) == 0
		c.complete()
	case 9:
		c.stuffed = c.rng.IntN(4) == 0
	case 10:
		c.pass(umem.Time(c.rng.IntN(1 << c.rng.IntN(37))))
	default:
		c.tab.Flush(c.now)
		c.hear()
	}
	c.invariants()
}

// segment gives a segment that fits the connection more or less, to a peer of two.
func (c *chaos) segment() {
	r := c.rng
	peer := socket.Addr{IP: c.peer.IP, Port: uint16(1 + r.IntN(2))}
	flags := [...]wire.TCPFlags{ack, ack, ack, ack | psh, syn, syn | ack, fin | ack, rst, rst | ack, fin, 0, 0x3f}[max(r.IntN(40)-28, 0)]
	s := seg{flags: flags, seq: r.IntN(3000) - 50, ack: r.IntN(3000) - 50, n: r.IntN(1200) * r.IntN(2), wnd: r.IntN(4000) - 1}
	if i, ok := c.tab.Find(c.us, peer); ok && r.IntN(4) != 0 { // plausible
		k := c.tab.At(i)
		s.seq = k.rcv.nxt.Sub(c.irs) + [...]int{0, 0, 0, 0, 1, -1, 500, -500, k.window()}[r.IntN(9)]
		s.ack = k.snd.una.Sub(c.iss)
		if n := k.snd.nxt.Sub(k.snd.una); n > 0 {
			s.ack += [...]int{0, 0, n, n, r.IntN(n + 2)}[r.IntN(5)]
		}
		if r.IntN(4) == 0 {
			s.flags, s.n, s.wnd = ack, 0, int(k.snd.wnd)>>k.snd.scale
			for range 3 {
				c.arriveFrom(peer, s)
			}
		}
	}
	if s.flags&syn != 0 {
		s.opts, s.n = [...]string{"", synOpts, synScaling, "\x02\x04\x00\x01", "\x03\x03\xff\x00", "\x02"}[r.IntN(6)], 0
	}
	if c.pool.Available(umem.ClassReceive) > 64 {
		c.arriveFrom(peer, s)
	}
}

// call does what an application may do to a connection, or to one that is over.
func (c *chaos) call() {
	r := c.rng
	if h, e := c.tab.Accept(c.tab.Get(c.listener)); e == 0 {
		c.handles = append(c.handles, h)
	}
	if len(c.handles) == 0 {
		return
	}
	h := c.handles[r.IntN(len(c.handles))]
	k := c.tab.Get(h)
	if k == nil {
		return
	}
	switch r.IntN(11) - r.IntN(2)*r.IntN(6) {
	default:
		_, _ = c.tab.Send(k, octets(0, r.IntN(5000)), r.IntN(4) == 0)
	case 3:
		_, _ = c.tab.Read(k, make([]byte, 1+r.IntN(3000)), r.IntN(3) == 0, r.IntN(3) == 0)
	case 4, 5:
		c.take(k, h)
	case 6:
		c.tab.SetTimer(k, c.now+umem.Time(r.IntN(1<<30)))
	case 7:
		c.tab.Failed(k, k.snd.una, socket.EHOSTUNREACH)
	case 8:
		c.tab.Shutdown(k)
	case 9:
		c.tab.Close(c.now, k)
	case 10:
		if r.IntN(3) == 0 {
			c.tab.Abort(c.now, k)
		}
	}
}

// take takes frames and forwards, keeps or releases them.
func (c *chaos) take(k *Conn, h socket.Handle) {
	var frames [4]*umem.Frame
	n, _ := c.tab.Take(k, frames[:])
	for _, f := range frames[:n] {
		to := c.tab.Get(c.handles[c.rng.IntN(len(c.handles))])
		switch c.rng.IntN(4) {
		case 0:
			c.lent = append(c.lent, f)
			continue
		case 1:
			c.tab.Consume(h, f.Len())
		default:
			if to == nil {
				break
			}
			if moved, _ := c.tab.Forward(to, f, h); moved {
				continue
			}
		}
		c.pool.Release(f, umem.HoldApp)
	}
}

// invariants hold after every step.
func (c *chaos) invariants() {
	var h umem.Holders
	h.Holds[umem.HoldReceive], h.Holds[umem.HoldRetransmit] = c.tab.Received(), c.tab.Held()
	h.Holds[umem.HoldTx], h.Holds[umem.HoldApp] = len(c.inTx), len(c.lent)
	if err := c.pool.Balance(&h); err != nil {
		c.t.Error(err)
	}
	frames, dirty := 0, 0
	for i := range c.tab.conns {
		k := &c.tab.conns[i]
		if !c.tab.slab.Used(uint32(i)) {
			continue
		}
		frames += k.recv.Frames()
		if k.links[linkDirty].on {
			dirty++
		}
		switch {
		case k.snd.nxt.Before(k.snd.una):
			c.t.Errorf("slot %d in %v: SND.NXT before SND.UNA", i, k.state)
		case k.state >= Established && k.queue.Una().Sub(k.snd.una) > 0:
			c.t.Errorf("slot %d in %v: the queue begins %d octets after SND.UNA", i, k.state, k.queue.Una().Sub(k.snd.una))
		case k.state == Closed && !k.is(flagBound) && k.links[linkPlace].on && !k.is(flagEmbryo):
			c.t.Errorf("slot %d is closed, and on a list", i)
		case k.state > Listen && k.outstanding() && k.rtx == umem.Never && !k.links[linkDirty].on && !k.links[linkWaiting].on:
			c.t.Errorf("slot %d in %v: something is outstanding, and no timer runs", i, k.state)
		case k.queue.Flight() < 0 || k.rcv.used > k.rcv.limit+1<<16:
			c.t.Errorf("slot %d: %d in flight, %d used", i, k.queue.Flight(), k.rcv.used)
		}
	}
	if frames != c.tab.Received() || dirty != int(c.tab.dirty.n) {
		c.t.Errorf("%d frames received, counted %d; %d dirty, counted %d", c.tab.Received(), frames, c.tab.dirty.n, dirty)
	}
}
