package umem

// Queue is a first-in first-out list of frames, linked through the frames
// themselves. A frame is in one queue at most; a chain is queued by its first
// frame. The zero value is not ready: use NewQueue. A Queue has no Go pointer,
// so tables may hold them.
type Queue struct {
	first, last uint32
	n           int32
}

// NewQueue returns an empty queue.
func NewQueue() Queue { return Queue{first: none, last: none} }

// Len is the number of frames in the queue.
func (q *Queue) Len() int { return int(q.n) }

// Push appends f, and takes it from the caller.
func (q *Queue) Push(f *Frame) {
	f.link = none
	if q.n == 0 {
		q.first = f.index
	} else {
		f.at(q.last).link = f.index
	}
	q.last = f.index
	q.n++
}

// Peek returns the first frame of the queue without taking it, or nil.
func (q *Queue) Peek(r *Region) *Frame {
	if q.n == 0 {
		return nil
	}
	return r.Frame(q.first)
}

// Pop takes the first frame from the queue and gives it to the caller, or nil.
func (q *Queue) Pop(r *Region) *Frame {
	if q.n == 0 {
		return nil
	}
	f := r.Frame(q.first)
	q.first = f.link
	f.link = none
	q.n--
	return f
}
