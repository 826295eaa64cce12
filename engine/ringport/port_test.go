package ringport_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
	"github.com/xdpstack/xdpstack/umem"
)

// numbered makes received packets that carry their number, from 1.
func numbered() func([]byte) int {
	n := uint64(0)
	return func(mem []byte) int {
		n++
		clear(mem[:64])
		binary.BigEndian.PutUint64(mem[14:], n)
		return 64
	}
}

// inOrder checks that the packets sent carry the numbers 1, 2, 3 and so on.
func inOrder(t *testing.T, count *uint64) func([]byte) {
	return func(packet []byte) {
		*count++
		if n := binary.BigEndian.Uint64(packet[14:]); n != *count || len(packet) != 64 {
			t.Errorf("packet %d of %d bytes went out as number %d", n, len(packet), *count)
		}
	}
}

// TestForwardInOrder: what the kernel receives it gets back to send, in order and whole, across the
// wrap of the indices at 2^32, whatever the layout, with the ledger right at every turn.
func TestForwardInOrder(t *testing.T) {
	for layout := range ringtest.Layouts {
		sent := uint64(0)
		b := newBed(t, bedConfig{slots: 64, frames: 256, start: 1<<32 - 100, offset: layout, write: numbered(), read: inOrder(t, &sent)})
		w := b.worker(t, bare.NewForward(b.pool, 256, nil), everyTurn)
		for turn := range 100 {
			b.kernel.Receive(uint32(turn % 70))
			w.Turn(umem.Time(turn + 1))
			b.kernel.Transmit(64)
			b.kernel.Complete(64)
		}
		b.drain(t, w)
		if err := w.Err(); err != nil {
			t.Error(err)
		}
		var s engine.PortStats
		b.port.Stats(&s)
		if sent < 2500 || s.RxPackets != sent || s.TxPackets != sent || s.RxBytes != 64*sent || s.TxBytes != 64*sent {
			t.Errorf("layout %d: %d packets went round, counted %+v", layout, sent, s)
		}
	}
}

func everyTurn(c *engine.WorkerConfig) { c.LedgerEvery = 1 }

// TestCompletionsOutOfOrder: copy mode promises no order.
func TestCompletionsOutOfOrder(t *testing.T) {
	b := newBed(t, bedConfig{slots: 64, frames: 256, fault: ringtest.Faults{OutOfOrder: true}})
	w := b.worker(t, bare.NewForward(b.pool, 256, nil), everyTurn)
	for range 50 {
		b.kernel.Receive(40)
		b.kernel.Transmit(64)
		b.kernel.Complete(17)
		w.Turn(1)
	}
	if err := w.Err(); err != nil {
		t.Error(err)
	}
	if b.port.InTx() == 0 {
		t.Error("nothing was in flight: the test shows nothing")
	}
}

// TestBrokenKernel: the ledger names what a broken ring does to it.
func TestBrokenKernel(t *testing.T) {
	for name, c := range map[string]struct {
		fault ringtest.Faults
		want  string
	}{
		"received twice":  {ringtest.Faults{DuplicateRX: 5}, "place fill"},
		"completed twice": {ringtest.Faults{DuplicateCompletion: 5}, "place tx"},
	} {
		b := newBed(t, bedConfig{slots: 64, frames: 256, fault: c.fault})
		w := b.worker(t, bare.NewForward(b.pool, 256, nil), everyTurn)
		for range 20 {
			b.kernel.Receive(20)
			b.kernel.Transmit(20)
			b.kernel.Complete(20)
			w.Turn(1)
		}
		var i *umem.Imbalance
		if err := w.Err(); !errors.As(err, &i) || i.What != c.want {
			t.Errorf("%s: the ledger says %v, want a mismatch of %q", name, err, c.want)
		}
	}
}

// TestLostByKernel: an address that never comes back stays counted as the kernel's.
func TestLostByKernel(t *testing.T) {
	b := newBed(t, bedConfig{slots: 64, frames: 256, fault: ringtest.Faults{LoseRX: 4}})
	w := b.worker(t, bare.NewDrop(b.pool), everyTurn)
	for range 100 {
		b.kernel.Receive(16)
		w.Turn(1)
	}
	if err := w.Err(); err != nil {
		t.Error(err)
	}
	if n := b.pool.Books().Fill; n != 64 || b.kernel.Receive(64) != 0 {
		t.Errorf("%d addresses are with the kernel, and it has some left: want all 64 lost", n)
	}
}

