package wheel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// model is the plain list of deadlines that a wheel is compared with.
type model []umem.Time

// fire takes what the wheel fired at now out of the model. Nothing may be early.
func (m model) fire(t *testing.T, now umem.Time, ids []uint32) {
	t.Helper()
	for _, id := range ids {
		if m[id] > now {
			t.Fatalf("timer %d, due at %d, fired at %d", id, m[id], now)
		}
		m[id] = umem.Never
	}
}

// late fails on a timer that should have fired by now: a tick or more ago.
func (m model) late(t *testing.T, now umem.Time) {
	t.Helper()
	for id, at := range m {
		if at <= now-Tick {
			t.Fatalf("timer %d, due at %d, has not fired at %d", id, at, now)
		}
	}
}

// TestManyAgainstAList: thousands of timers, set, moved and stopped at random, at
// distances from a nanosecond to a month, with time that creeps and jumps.
func TestManyAgainstAList(t *testing.T) {
	const timers = 2000
	for round := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, round))
		span := func() umem.Time { return umem.Time(rng.Int64N(1 << (1 + rng.IntN(51)))) }
		now := umem.Time(rng.Int64N(1 << (1 + rng.IntN(61))))
		w, m, out := New(timers, now), make(model, timers), make([]uint32, 64)
		for i := range m {
			m[i] = umem.Never
		}
		for range 300 {
			for range rng.IntN(60) {
				id := uint32(rng.IntN(timers))
				if at := now + span(); rng.IntN(8) > 0 {
					m[id] = at
					w.Set(id, at)
				} else {
					m[id] = umem.Never
					w.Stop(id)
				}
			}
			if now += span() >> rng.IntN(30); rng.IntN(4) == 0 {
				now = max(now, min(w.Deadline(), 1<<62))
			}
			for {
				m.fire(t, now, out[:w.Expire(now, 1+rng.IntN(200), out[:1+rng.IntN(len(out))])])
				if w.Deadline() > now {
					break
				}
			}
			m.late(t, now)
		}
	}
}

// TestEndOfTime: deadlines at the end of what a Time holds neither wrap nor fire.
func TestEndOfTime(t *testing.T) {
	for _, at := range []umem.Time{math.MaxInt64 - 1, math.MaxInt64 - Tick, 1 << 62} {
		w := New(1, 0)
		w.Set(0, at)
		if d := w.Deadline(); d < 0 {
			t.Errorf("due at %d: Deadline %d", at, d)
		}
		if n := w.Expire(at-Tick, 10, make([]uint32, 1)); n != 0 {
			t.Errorf("due at %d: fired early", at)
		}
		if d := w.Deadline(); d < at-Tick {
			t.Errorf("due at %d: Deadline %d", at, d)
		}
	}
}

// TestTimeThatStandsStillOrGoesBack: nothing fires early, nothing is lost, and a
// call ends.
func TestTimeThatStandsStillOrGoesBack(t *testing.T) {
	w := New(2, umem.Second)
	w.Set(0, 2*umem.Second)
	out := make([]uint32, 2)
	for _, now := range []umem.Time{umem.Second, 0, -umem.Second, umem.Second} {
		if n := w.Expire(now, 100, out); n != 0 {
			t.Errorf("fired at %d", now)
		}
	}
	w.Set(1, -umem.Second)
	if n := w.Expire(umem.Second, 100, out); n != 1 || out[0] != 1 {
		t.Errorf("a timer of the past: %d fired", n)
	}
	if n := w.Expire(3*umem.Second, 100, out); n != 1 || out[0] != 0 {
		t.Errorf("%d fired", n)
	}
}

// TestNumberThatIsNoTimer panics, instead of breaking a list.
func TestNumberThatIsNoTimer(t *testing.T) {
	w := New(3, 0)
	for name, call := range map[string]func(){
		"Set": func() { w.Set(3, 1) }, "Stop": func() { w.Stop(3) }, "At": func() { w.At(3) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s(3) of three timers did not panic", name)
				}
			}()
			call()
		}()
	}
}
