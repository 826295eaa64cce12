package impair

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

const packets = 2000

// bench is two ends of a wire, one of them impaired.
type bench struct {
	t          *testing.T
	near, far  *umem.Pool
	port       *Port
	other      *mem.Port
	frames     []*umem.Frame
	deliveries []uint32
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	b := &bench{t: t, frames: make([]*umem.Frame, 64)}
	b.near, b.far = newPool(t), newPool(t)
	pn, pf, err := mem.Pair(b.near, b.far, mem.Config{Slots: 128})
	if err != nil {
		t.Fatal(err)
	}
	b.other = pf
	if b.port, err = New(pn, b.near, cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

func newPool(t *testing.T) *umem.Pool {
	t.Helper()
	const n = 1024
	r, err := umem.NewRegion(make([]byte, n*umem.MinChunk), umem.MinChunk)
	if err != nil {
		t.Fatal(err)
	}
	p, err := umem.NewPool(r, umem.PoolConfig{Workers: 1, Frames: n, FillFloor: 128, ControlFloor: 8, SendQuota: n, ReceiveQuota: n})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// packet is a frame with a link header and a number.
func packet(p *umem.Pool, number uint32) *umem.Frame {
	f := p.Get(umem.ClassSend)
	binary.BigEndian.PutUint32(f.Put(64)[linkHeader:], number)
	p.Hold(f, umem.HoldTx)
	return f
}

// balance checks the ledger of the impaired side.
func (b *bench) balance() {
	b.t.Helper()
	h := umem.Holders{Fill: b.port.InFill(), Tx: b.port.InTx()}
	h.Holds[umem.HoldTx] = b.port.InTx()
	if err := errors.Join(b.near.Balance(&h), b.near.Audit()); err != nil {
		b.t.Fatal(err)
	}
}

// take receives at the impaired port, notes the numbers, and frees.
func (b *bench) take(now umem.Time) {
	n := b.port.Receive(now, b.frames)
	for _, f := range b.frames[:n] {
		b.deliveries = append(b.deliveries, binary.BigEndian.Uint32(f.Bytes()[linkHeader:]))
	}
	b.near.FreeBatch(b.frames[:n])
}

// takeFar receives at the other end.
func (b *bench) takeFar(now umem.Time) {
	n := b.other.Receive(now, b.frames)
	for _, f := range b.frames[:n] {
		b.deliveries = append(b.deliveries, binary.BigEndian.Uint32(f.Bytes()[linkHeader:]))
	}
	b.far.FreeBatch(b.frames[:n])
}

// TestBothDirections: what the counters say was done is what arrives, late packets
// come all the same, and no frame is lost.
func TestBothDirections(t *testing.T) {
	cfg := Config{Seed: testenv.Seed(t), Loss: 0.1, Reorder: 0.1}
	for _, out := range []bool{false, true} {
		b := newBench(t, cfg)
		now := umem.Time(0)
		for i := range uint32(packets) {
			now += 100 * umem.Microsecond
			b.port.Refill()
			b.other.Refill()
			if out {
				b.port.Transmit([]*umem.Frame{packet(b.near, i)})
			} else {
				b.other.Transmit([]*umem.Frame{packet(b.far, i)})
			}
			b.turn(now, out)
		}
		for range 3 {
			now += defaultDelay
			b.turn(now, out)
		}
		c := b.port.Counters
		if c.Lost < packets/20 || c.Reordered < packets/20 || int(c.Lost)+len(b.deliveries) != packets {
			t.Errorf("out %v: %+v, %d delivered of %d", out, c, len(b.deliveries), packets)
		}
		if late := inversions(b.deliveries); late < int(c.Reordered)/2 {
			t.Errorf("out %v: %d packets were overtaken, %d reordered", out, late, c.Reordered)
		}
		if b.port.Pending() || b.port.Ready() {
			t.Errorf("out %v: something still waits", out)
		}
	}
}

func (b *bench) turn(now umem.Time, out bool) {
	b.t.Helper()
	b.take(now)
	if out {
		b.takeFar(now)
	}
	if err := b.port.Kick(); err != nil {
		b.t.Fatal(err)
	}
	n := b.port.Reap(b.frames)
	b.near.ReleaseBatch(b.frames[:n], umem.HoldTx)
	n = b.other.Reap(b.frames)
	b.far.ReleaseBatch(b.frames[:n], umem.HoldTx)
	b.balance()
}

// inversions counts packets that came after one with a higher number.
func inversions(numbers []uint32) (n int) {
	high := uint32(0)
	for _, x := range numbers {
		if x < high {
			n++
		}
		high = max(high, x)
	}
	return n
}

// TestDuplicateAndCorrupt: received packets come twice, or with one bit flipped.
func TestDuplicateAndCorrupt(t *testing.T) {
	b := newBench(t, Config{Seed: testenv.Seed(t), Duplicate: 0.2, Corrupt: 0.2})
	now := umem.Time(0)
	for i := range uint32(packets) {
		now += umem.Microsecond
		b.port.Refill()
		b.other.Transmit([]*umem.Frame{packet(b.far, i)})
		b.turn(now, false)
	}
	b.turn(now+1, false)
	c := b.port.Counters
	if c.Duplicated < packets/10 || c.Corrupted < packets/10 || len(b.deliveries) != packets+int(c.Duplicated) {
		t.Errorf("%+v, %d delivered of %d", c, len(b.deliveries), packets)
	}
}

// TestSeedRepeats: the same seed treats the same packets alike.
func TestSeedRepeats(t *testing.T) {
	run := func(seed uint64) (c Counters) {
		b := newBench(t, Config{Seed: seed, Loss: 0.3})
		for i := range uint32(200) {
			b.port.Refill()
			b.other.Transmit([]*umem.Frame{packet(b.far, i)})
			b.turn(umem.Time(i), false)
		}
		return b.port.Counters
	}
	if a, b := run(5), run(5); a != b {
		t.Errorf("one seed: %+v, then %+v", a, b)
	}
	if a, b := run(5), run(6); a == b {
		t.Errorf("two seeds: %+v both times", a)
	}
}

// TestClose: frames that wait return to the pool.
func TestClose(t *testing.T) {
	b := newBench(t, Config{Seed: testenv.Seed(t), Loss: 0.5, Reorder: 1})
	b.port.Refill()
	for i := range uint32(50) {
		b.port.Transmit([]*umem.Frame{packet(b.near, i)})
	}
	b.balance()
	if !b.port.Pending() {
		t.Error("nothing waits")
	}
	if err := b.port.Close(); err != nil {
		t.Fatal(err)
	}
	if books := b.near.Books(); books.Free != b.near.Config().Frames {
		t.Errorf("after Close: %+v", books)
	}
}

// TestParse: what is read, and what is refused with the word at fault.
func TestParse(t *testing.T) {
	c, err := Parse("loss=1%, reorder=0.005,delay=2ms,duplicate=3%,corrupt=0,seed=7")
	want := Config{Seed: 7, Loss: 0.01, Reorder: 0.005, Duplicate: 0.03, Delay: 2 * umem.Millisecond}
	if err != nil || c != want {
		t.Errorf("%+v, %v; want %+v", c, err, want)
	}
	for _, bad := range []string{"", "loss", "loss=200%", "loss=NaN", "loss=-1", "delay=1h", "delay=5", "lost=1%", "seed=-1"} {
		if _, err := Parse(bad); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
