package spsc_test

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/xdpstack/xdpstack/engine/spsc"
	"pgregory.net/rapid"
)

// A failer is a *testing.T or *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func want[V comparable](t failer, what string, got, expected V) {
	t.Helper()
	if got != expected {
		t.Fatalf("%s: got %v, want %v", what, got, expected)
	}
}

func newRing[T any](t failer, size int) *spsc.Ring[T] {
	t.Helper()
	r, err := spsc.New[T](size)
	if err != nil {
		t.Fatalf("New(%d): %v", size, err)
	}
	return r
}

// count returns the n numbers from first on.
func count(first uint64, n int) []uint64 {
	vs := make([]uint64, n)
	for i := range vs {
		vs[i] = first + uint64(i)
	}
	return vs
}

// pop returns up to max values.
func pop(r *spsc.Ring[uint64], max int) []uint64 {
	dst := make([]uint64, max)
	return dst[:r.Pop(dst)]
}

func wantPop(t failer, r *spsc.Ring[uint64], max int, expected ...uint64) {
	t.Helper()
	if got := pop(r, max); !slices.Equal(got, expected) {
		t.Fatalf("Pop of %d: got %v, want %v", max, got, expected)
	}
}

func TestNewRefusesSize(t *testing.T) {
	for _, size := range []int{0, -1, 3, 1000, -1 << 63} {
		if _, err := spsc.New[int](size); !errors.Is(err, spsc.ErrSize) {
			t.Errorf("New(%d): got %v, want %v", size, err, spsc.ErrSize)
		}
	}
}

func TestFullAndEmpty(t *testing.T) {
	r := newRing[uint64](t, 4)
	wantPop(t, r, 4)
	for v := range uint64(4) {
		want(t, "Push", r.Push(v), true)
	}
	want(t, "Push into full", r.Push(9), false)
	want(t, "PushBatch into full", r.PushBatch(count(9, 2)), 0)
	want(t, "Len of full", r.Len(), 4)
	wantPop(t, r, 1, 0)
	want(t, "Push after Pop", r.Push(4), true)
	wantPop(t, r, 9, 1, 2, 3)
	wantPop(t, r, 9, 4)
	want(t, "Len of empty", r.Len(), 0)
	wantPop(t, r, 0)
}

func TestBatchLargerThanRing(t *testing.T) {
	r := newRing[uint64](t, 4)
	r.Push(0)
	r.Pop(make([]uint64, 1)) // so that the batch goes round the end
	want(t, "PushBatch", r.PushBatch(count(0, 9)), 4)
	wantPop(t, r, 9, 0, 1, 2, 3)
	want(t, "PushBatch of nothing", r.PushBatch(nil), 0)
}

func TestOneSlot(t *testing.T) {
	r := newRing[uint64](t, 1)
	for v := range uint64(5) {
		want(t, "PushBatch", r.PushBatch([]uint64{v, 99}), 1)
		want(t, "Push into full", r.Push(99), false)
		wantPop(t, r, 2, v)
	}
}

func TestAgainstModel(t *testing.T) {
	seedRapid(t)
	rapid.Check(t, func(t *rapid.T) {
		size := 1 << rapid.IntRange(0, 6).Draw(t, "log2 size")
		r := newRing[uint64](t, size)
		var queue []uint64
		var next uint64
		known := 0 // of queue, what Pop was bound to have seen
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				fits := len(queue) < size
				want(t, "Push", r.Push(next), fits)
				if fits {
					queue = append(queue, next)
					next++
				}
			},
			"batch": func(t *rapid.T) {
				vs := count(next, rapid.IntRange(0, 70).Draw(t, "n"))
				n := r.PushBatch(vs)
				want(t, "PushBatch", n, min(len(vs), size-len(queue)))
				queue = append(queue, vs[:n]...)
				next += uint64(n)
			},
			"pop": func(t *rapid.T) {
				max := rapid.IntRange(0, 70).Draw(t, "max")
				if known == 0 {
					known = len(queue)
				}
				n := min(max, known)
				wantPop(t, r, max, queue[:n]...)
				queue, known = queue[n:], known-n
			},
			"": func(t *rapid.T) { want(t, "Len", r.Len(), len(queue)) },
		})
	})
}

