package engine

import "github.com/xdpstack/xdpstack/umem"

// batchBuckets are the buckets of WorkerStats.Batches.
const batchBuckets = 12

// WorkerStats are a worker's counters since it was made.
type WorkerStats struct {
	Turns, IdleTurns uint64
	Sleeps           uint64 // times that it blocked
	Woken            uint64 // of them, ended by something other than the timeout

	Received, Sent, Completed uint64 // frames

	// Batches counts calls of Receive by what they returned: nothing, 1, 2 to 3, 4 to 7, and
	// so on: bucket n is of fewer than 1 << n.
	Batches [batchBuckets]uint64

	Mails, Events     uint64
	NotesIn, NotesOut uint64
	NotesDropped      uint64 // the ring was full

	HandedIn, HandedOut uint64 // frames from and to other workers
	HandoffDrops        uint64 // the ring was full, or there was no such worker

	NoPort uint64 // frames for a port that the worker does not have
	TxDown uint64 // frames for a device that is down

	PortErrors    uint64 // errors of Kick
	LedgerChecks  uint64
	LedgerErrors  uint64
	DrainTimeouts uint64 // ends at which completions were still missing

	Gaps GapHistogram // times between turns, without sleeps
}

// Status is a worker at one moment.
type Status struct {
	WorkerStats
	Ports []PortStats // as WorkerConfig.Ports
	Books umem.Books
	Down  []bool // by port
}

// Status returns the worker's counters, its ports' and its pool's, taken between two turns.
func (w *Worker) Status() Status {
	var s Status
	w.Do(func() {
		s.WorkerStats = w.stats
		s.Books = w.pool.Books()
		s.Down = append(s.Down, w.down...)
		s.Ports = make([]PortStats, len(w.ports))
		for i, p := range w.ports {
			p.Stats(&s.Ports[i])
		}
	})
	return s
}

// call is a function that runs on the worker, between two turns.
type call struct {
	node Node
	f    func()
	done chan struct{}
}

// Do runs f between two turns of the worker, and returns when it is done. When the worker
// is not running, f runs here. f must not call Do or block. It must not be called on
// the worker itself: handlers are there already.
func (w *Worker) Do(f func()) {
	w.mu.Lock()
	if !w.running {
		defer w.mu.Unlock()
		f()
		return
	}
	c := &call{f: f, done: make(chan struct{})}
	c.node.Value = c
	w.calls.Post(&c.node)
	w.mu.Unlock()
	w.Wake()
	<-c.done
}

// serve runs the calls that were posted.
func (w *Worker) serve() int {
	if w.calls.Empty() {
		return 0
	}
	return w.calls.Take(func(n *Node) {
		c := n.Value.(*call)
		c.f()
		close(c.done)
	})
}
