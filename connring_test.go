package xdpstack

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// TestByteRingIsAPipe: what comes out is what went in, whatever the sizes, and never more in
// it than connBytes.
func TestByteRingIsAPipe(t *testing.T) {
	r := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	for range 50 {
		var ring byteRing
		var in, out bytes.Buffer
		start := r.Uint32() // indices wrap
		ring.put.Store(start)
		ring.taken.Store(start)
		for range 500 {
			p := make([]byte, r.IntN(1<<r.IntN(16)))
			fillRandom(r, p)
			if len(p) > 0 && ring.write(p) {
				in.Write(p)
			}
			for range r.IntN(3) {
				b, more := ring.next()
				if all := int(ring.put.Load() - ring.taken.Load()); more != (len(b) < all) {
					t.Fatalf("%d octets of %d are a run, and more is %v", len(b), all, more)
				}
				b = b[:r.IntN(len(b)+1)]
				out.Write(b)
				ring.take(len(b))
			}
			if len(ring.buf) > connBytes || len(ring.buf)&(len(ring.buf)-1) != 0 {
				t.Fatalf("the ring has %d octets", len(ring.buf))
			}
		}
		for b, _ := ring.next(); len(b) > 0; b, _ = ring.next() {
			out.Write(b)
			ring.take(len(b))
		}
		if !bytes.Equal(in.Bytes(), out.Bytes()) {
			t.Fatalf("%d octets came out, not those %d that went in", out.Len(), in.Len())
		}
	}
}

// TestByteRingGrows with what is written to it, once it is empty.
func TestByteRingGrows(t *testing.T) {
	var r byteRing
	for _, c := range []struct {
		empty bool
		write int
		fits  bool
		size  int
	}{
		{true, 64, true, connBytesMin},
		{false, connBytesMin - 64, true, connBytesMin},
		{false, 1, false, connBytesMin},
		{true, 1, true, 2 * connBytesMin}, // it was too small
		{true, 5000, true, 8192},
		{true, connBytes, true, connBytes},
		{true, connBytes + 1, false, connBytes},
	} {
		if c.empty {
			r.drop()
		}
		if fits := r.write(make([]byte, c.write)); fits != c.fits || len(r.buf) != c.size {
			t.Errorf("%d octets: %v, in a ring of %d; want %v, %d", c.write, fits, len(r.buf), c.fits, c.size)
		}
	}
}

// TestFrameRingLendsInOrder, across its end, and says when the worker is to be told.
func TestFrameRingLendsInOrder(t *testing.T) {
	region, err := umem.NewRegion(make([]byte, 256*umem.MinChunk), umem.MinChunk)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: 256, SendQuota: 256, ReceiveQuota: 256})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	var ring frameRing
	var in, out []byte
	back := 0
	for range 2000 {
		room := ring.room()
		room = room[:r.IntN(len(room)+1)]
		for i := range room {
			f := pool.Get(umem.ClassSend)
			p := f.Put(1 + r.IntN(1400))
			fillRandom(r, p)
			in = append(in, p...)
			room[i] = f
		}
		ring.pushed.Store(ring.pushed.Load() + uint32(len(room)))
		p := make([]byte, r.IntN(1<<r.IntN(17)))
		n := ring.read(p)
		out = append(out, p[:n]...)
		if due := ring.due(); ring.empty() && n > 0 && !due {
			t.Fatal("the reader is through, and the worker is not to be told")
		}
		for f := ring.pop(ring.done.Load()); f != nil; f = ring.pop(ring.done.Load()) {
			back += f.Len()
			pool.Free(f)
		}
		if back > len(out) || len(out)-back > 1400 {
			t.Fatalf("%d octets read, and frames with %d given back", len(out), back)
		}
	}
	if !bytes.Equal(out, in[:len(out)]) {
		t.Error("what was read is not what was lent")
	}
}

// TestConnDeadline: each kind of move, and a timer that fires for one that was moved.
func TestConnDeadline(t *testing.T) {
	d := connDeadline{wakes: newSignal()}
	d.set(time.Now().Add(time.Hour))
	d.fire() // late, for a deadline before
	if d.passed.Load() {
		t.Error("passed an hour early")
	}
	d.set(time.Now().Add(time.Millisecond))
	<-d.wakes
	if !d.passed.Load() {
		t.Error("woken, and not passed")
	}
	d.set(time.Time{})
	d.fire()
	if d.passed.Load() {
		t.Error("none, and passed")
	}
	d.set(time.Now())
	<-d.wakes
	if !d.passed.Load() {
		t.Error("of now, and not passed")
	}
	if n := testing.AllocsPerRun(100, func() { d.set(time.Now().Add(time.Hour)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	d.set(time.Time{})
}