// Two threads; under -race it also shows that the indices order the accesses to the slots and to
// what the values point to.
func TestTwoThreads(t *testing.T) {
	const entries = 200_000
	r := newRing[*uint64](t, 64)
	values := make([]uint64, entries)
	wrong, tooLong := 0, 0
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var batch []*uint64
		for sent := 0; sent < entries; {
			batch = batch[:0]
			for i := sent; i < min(entries, sent+1+sent%80); i++ {
				values[i] = uint64(i)
				batch = append(batch, &values[i])
			}
			n := pushSome(r, batch)
			sent += n
			yieldIf(n == 0)
		}
	})
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		dst := make([]*uint64, 90)
		for got := 0; got < entries; {
			if l := r.Len(); l < 0 || l > r.Size() {
				tooLong++
			}
			n := r.Pop(dst[:1+got%90])
			for i, v := range dst[:n] {
				if *v != uint64(got+i) {
					wrong++
				}
			}
			got += n
			yieldIf(n == 0)
		}
	})
	wg.Wait()
	want(t, "values that came through wrong", wrong, 0)
	want(t, "impossible lengths", tooLong, 0)
	want(t, "Len at the end", r.Len(), 0)
}

// A third goroutine reads the two indices at two moments, between which much can happen.
func TestLenFromThirdGoroutine(t *testing.T) {
	r := newRing[uint64](t, 1)
	var wg sync.WaitGroup
	var stop atomic.Bool
	wg.Go(func() {
		for !stop.Load() {
			r.Push(1)
			pop(r, 1)
		}
	})
	impossible := 0
	for range 200_000 {
		if l := r.Len(); l < 0 || l > 1 {
			impossible++
		}
	}
	stop.Store(true)
	wg.Wait()
	want(t, "impossible lengths", impossible, 0)
}

// pushSome pushes one value by Push or several by PushBatch.
func pushSome(r *spsc.Ring[*uint64], batch []*uint64) int {
	if len(batch) > 1 {
		return r.PushBatch(batch)
	}
	if r.Push(batch[0]) {
		return 1
	}
	return 0
}

func yieldIf(idle bool) {
	if idle {
		runtime.Gosched()
	}
}

// A value that was popped belongs to the popper alone: the ring must not keep it alive.
func TestPopLetsGo(t *testing.T) {
	r := newRing[*[1 << 16]byte](t, 4)
	r.PushBatch(make([]*[1 << 16]byte, 2))
	r.Pop(make([]*[1 << 16]byte, 2)) // so that the next batch goes round the end
	var kept []weak.Pointer[[1 << 16]byte]
	for range 4 {
		v := new([1 << 16]byte)
		kept = append(kept, weak.Make(v))
		r.Push(v)
	}
	r.Pop(make([]*[1 << 16]byte, 3))
	runtime.GC()
	runtime.GC() // a second: the first may have begun before Pop
	for _, p := range kept[:3] {
		want(t, "popped value still alive", p.Value() != nil, false)
	}
	want(t, "waiting value still alive", kept[3].Value() != nil, true)
	runtime.KeepAlive(r)
}

func TestNoAllocs(t *testing.T) {
	r := newRing[uint64](t, 128)
	vs, dst := count(0, 64), make([]uint64, 128)
	want(t, "allocations", testing.AllocsPerRun(1000, func() {
		r.Push(1)
		r.PushBatch(vs)
		r.Pop(dst)
	}), 0)
}

func BenchmarkPushPop(b *testing.B) {
	r, _ := spsc.New[*uint64](1024)
	v, dst := new(uint64), make([]*uint64, 1)
	for b.Loop() {
		r.Push(v)
		r.Pop(dst)
	}
}

func BenchmarkBatch64(b *testing.B) {
	r, _ := spsc.New[*uint64](1024)
	vs := make([]*uint64, 64)
	for i := range vs {
		vs[i] = new(uint64)
	}
	for b.Loop() {
		r.PushBatch(vs)
		r.Pop(vs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/value")
}

// BenchmarkTwoThreads is what a hand-off between cores costs, a batch of 64 at a time. It depends on
// where the machine has its cores.
func BenchmarkTwoThreads(b *testing.B) {
	r, _ := spsc.New[*uint64](1024)
	var wg sync.WaitGroup
	batches := b.N
	b.ResetTimer()
	wg.Go(func() {
		vs := make([]*uint64, 64)
		for left := 64 * batches; left > 0; {
			n := r.PushBatch(vs)
			left -= n
			yieldIf(n == 0)
		}
	})
	dst := make([]*uint64, 64)
	for left := 64 * batches; left > 0; {
		n := r.Pop(dst)
		left -= n
		yieldIf(n == 0)
	}
	wg.Wait()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/value")
}
