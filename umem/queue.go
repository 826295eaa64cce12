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

// Last returns the last frame of the queue without taking it, or nil.
func (q *Queue) Last(r *Region) *Frame {
	if q.n == 0 {
		return nil
	}
	return r.Frame(q.last)
}

// Next returns the frame after f, which is in the queue, or nil. After nil comes
// the first.
func (q *Queue) Next(r *Region, f *Frame) *Frame {
	switch {
	case f == nil:
		return q.Peek(r)
	case f.link == none:
		return nil
	}
	return r.Frame(f.link)
}

// Insert puts f after prev, which is in the queue, or in front of all when prev is
// nil, and takes it from the caller.
func (q *Queue) Insert(prev, f *Frame) {
	switch {
	case q.n == 0 || prev != nil && q.last == prev.index:
		q.Push(f)
		return
	case prev == nil:
		f.link = q.first
		q.first = f.index
	default:
		f.link = prev.link
		prev.link = f.index
	}
	q.n++
}

// Remove takes the frame after prev, or the first when prev is nil, from the queue
// and gives it to the caller, or nil.
func (q *Queue) Remove(r *Region, prev *Frame) *Frame {
	if prev == nil {
		return q.Pop(r)
	}
	f := q.Next(r, prev)
	if f == nil {
		return nil
	}
	prev.link = f.link
	if q.last == f.index {
		q.last = prev.index
	}
	f.link = none
	q.n--
	return f
}
