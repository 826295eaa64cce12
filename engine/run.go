package engine

import (
	"fmt"
	"runtime"

	"github.com/xdpstack/xdpstack/umem"
)

// How long a worker that has something with a device sleeps at most, since no descriptor
// announces completions: twice as long each time, from the first to the second.
const (
	reapFirst = 100 * umem.Microsecond
	reapLast  = 10 * umem.Millisecond
)

// lookEvery is how long a worker sleeps at most. The descriptor of a device that vanishes tells a
// sleeper nothing (xsk_poll, net/xdp/xsk.c, Linux 6.18): only Kick finds out.
const lookEvery = umem.Second

// drainFor bounds how long an ending worker waits for completions. The kernel keeps a frame
// for as long as a receiver on the same machine does not read it.
const drainFor = 100 * umem.Millisecond

// Run turns the loop until Stop, or until the ledger does not hold or a device is gone: it
// returns that error. It takes no more packets then, waits for completions, and checks the ledger
// once more. A worker runs once.
func (w *Worker) Run() error {
	leave, err := w.enter()
	if err != nil {
		return err
	}
	defer leave()
	for !w.stopping.Load() && w.err == nil {
		now := w.clock()
		work := w.Turn(now)
		switch {
		case work == 0:
			w.idle(now)
		case w.cfg.Mode == Shared && w.eventful():
			w.idleSince = 0
			runtime.Gosched() // to the goroutines that were woken
		default:
			w.idleSince = 0
		}
	}
	w.drain()
	w.audit(true)
	return w.err
}

// Stop makes Run end. It does not wait for it.
func (w *Worker) Stop() {
	w.stopping.Store(true)
	w.Wake()
}

// enter makes the goroutine the worker's, and returns what undoes that.
func (w *Worker) enter() (leave func(), err error) {
	unpin := func() {}
	if w.cfg.Mode == Dedicated {
		if unpin, err = pin(w.cfg.CPU); err != nil {
			return nil, fmt.Errorf("engine: worker %d: %w", w.cfg.ID, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		unpin()
		return nil, fmt.Errorf("engine: worker %d runs already", w.cfg.ID)
	}
	w.running = true
	return func() {
		w.mu.Lock()
		w.running = false
		w.serve()
		w.mu.Unlock()
		unpin()
	}, nil
}

// eventful reports whether events ran since it was asked last.
func (w *Worker) eventful() bool {
	was := w.eventsSeen
	w.eventsSeen = w.stats.Events
	return w.eventsSeen != was
}

// idle is what a worker does after a turn without work.
func (w *Worker) idle(now umem.Time) {
	if w.idleSince == 0 {
		w.idleSince = now
	}
	if w.cfg.Poll == Interrupt || w.cfg.Poll == Adaptive && now-w.idleSince >= w.cfg.SpinFor {
		w.sleep()
		return
	}
	if w.cfg.Mode == Shared {
		runtime.Gosched()
	}
}

// sleep blocks until there is work or the program has a timer due.
func (w *Worker) sleep() {
	at(w.seams.decided)
	w.sleeping.Store(true)
	at(w.seams.said)
	if w.due() {
		w.sleeping.Store(false)
		return
	}
	at(w.seams.looked)
	if d := w.nap(); d > 0 {
		w.stats.Sleeps++
		if w.sleeper.wait(d) {
			w.stats.Woken++
			w.idleSince = 0
		}
	}
	w.sleeping.Store(false)
	w.lastTurn = 0 // a sleep is not a gap
}

func at(seam func()) {
	if seam != nil {
		seam()
	}
}

// due reports whether anyone has work for us: the last look before sleep. All that it looks at is
// written before its writer looks at sleeping.
func (w *Worker) due() bool {
	if w.stopping.Load() || !w.mail.Empty() || !w.calls.Empty() {
		return true
	}
	for _, p := range w.ports {
		if p.Ready() {
			return true
		}
	}
	return w.mesh != nil && w.mesh.ready(w.cfg.ID)
}

// nap is how long the worker may sleep: until the program's deadline, and not long while
// frames are with a device, or on their way home.
func (w *Worker) nap() umem.Time {
	d := lookEvery
	if at := w.program.Deadline(); at != umem.Never {
		d = min(max(at-w.clock(), 0), lookEvery)
	}
	busy := w.lates > 0 || w.mesh != nil && w.pool.Away() > 0 // a full ring kept some here
	for _, p := range w.ports {
		busy = busy || p.Pending() || p.InTx() > 0
	}
	if !busy {
		w.reapIn = reapFirst
		return d
	}
	d = min(d, w.reapIn)
	w.reapIn = min(2*w.reapIn, reapLast)
	return d
}

// drain sends what the program has left to say, and waits until the devices have let go of all
// frames, for a bounded time.
func (w *Worker) drain() {
	if p, ok := w.program.(Ender); ok {
		p.End()
	}
	for until := w.clock() + drainFor; ; {
		now := w.clock()
		out := w.lates
		if w.err == nil {
			out += w.output(now)
		}
		for i, p := range w.ports {
			for w.reap(now, p) > 0 {
			}
			w.flush(now)
			w.kicked(i, p.Kick())
			out += p.InTx()
		}
		w.endTurn()
		if out == 0 {
			return
		}
		if now >= until {
			w.stats.DrainTimeouts++
			return
		}
		w.sleeper.wait(reapFirst)
	}
}
