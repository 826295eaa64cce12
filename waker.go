package xdpstack

import (
	"runtime"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/spsc"
)

// signal parks one goroutine per direction of a socket: a channel of one
// element, made once, so that waking allocates nothing and a wake-up that comes
// before the sleep is not lost.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

// wake is safe from anywhere; many wakes before a wait count as one.
func (s signal) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// waker wakes goroutines from a worker, once a batch. A worker that owns its
// thread leaves that to an engine.Dispatcher; one that shares its thread signals
// directly, and yields.
type waker struct {
	due  []signal // this batch's
	ring *spsc.Ring[signal]
	far  *engine.Dispatcher // nil: signal directly
	pops [64]signal         // the dispatcher's
}

// maxWakes bounds what one batch can wake; the rest stays due for the next turn.
const maxWakes = 1024

func newWaker(direct bool) (w *waker, err error) {
	w = &waker{due: make([]signal, 0, maxWakes)}
	if direct {
		return w, nil
	}
	w.ring = newRing[signal](maxWakes)
	w.far, err = engine.NewDispatcher(w.dispatch)
	return w, err
}

// add notes that s is to be woken when the batch is through. It reports false
// when the batch can take no more: the caller tries again next turn.
func (w *waker) add(s signal) bool {
	if len(w.due) == cap(w.due) {
		return false
	}
	w.due = append(w.due, s)
	return true
}

// flush wakes what is due. It is called by the worker, once a turn.
func (w *waker) flush() {
	if len(w.due) == 0 {
		return
	}
	if w.far == nil {
		for _, s := range w.due {
			s.wake()
		}
		w.due = w.due[:0]
		runtime.Gosched()
		return
	}
	n := w.ring.PushBatch(w.due)
	w.due = w.due[:copy(w.due, w.due[n:])]
	w.far.Wake()
}

// dispatch is the dispatcher's: wake what the worker put on the ring.
func (w *waker) dispatch() {
	for n := w.ring.Pop(w.pops[:]); n > 0; n = w.ring.Pop(w.pops[:]) {
		for _, s := range w.pops[:n] {
			s.wake()
		}
	}
}

// close ends the dispatcher, after the worker has ended.
func (w *waker) close() error {
	if w.far == nil {
		return nil
	}
	return w.far.Close()
}