// TestNonsenseDescriptors: a descriptor that makes no sense is counted and costs nothing but its place.
func TestNonsenseDescriptors(t *testing.T) {
	for name, d := range map[string]rings.Desc{
		"outside the region":     {Addr: 1 << 40, Len: 64},
		"one past the region":    {Addr: 256 * chunk, Len: 64},
		"past the end of chunk":  {Addr: 256, Len: chunk},
		"length of 32 bits":      {Addr: 256, Len: 1<<32 - 1},
		"frame of ours":          {Addr: 200*chunk + 256, Len: 64},
		"goes on in another":     {Addr: 256, Len: 64, Options: rings.PktContd},
		"option nobody knows":    {Addr: 256, Len: 64, Options: 1 << 31},
		"negative as an address": {Addr: 1<<64 - 1, Len: 64},
	} {
		b := newBed(t, bedConfig{slots: 64, frames: 256})
		var addrs [64]uint64
		n := b.kernel.Fill.Take(addrs[:])
		good := func(a uint64) rings.Desc { return rings.Desc{Addr: a + umem.Headroom, Len: 60} }
		b.kernel.RX.Produce(good(addrs[10]), d, good(addrs[11]))
		out := make([]*umem.Frame, 64)
		got := b.port.Receive(7, out)
		var s engine.PortStats
		b.port.Stats(&s)
		if n != 64 || got != 2 || s.RxInvalid != 1 || s.RxPackets != 2 || s.RxBytes != 120 {
			t.Errorf("%s: received %d, counted %+v", name, got, s)
			continue
		}
		if a := out[1].Addr(); a != addrs[11]+umem.Headroom || out[1].Len() != 60 || out[1].RxTime != 7 {
			t.Errorf("%s: the packet after it is at %d, %d bytes", name, a, out[1].Len())
		}
	}
}

// TestNonsenseCompletions: so with completions.
func TestNonsenseCompletions(t *testing.T) {
	b := newBed(t, bedConfig{slots: 64, frames: 256})
	f := b.frame(t, 60)
	if n := b.port.Transmit([]*umem.Frame{f}); n != 1 {
		t.Fatalf("took %d", n)
	}
	b.kernel.Completion.Complete(1<<50, f.Addr(), f.Addr(), 250*chunk)
	out := make([]*umem.Frame, 64)
	n := b.port.Reap(out)
	var s engine.PortStats
	b.port.Stats(&s)
	if n != 1 || out[0] != f || s.TxInvalid != 3 {
		t.Errorf("reaped %d, counted %+v", n, s)
	}
	b.pool.ReleaseBatch(out[:n], umem.HoldTx)
}

// frame takes a frame of n bytes from the pool and holds it for TX.
func (b *bed) frame(t *testing.T, n int) *umem.Frame {
	t.Helper()
	f := b.pool.Get(umem.ClassSend)
	if f == nil {
		t.Fatal("the pool has no frame")
	}
	clear(f.Put(n))
	b.pool.Hold(f, umem.HoldTx)
	return f
}

// TestRefused: frames that no descriptor can say never reach the ring, and come back by Reap.
func TestRefused(t *testing.T) {
	sizes := []int{}
	b := newBed(t, bedConfig{slots: 64, frames: 256, read: func(p []byte) { sizes = append(sizes, len(p)) }})
	frames := []*umem.Frame{b.frame(t, 0), b.frame(t, 20), b.frame(t, 13), b.frame(t, 100), b.frame(t, 21), b.frame(t, 5)}
	more := b.pool.Get(umem.ClassSend)
	frames[3].Append(more)
	if n := b.port.Transmit(frames); n != len(frames) {
		t.Errorf("took %d", n)
	}
	b.balanced(t)
	if b.kernel.Transmit(64) != 2 || len(sizes) != 2 || sizes[0] != 20 || sizes[1] != 21 {
		t.Errorf("the kernel was given packets of %d bytes, want 20 and 21", sizes)
	}
	b.kernel.Complete(64)
	if !b.port.Ready() {
		t.Error("frames are to be reaped and the port is not ready")
	}
	out := make([]*umem.Frame, 64)
	if n := b.port.Reap(out); n != len(frames) {
		t.Errorf("reaped %d, want %d", n, len(frames))
	}
	b.pool.ReleaseBatch(out[:len(frames)], umem.HoldTx)
	var s engine.PortStats
	if b.port.Stats(&s); s.TxRefused != 4 || s.TxPackets != 2 {
		t.Errorf("counted %+v", s)
	}
	b.balanced(t)
}

// balanced fails the test unless the ledger holds with nothing but the port holding frames.
func (b *bed) balanced(t *testing.T) {
	t.Helper()
	h := umem.Holders{Fill: b.port.InFill(), Tx: b.port.InTx()}
	h.Holds[umem.HoldTx] = h.Tx
	if err := b.pool.Balance(&h); err != nil {
		t.Error(err)
	}
	if err := b.pool.Audit(); err != nil {
		t.Error(err)
	}
}

