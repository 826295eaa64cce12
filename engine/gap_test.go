package engine_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// TestGapHistogram compares it with all values kept and sorted: never lower, never more than a
// sixteenth higher.
func TestGapHistogram(t *testing.T) {
	rnd := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	for _, bits := range []int{3, 5, 10, 20, 40, 62} {
		var h, part engine.GapHistogram
		var all []umem.Time
		for i := range 1000 {
			v := umem.Time(rnd.Int64N(1 << rnd.IntN(bits+1)))
			all = append(all, v)
			if i%2 == 0 {
				h.Note(v)
			} else {
				part.Note(v)
			}
		}
		h.Merge(&part)
		slices.Sort(all)
		if h.Count() != 1000 || h.Max() != all[999] {
			t.Fatalf("%d bits: count %d, max %d, want %d", bits, h.Count(), h.Max(), all[999])
		}
		for _, p := range []float64{50, 90, 99, 99.9, 100} {
			want := all[int(math.Ceil(1000*p/100))-1]
			if got := h.Percentile(p); got < want || got-want > want/16 {
				t.Errorf("%d bits: p%v is %d, want %d", bits, p, got, want)
			}
		}
		n := uint64(0)
		last := umem.Time(-1)
		for _, b := range h.Buckets() {
			if b.UpTo <= last {
				t.Errorf("bucket to %d after %d", b.UpTo, last)
			}
			n, last = n+b.Count, b.UpTo
		}
		if n != 1000 || last < h.Max() {
			t.Errorf("buckets have %d values, to %d", n, last)
		}
	}
}

// TestGapHistogramEdges: nothing, and values that cannot be.
func TestGapHistogramEdges(t *testing.T) {
	var h engine.GapHistogram
	if h.Percentile(99) != 0 || h.Max() != 0 || len(h.Buckets()) != 0 {
		t.Error("an empty histogram has values")
	}
	h.Note(-5)
	h.Note(math.MaxInt64)
	if h.Percentile(50) != 0 || h.Percentile(100) != math.MaxInt64 || h.Count() != 2 {
		t.Errorf("p50 %d, p100 %d", h.Percentile(50), h.Percentile(100))
	}
	if n := testing.AllocsPerRun(100, func() { h.Note(1000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGapNote(b *testing.B) {
	var h engine.GapHistogram
	v := umem.Time(0)
	for b.Loop() {
		h.Note(v & 0xffff)
		v += 37
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		engine.Now()
	}
}
