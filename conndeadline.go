package xdpstack

import (
	"sync"
	"sync/atomic"
	"time"
)

// connDeadline is one direction's deadline of a connection. A call that waits does so on
// the direction's signal alone: the timer wakes that, and the call looks again. So
// neither waiting nor moving the deadline allocates, but for the timer, once.
type connDeadline struct {
	mu     sync.Mutex
	due    time.Time
	timer  *time.Timer
	wakes  signal
	passed atomic.Bool
}

// set moves the deadline; the zero time is none. Who waits already hears of it.
func (d *connDeadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due = t
	d.passed.Store(false)
	if t.IsZero() {
		if d.timer != nil {
			d.timer.Stop()
		}
		return
	}
	d.arm()
}

// arm has the timer fire when the deadline passes. The lock is held.
func (d *connDeadline) arm() {
	left := time.Until(d.due)
	switch {
	case left <= 0:
		d.passed.Store(true)
		d.wakes.wake()
	case d.timer == nil:
		d.timer = time.AfterFunc(left, d.fire)
	default:
		d.timer.Reset(left)
	}
}

// fire is the timer's. It may come for a deadline that was moved meanwhile, and early
// when the deadline is one of the wall clock.
func (d *connDeadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.due.IsZero() && !d.passed.Load() {
		d.arm()
	}
}
