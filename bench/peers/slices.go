package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/bench/peers/meter"
)

const (
	sliceTime  = 50 * time.Millisecond
	wantSlices = 20
	maxSlices  = 6 * wantSlices
	// waitShare is how much of a slice that counts a process may have waited for its core.
	waitShare = 0.02
	// flowTime is how long packets may take to begin to pass: testpmd needs a second to start.
	flowTime = 10 * time.Second
	// settleTime is how long they pass before they count.
	settleTime = 200 * time.Millisecond
)

// Errors of a run.
var (
	errNoFlow    = errors.New("no packets pass")
	errDisturbed = errors.New("others use the cores")
)

// probe reads all counters of a run.
type probe struct {
	packets func() (uint64, error) // that the contender has done
	running func() error           // fails when a process ended
	worker  *meter.Counters
	waits   []*meter.Waits // of the contender, and of the source if there is one
}

// reading is what a probe read.
type reading struct {
	at      time.Time
	packets uint64
	worker  meter.Counts
	waited  time.Duration
}

func (p *probe) read() (r reading, err error) {
	if err := p.running(); err != nil {
		return r, err
	}
	if r.worker, err = p.worker.Read(); err != nil {
		return r, err
	}
	for _, w := range p.waits {
		waited, err := w.Read()
		if err != nil {
			return r, err
		}
		r.waited += waited
	}
	r.at = time.Now()
	r.packets, err = p.packets()
	return r, err
}

// total is a sum of slices.
type total struct {
	slices, disturbed int
	took              time.Duration
	packets           uint64
	worker            meter.Counts
}

// add adds the slice from a to b if it counts.
func (t *total) add(a, b reading) {
	took := b.at.Sub(a.at)
	if float64(b.waited-a.waited) > waitShare*float64(took) {
		t.disturbed++
		return
	}
	worker := b.worker.Since(a.worker)
	t.slices++
	t.took += took
	t.packets += b.packets - a.packets
	t.worker.Cycles += worker.Cycles
	t.worker.UserCycles += worker.UserCycles
	t.worker.Instructions += worker.Instructions
}

// measure reads slices until enough of them count. It does so on a thread of real-time
// priority: both cores are full, and counters that are not read at the same time
// say nothing.
func (p *probe) measure(ctx context.Context) (t total, err error) {
	leave, err := urgent()
	if err != nil {
		return t, err
	}
	defer leave()
	last, err := p.read()
	for err == nil && t.slices < wantSlices {
		if t.slices+t.disturbed == maxSlices {
			return t, fmt.Errorf("%w: %d slices of %v of %d count; wait until the machine is quiet", errDisturbed, t.slices, sliceTime, maxSlices)
		}
		if err := ctx.Err(); err != nil {
			return t, err
		}
		rest(sliceTime)
		next, err := p.read()
		if err != nil {
			return t, err
		}
		t.add(last, next)
		last = next
	}
	return t, err
}

// urgent gives the goroutine a thread of real-time priority, until leave.
func urgent() (leave func(), err error) {
	runtime.LockOSThread()
	old, err := unix.SchedGetAttr(0, 0)
	if err == nil {
		err = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("real-time priority: %w", err)
	}
	return func() {
		_ = unix.SchedSetAttr(0, old, 0) // what it was: allowed
		runtime.UnlockOSThread()
	}, nil
}

// rest sleeps on its own thread: a timer of the runtime would need another one, which has to wait
// for a core.
func rest(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // shorter after a signal: the slice is measured, not assumed
}

// flow waits until packets pass.
func flow(ctx context.Context, packets func() (uint64, error), running func() error) error {
	for deadline := time.Now().Add(flowTime); time.Now().Before(deadline); {
		if err := running(); err != nil {
			return err
		}
		n, err := packets()
		if err != nil {
			return err
		}
		if n > 0 {
			return pause(ctx, settleTime)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w in %v", errNoFlow, flowTime)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