// TestFullTX: a full ring takes what it has room for, and TxRoom says how much that is.
func TestFullTX(t *testing.T) {
	b := newBed(t, bedConfig{slots: 8, frames: 64})
	var frames []*umem.Frame
	for range 12 {
		frames = append(frames, b.frame(t, 60))
	}
	if room := b.port.TxRoom(); room != 8 {
		t.Errorf("room for %d in an empty ring of 8", room)
	}
	if n := b.port.Transmit(frames); n != 8 || b.port.TxRoom() != 0 || !b.port.Pending() {
		t.Errorf("took %d of 12 with room for 8; room for %d now", n, b.port.TxRoom())
	}
	b.kernel.Transmit(64)
	if b.port.TxRoom() != 0 || b.port.Pending() {
		t.Error("room before completions: the completion ring could not take them")
	}
	b.kernel.Complete(3)
	out := make([]*umem.Frame, 64)
	b.pool.ReleaseBatch(out[:b.port.Reap(out)], umem.HoldTx)
	if n := b.port.TxRoom(); n != 3 {
		t.Errorf("room for %d after 3 completions", n)
	}
	if n := b.port.Transmit(frames[8:]); n != 3 {
		t.Errorf("took %d with room for 3", n)
	}
	b.pool.Release(frames[11], umem.HoldTx)
	b.balanced(t)
}

// TestRefillWithFewFrames: Refill gives what the pool has, and the rest when that comes back.
func TestRefillWithFewFrames(t *testing.T) {
	b := newBed(t, bedConfig{slots: 64, frames: 40})
	if n := b.port.InFill(); n != 40 {
		t.Errorf("%d of 40 frames on a fill ring of 64", n)
	}
	out := make([]*umem.Frame, 64)
	for range 10 {
		b.kernel.Receive(64)
		b.pool.FreeBatch(out[:b.port.Receive(1, out)])
		b.port.Refill()
	}
	if n := b.port.InFill(); n != 40 {
		t.Errorf("%d of 40 frames on the fill ring after ten rounds", n)
	}
	b.balanced(t)
}

// TestLostFrame is the ledger's own test: a program that loses a frame is named with the
// place, and with what was done to it last.
func TestLostFrame(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(p *umem.Pool, f *umem.Frame)
		want []string
	}{
		"forgotten":          {func(*umem.Pool, *umem.Frame) {}, []string{"place stack, held by nobody", "last received"}},
		"held and forgotten": {func(p *umem.Pool, f *umem.Frame) { p.Hold(f, umem.HoldApp) }, []string{"hold application", "last held by application"}},
	} {
		b := newBed(t, bedConfig{slots: 64, frames: 256})
		w := b.worker(t, &loser{Drop: bare.NewDrop(b.pool), pool: b.pool, lose: c.lose}, everyTurn)
		for range 5 {
			b.kernel.Receive(20)
			w.Turn(1)
		}
		err := w.Err()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the ledger says %v, want it to name %q", name, err, want)
			}
		}
	}
}

// loser is a Drop that loses the tenth frame.
type loser struct {
	*bare.Drop
	pool *umem.Pool
	lose func(*umem.Pool, *umem.Frame)
	seen int
}

func (l *loser) Input(now umem.Time, frames []*umem.Frame) {
	for _, f := range frames {
		if l.seen++; l.seen == 10 {
			l.lose(l.pool, f)
			continue
		}
		l.Drop.Input(now, []*umem.Frame{f})
	}
}

// TestNoAllocs: a turn with a batch in each direction allocates nothing.
func TestNoAllocs(t *testing.T) {
	b := newBed(t, bedConfig{slots: 256, frames: 1024})
	for name, p := range map[string]engine.Program{
		"drop": bare.NewDrop(b.pool), "forward": bare.NewForward(b.pool, 256, nil),
		"generate": bare.NewGenerate(b.pool, make([]byte, 64), 0, 1<<60),
	} {
		w := b.worker(t, p)
		if n := testing.AllocsPerRun(100, func() {
			b.forward()
			w.Turn(engine.Now())
		}); n != 0 {
			t.Errorf("%s: %v allocations a turn", name, n)
		}
		if g, ok := p.(*bare.Generate); ok {
			g.Left = 0
		}
		b.drain(t, w)
	}
}

// drain turns until the kernel has let go of all that was sent.
func (b *bed) drain(t *testing.T, w *engine.Worker) {
	t.Helper()
	for turn := 0; b.port.InTx() > 0; turn++ {
		if turn == 100 {
			t.Fatalf("%d frames are with the kernel after %d turns", b.port.InTx(), turn)
		}
		b.send()
		w.Turn(engine.Now())
	}
}
