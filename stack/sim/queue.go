package sim

import "github.com/xdpstack/xdpstack/umem"

// event is something that happens at a time. Of two at the same time the one that
// was asked for first happens first: seq decides, so that a run is its seed.
type event struct {
	at  umem.Time
	seq uint64
	run func()
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// queue is a binary heap of events.
type queue struct {
	heap []event
	seq  uint64
}

// push adds an event.
func (q *queue) push(at umem.Time, run func()) {
	q.seq++
	q.heap = append(q.heap, event{at, q.seq, run})
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.heap[i].before(&q.heap[up]) {
			return
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

// next is the time of the first event, umem.Never when there is none.
func (q *queue) next() umem.Time {
	if len(q.heap) == 0 {
		return umem.Never
	}
	return q.heap[0].at
}

// pop takes the first event out; there must be one.
func (q *queue) pop() event {
	first := q.heap[0]
	n := len(q.heap) - 1
	q.heap[0] = q.heap[n]
	q.heap[n] = event{}
	q.heap = q.heap[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
