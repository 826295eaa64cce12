package link

import "github.com/xdpstack/xdpstack/umem"

// Qdisc is the queue before the device: pfifo, bounded in frames. Frames in it
// have a HoldTx.
type Qdisc struct {
	q     umem.Queue
	limit int
}

// NewQdisc holds at most limit frames.
func NewQdisc(limit int) Qdisc { return Qdisc{q: umem.NewQueue(), limit: limit} }

// Len is the number of frames that wait.
func (q *Qdisc) Len() int { return q.q.Len() }

// Full reports whether Push would refuse.
func (q *Qdisc) Full() bool { return q.q.Len() >= q.limit }

// HalfFree reports whether less than half of the queue is taken.
func (q *Qdisc) HalfFree() bool { return 2*q.q.Len() < q.limit }

// Push takes f, or refuses it when the queue is full: the caller keeps it then.
func (q *Qdisc) Push(f *umem.Frame) bool {
	if q.q.Len() >= q.limit {
		return false
	}
	q.q.Push(f)
	return true
}

// Pop fills out with the frames that waited longest and returns how many.
func (q *Qdisc) Pop(r *umem.Region, out []*umem.Frame) int {
	n := min(len(out), q.q.Len())
	for i := range out[:n] {
		out[i] = q.q.Pop(r)
	}
	return n
}
