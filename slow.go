package xdpstack

import (
	"sync"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// slowHandler is how long a handler may take: the rings of a queue that gets
// 10 Mpps hold some 200 µs.
const slowHandler = 100 * umem.Microsecond

// timing finds handlers that take too long without reading the clock for each
// of a batch: the batch is timed as a whole, and once it took too long, the next
// calls are timed one by one.
type timing struct{ watch int }

// watched is how many calls are timed singly after a slow batch.
const watched = 256

// labelled is whose handler is timed: the name is only asked for when it is needed.
type labelled interface{ label() string }

func (t *timing) suspect() bool { return t.watch > 0 }

// all notes how long a batch of n calls took: longer than one call may, and the
// next are timed singly; unless it was one.
func (t *timing) all(s *shard, who labelled, start umem.Time, n int) {
	took := engine.Now() - start
	if took <= slowHandler {
		return
	}
	t.watch = watched
	if n == 1 {
		s.slow.add(who.label(), took)
	}
}

// one notes how long one call took, and returns the time.
func (t *timing) one(s *shard, who labelled, start umem.Time) umem.Time {
	now := engine.Now()
	t.watch--
	if took := now - start; took > slowHandler {
		s.slow.add(who.label(), took)
		t.watch = watched
	}
	return now
}

// slowHandlers counts, for a worker, calls of handlers that took too long.
type slowHandlers struct {
	mu sync.Mutex // taken for slow calls and status alone
	by map[string]SlowHandler
}

// SlowHandler counts the calls of one handler that took longer than 100 µs.
type SlowHandler struct {
	Name    string `json:"name"`
	Calls   uint64 `json:"calls"`
	Longest int64  `json:"longest_ns"`
}

func (l *slowHandlers) add(name string, took umem.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = make(map[string]SlowHandler)
	}
	h := l.by[name]
	h.Name = name
	h.Calls++
	h.Longest = max(h.Longest, int64(took))
	l.by[name] = h
}

func (l *slowHandlers) list() (out []SlowHandler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.by {
		out = append(out, h)
	}
	return out
}
