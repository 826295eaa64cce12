package xdpstack

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

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
// thread would pay a futex for every goroutine that it makes runnable (17 µs
// measured, docs/ARCHITECTURE.md); so it writes an eventfd once, and a
// dispatcher goroutine, woken by the runtime's poller, does the rest. A worker
// that shares its thread signals directly and yields.
type waker struct {
	direct bool
	due    []signal // this batch's, deduplicated by the sockets' own flags

	ring *spsc.Ring[signal]
	file *os.File
	fd   int
	done sync.WaitGroup
}

// maxWakes bounds what one batch can wake; the rest stays due for the next turn.
const maxWakes = 1024

func newWaker(direct bool) (*waker, error) {
	w := &waker{direct: direct, due: make([]signal, 0, maxWakes)}
	if direct {
		return w, nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	w.fd = fd
	w.file = os.NewFile(uintptr(fd), "xdpstack-waker")
	w.ring = newRing[signal](maxWakes)
	w.done.Add(1)
	go w.dispatch()
	return w, nil
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
	if w.direct {
		for _, s := range w.due {
			s.wake()
		}
		w.due = w.due[:0]
		runtime.Gosched()
		return
	}
	n := w.ring.PushBatch(w.due)
	w.due = w.due[:copy(w.due, w.due[n:])]
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// It cannot fail but when the counter is full, and then the dispatcher is
	// awake already.
	_, _ = unix.Write(w.fd, one[:])
}

// dispatch runs in a goroutine of its own until close.
func (w *waker) dispatch() {
	defer w.done.Done()
	var buf [8]byte
	batch := make([]signal, 64)
	for {
		if _, err := w.file.Read(buf[:]); err != nil {
			return
		}
		for n := w.ring.Pop(batch); n > 0; n = w.ring.Pop(batch) {
			for _, s := range batch[:n] {
				s.wake()
			}
		}
	}
}

// close ends the dispatcher, after the worker has ended.
func (w *waker) close() {
	if w.file != nil {
		_ = w.file.Close()
		w.done.Wait()
	}
}
