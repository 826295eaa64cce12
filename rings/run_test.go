package rings_test

import (
	"slices"
	"testing"

	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
	"pgregory.net/rapid"
)

// runs collects what entries 0 to n-1 are when read run by run.
func runs[T any](run func(i, n uint32) []T, n uint32) (all []T) {
	for uint32(len(all)) < n {
		part := run(uint32(len(all)), n)
		if len(part) == 0 {
			break
		}
		all = append(all, part...)
	}
	return all
}

func TestRunReadsAcrossTheEnd(t *testing.T) {
	for i, off := range ringtest.Layouts {
		rx, k := ringtest.NewRXPair(ringtest.Config{Size: 8, Start: nearWrap, Offsets: off})
		want(t, "produced", k.Produce(descOf(0), descOf(1), descOf(2), descOf(3), descOf(4)), 5)
		n := rx.Peek(8)
		want(t, "first piece, up to slot 7", len(rx.Run(0, n)), 3)
		if got := valuesOf(runs(rx.Run, n)); !slices.Equal(got, values(0, 5)) {
			t.Errorf("layout %d: rx: %v", i, got)
		}
		done, kc := ringtest.NewCompletionPair(ringtest.Config{Size: 8, Start: nearWrap, Offsets: off})
		kc.Complete(values(0, 5)...)
		if got := runs(done.Run, done.Peek(8)); !slices.Equal(got, values(0, 5)) {
			t.Errorf("layout %d: completion: %v", i, got)
		}
	}
}

func TestRunWritesAcrossTheEnd(t *testing.T) {
	for _, off := range ringtest.Layouts {
		tx, k := ringtest.NewTXPair(ringtest.Config{Size: 8, Start: nearWrap, Offsets: off})
		n := tx.Reserve(5)
		for i := uint32(0); i < n; {
			for _, slot := range indexed(tx.Run(i, n)) {
				*slot = descOf(uint64(i))
				i++
			}
		}
		tx.Submit(n)
		dst := make([]rings.Desc, 8)
		wantValues(t, valuesOf(dst[:k.Consume(dst)]), 0, 5)

		fill, kf := ringtest.NewFillPair(ringtest.Config{Size: 8, Start: nearWrap, Offsets: off})
		n = fill.Reserve(5)
		for i := uint32(0); i < n; {
			for _, slot := range indexed(fill.Run(i, n)) {
				*slot = uint64(i)
				i++
			}
		}
		fill.Submit(n)
		addrs := make([]uint64, 8)
		wantValues(t, addrs[:kf.Take(addrs)], 0, 5)
	}
}

// indexed returns pointers to the elements of run, to write through.
func indexed[T any](run []T) []*T {
	ps := make([]*T, len(run))
	for i := range run {
		ps[i] = &run[i]
	}
	return ps
}

// What the kernel still owns is not in a run, whatever is asked for, and append cannot reach it.
func TestRunStaysWithinTheGrant(t *testing.T) {
	fill, _ := ringtest.NewFillPair(ringtest.Config{Size: 8})
	want(t, "without a reservation", len(fill.Run(0, 8)), 0)
	fill.Reserve(3)
	want(t, "more than reserved", len(fill.Run(0, 8)), 3)
	want(t, "capacity", cap(fill.Run(0, 2)), 2)
	want(t, "from beyond the reservation", len(fill.Run(3, 8)), 0)
	want(t, "from far beyond", len(fill.Run(^uint32(0), ^uint32(0))), 0)
	fill.Submit(2)
	want(t, "the rest of the reservation", len(fill.Run(0, 8)), 1)

	rx, k := ringtest.NewRXPair(ringtest.Config{Size: 8})
	k.Produce(make([]rings.Desc, 8)...)
	want(t, "without a peek", len(rx.Run(0, 8)), 0)
	rx.Peek(4)
	want(t, "more than peeked", len(rx.Run(0, 8)), 4)
	rx.Release(3)
	want(t, "the rest of the peeked", len(rx.Run(0, 8)), 1)
}

// Run and At see the same, wherever the ring stands.
func TestRunAgainstAt(t *testing.T) {
	seedRapid(t)
	rapid.Check(t, func(t *rapid.T) {
		rx, k := ringtest.NewRXPair(drawConfig(t))
		next := uint64(0)
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			for range rapid.IntRange(0, 70).Draw(t, "produce") {
				next += uint64(k.Produce(descOf(next)))
			}
			n := rx.Peek(rapid.Uint32Range(0, 70).Draw(t, "max"))
			var at []rings.Desc
			for i := range n {
				at = append(at, rx.At(i))
			}
			if run := runs(rx.Run, n); !slices.Equal(run, at) {
				t.Fatalf("Run gives %v, At %v", valuesOf(run), valuesOf(at))
			}
			rx.Release(rapid.Uint32Range(0, n).Draw(t, "release"))
		}
	})
}

func BenchmarkRXPeekRunRelease(b *testing.B) {
	r, k := ringtest.NewRXPair(ringtest.Config{Size: benchRing})
	for b.Loop() {
		k.Jump(benchBatch)
		n := r.Peek(benchBatch)
		for i := uint32(0); i < n; {
			run := r.Run(i, n)
			for _, d := range run {
				sink += d.Addr + uint64(d.Len)
			}
			i += uint32(len(run))
		}
		r.Release(n)
	}
	perEntry(b)
}

func BenchmarkFillReserveRunSubmit(b *testing.B) {
	r, k := ringtest.NewFillPair(ringtest.Config{Size: benchRing})
	for b.Loop() {
		n := r.Reserve(benchBatch)
		for i := uint32(0); i < n; {
			run := r.Run(i, n)
			for j := range run {
				run[j] = uint64(j)
			}
			i += uint32(len(run))
		}
		r.Submit(n)
		k.Jump(benchBatch)
	}
	perEntry(b)
}
