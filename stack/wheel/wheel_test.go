package wheel

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/xdpstack/xdpstack/umem"
)

// expire collects everything that is due.
func expire(w *Wheel, now umem.Time) []uint32 {
	var ids []uint32
	out := make([]uint32, 3)
	for range 1 << 20 {
		n := w.Expire(now, 5, out)
		ids = append(ids, out[:n]...)
		if w.Deadline() > now {
			break
		}
	}
	slices.Sort(ids)
	return ids
}

func TestTimersFireOnceWhenDue(t *testing.T) {
	for _, start := range []umem.Time{0, 1, Tick - 1, 12345 * umem.Second, 1 << 62} {
		for _, in := range []umem.Time{0, 1, Tick, 63 * Tick, 64 * Tick, 65 * Tick, umem.Second, 3600 * umem.Second, 1 << 61} {
			w := New(4, start)
			w.Set(2, start+in)
			if d := w.Deadline(); d > start+in+Tick {
				t.Errorf("start %d, in %d: Deadline %d is too late", start, in, d-start)
			}
			if in > 0 && expire(w, start+in-1) != nil {
				t.Errorf("start %d, in %d: fired early", start, in)
			}
			if got := expire(w, start+in+Tick); !slices.Equal(got, []uint32{2}) {
				t.Errorf("start %d, in %d: fired %v", start, in, got)
			}
			if w.Len() != 0 || w.Deadline() != umem.Never || w.At(2) != umem.Never {
				t.Errorf("start %d, in %d: it is still set", start, in)
			}
		}
	}
}

func TestLaterTimerIsNotMoved(t *testing.T) {
	w := New(2, 0)
	w.Set(0, 10*Tick)
	w.Set(0, 500*Tick)
	if got := expire(w, 499*Tick); got != nil {
		t.Errorf("a timer moved to a later time fired at the earlier one: %v", got)
	}
	if got := expire(w, 500*Tick); len(got) != 1 {
		t.Errorf("fired %v", got)
	}
}

func TestBudgetBoundsWhatIsLookedAt(t *testing.T) {
	const n = 1000
	w := New(n, 0)
	for id := range uint32(n) {
		w.Set(id, 100*umem.Millisecond)
	}
	out := make([]uint32, n)
	fired := 0
	for range n {
		got := w.Expire(umem.Second, 10, out)
		if got > 10 {
			t.Fatalf("%d fired with a budget of 10", got)
		}
		fired += got
	}
	if fired != n {
		t.Errorf("%d of %d fired", fired, n)
	}
}

// TestAgainstAList drives a wheel and a plain list of deadlines with the same calls.
func TestAgainstAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const timers = 8
		now := umem.Time(rapid.Int64Range(0, 1<<50).Draw(t, "start"))
		w := New(timers, now)
		var model [timers]umem.Time
		for i := range model {
			model[i] = umem.Never
		}
		span := rapid.Custom(func(t *rapid.T) umem.Time {
			return umem.Time(rapid.Int64Range(0, 1<<rapid.IntRange(1, 50).Draw(t, "bits")).Draw(t, "span"))
		})
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				id := rapid.Uint32Range(0, timers-1).Draw(t, "id")
				model[id] = now + span.Draw(t, "in")
				w.Set(id, model[id])
			},
			"stop": func(t *rapid.T) {
				id := rapid.Uint32Range(0, timers-1).Draw(t, "id")
				model[id] = umem.Never
				w.Stop(id)
			},
			"expire": func(t *rapid.T) {
				now += span.Draw(t, "step")
				idle := w.Idle(now)
				fired := expire(w, now)
				if n := w.Expire(now, 1, make([]uint32, 1)); n > 0 || idle && len(fired) > 0 || !w.Idle(now) {
					t.Fatalf("idle %v before %d timers fired, %v after", idle, len(fired), w.Idle(now))
				}
				for _, id := range fired {
					if model[id] > now {
						t.Fatalf("timer %d fired %d early", id, model[id]-now)
					}
					model[id] = umem.Never
				}
			},
			"": func(t *rapid.T) {
				first, set := umem.Never, 0
				for id, at := range model {
					if at != w.At(uint32(id)) {
						t.Fatalf("timer %d is due at %d, want %d", id, w.At(uint32(id)), at)
					}
					if at != umem.Never {
						set++
						first = min(first, at)
					}
				}
				if d := w.Deadline(); set != w.Len() || set == 0 && d != umem.Never || set > 0 && d >= first+Tick {
					t.Fatalf("%d of %d timers set, the first at %d, Deadline %d", w.Len(), set, first, d)
				}
			},
		})
		expire(w, 1<<61)
		if w.Len() != 0 {
			t.Fatalf("%d timers never fired", w.Len())
		}
	})
}

// TestDeadlineLeadsThere: going from Deadline to Deadline, as a worker does,
// reaches every timer in time and does not go in circles.
func TestDeadlineLeadsThere(t *testing.T) {
	w := New(100, 0)
	rng := rand.New(rand.NewPCG(1, 2))
	due := make([]umem.Time, 100)
	for id := range due {
		due[id] = umem.Time(rng.Int64N(1 << (20 + id%30)))
		w.Set(uint32(id), due[id])
	}
	out := make([]uint32, 100)
	for steps := 0; w.Len() > 0; steps++ {
		now := w.Deadline()
		for _, id := range out[:w.Expire(now, 100, out)] {
			if now < due[id] || now >= due[id]+Tick {
				t.Errorf("timer %d, due at %d, fired at %d", id, due[id], now)
			}
		}
		if steps > 100*levels {
			t.Fatalf("%d timers left after %d steps", w.Len(), steps)
		}
	}
}

func TestNoAllocsAndNoPointers(t *testing.T) {
	w := New(64, 0)
	out := make([]uint32, 64)
	now := umem.Time(0)
	if n := testing.AllocsPerRun(100, func() {
		for id := range uint32(64) {
			w.Set(id, now+umem.Time(id)*umem.Millisecond)
		}
		now += 100 * umem.Millisecond
		w.Expire(now, 64, out)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for i := range reflect.TypeFor[node]().NumField() {
		if k := reflect.TypeFor[node]().Field(i).Type.Kind(); k == reflect.Pointer || k == reflect.Slice {
			t.Errorf("field %d of a timer is a Go pointer", i)
		}
	}
}

func BenchmarkSetAndExpire(b *testing.B) {
	w := New(1024, 0)
	out := make([]uint32, 1024)
	now := umem.Time(0)
	for b.Loop() {
		for id := range uint32(1024) {
			w.Set(id, now+umem.Time(id%200)*umem.Millisecond)
		}
		now += umem.Second
		w.Expire(now, 1024, out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/timer")
}

// BenchmarkMove is what an ACK does to a retransmission timer.
func BenchmarkMove(b *testing.B) {
	w := New(1, 0)
	now := umem.Time(0)
	for b.Loop() {
		now += umem.Microsecond
		w.Set(0, now+umem.Second)
	}
}
