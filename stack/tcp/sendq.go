package tcp

import (
	"unsafe"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// None is no record, no frame.
const None = ^uint32(0)

// SegFlags are what is known of a segment in a send queue.
type SegFlags uint8

// The flags.
const (
	SegSent          SegFlags = 1 << iota // at least once
	SegLost                               // to be sent again
	SegRetransmitted                      // sent more than once: it gives no RTT (Karn)
	SegSacked                             // the peer has it, out of order
	SegSum                                // Sum holds the payload's sum
	SegPush                               // the end of what an application wrote: PSH
	SegForwarded                          // its frame was received, and is sent on
)

// Segment is a record of a send queue: the payload of one segment, in a frame. The
// frame has a HoldRetransmit for it, which is the caller's to take and release.
// One fills a cache line and has no Go pointer.
type Segment struct {
	Seq   Seq
	Frame uint32 // that the payload is in
	Off   uint16 // of the payload, from the start of the chunk
	Len   uint16 // of the payload: never 0
	Sum   uint16 // of the payload, when SegSum is set
	Flags SegFlags
	Sends uint8 // how often it was sent, 255 at most

	// Credit is the connection that the frame came from by Forward, whose window
	// opens by what is acknowledged; the zero Handle: none.
	Credit socket.Handle

	SentAt      umem.Time // last
	FirstSentAt umem.Time // see Sent
	DeliveredAt umem.Time
	Delivered   uint64 // octets

	next uint32
	_    uint32
}

var _ [64]byte = [unsafe.Sizeof(Segment{})]byte{}

// End is the sequence number after the segment.
func (r *Segment) End() Seq { return r.Seq.Add(int(r.Len)) }

// Has reports whether all flags of f are set.
func (r *Segment) Has(f SegFlags) bool { return r.Flags&f == f }

// Segments is the slab of the segments of all connections of a worker. Its size is fixed.
type Segments struct {
	slab []Segment
	free uint32 // a list, linked by next
	used int
}

// NewSegments makes a slab for n segments. Frames that wait to be acknowledged are
// bounded by the pool, so with as many segments as the pool has frames, and some for
// segments that were split, Append does not refuse.
func NewSegments(n int) Segments {
	s := Segments{slab: make([]Segment, n), free: None}
	for i := n - 1; i >= 0; i-- {
		s.slab[i].next = s.free
		s.free = uint32(i)
	}
	return s
}

// Len is the number of segments in all queues, Cap the number that there can be.
func (s *Segments) Len() int { return s.used }

// Cap: see Len.
func (s *Segments) Cap() int { return len(s.slab) }

// SendQueue is what a connection has to send or has sent and not seen acknowledged:
// segments in order of their sequence numbers, without gaps.
//
//	 first          lost           unsent         last
//	   │              │              │              │
//	   ▼              ▼              ▼              ▼
//	[acked in part] [sent] [lost]  [never sent] [never sent: Extend]
//	   └─ una                       └─ nxt           end ─┘
//
// Init comes first. Its methods are Segments', which hold the memory.
type SendQueue struct {
	first  uint32 // oldest not acknowledged
	unsent uint32 // first never sent
	last   uint32
	lost   uint32 // no segment before it is lost; None: none is
	una    Seq    // of first
	nxt    Seq    // of unsent
	end    Seq    // after last
	missed uint32 // octets marked lost and not sent again
	n      uint32 // segments
}

// Init empties the queue; the next octet is seq. It forgets what was in it: see Segments.Pop.
func (q *SendQueue) Init(seq Seq) {
	*q = SendQueue{first: None, unsent: None, last: None, lost: None, una: seq, nxt: seq, end: seq}
}

// Len is the number of segments.
func (q *SendQueue) Len() int { return int(q.n) }

// Queued is how many octets are not acknowledged, sent or not.
func (q *SendQueue) Queued() int { return q.end.Sub(q.una) }

// Unsent is how many octets were never sent.
func (q *SendQueue) Unsent() int { return q.end.Sub(q.nxt) }

// Outstanding is how many octets were sent and are not acknowledged.
func (q *SendQueue) Outstanding() int { return q.nxt.Sub(q.una) }

// Flight is how many octets are in the network: outstanding, without those that are
// lost and not sent again yet.
func (q *SendQueue) Flight() int { return q.Outstanding() - int(q.missed) }

// Una is the number of the first octet not acknowledged.
func (q *SendQueue) Una() Seq { return q.una }

// Nxt is the number of the first octet never sent.
func (q *SendQueue) Nxt() Seq { return q.nxt }

// End is the number after the last octet queued: that of a FIN behind it.
func (q *SendQueue) End() Seq { return q.end }

// HasLost reports whether something is to be sent again.
func (q *SendQueue) HasLost() bool { return q.missed != 0 }

func (s *Segments) at(i uint32) *Segment {
	if i == None {
		return nil
	}
	return &s.slab[i]
}

// index is the number of r.
func (s *Segments) index(r *Segment) uint32 {
	d := uintptr(unsafe.Pointer(r)) - uintptr(unsafe.Pointer(unsafe.SliceData(s.slab)))
	return uint32(d / unsafe.Sizeof(Segment{}))
}

// take takes a segment off the free list, or gives nil.
func (s *Segments) take() *Segment {
	r := s.at(s.free)
	if r == nil {
		return nil
	}
	s.free = r.next
	s.used++
	*r = Segment{next: None}
	return r
}

func (s *Segments) give(r *Segment) {
	r.next = s.free
	s.free = s.index(r)
	s.used--
}

// Append puts n octets, at off in the chunk of a frame, at the end of q, and returns
// their segment, without Sum and Credit. It returns nil when the slab is used up.
func (s *Segments) Append(q *SendQueue, frame uint32, off, n int) *Segment {
	r := s.take()
	if r == nil {
		return nil
	}
	i := s.index(r)
	r.Seq, r.Frame, r.Off, r.Len = q.end, frame, uint16(off), uint16(n)
	if q.last == None {
		q.first = i
	} else {
		s.slab[q.last].next = i
	}
	if q.unsent == None {
		q.unsent = i
	}
	q.last = i
	q.end = q.end.Add(n)
	q.n++
	return r
}

// Tail is the last segment, when it was never sent, so that more may be appended to its
// frame; else nil.
func (s *Segments) Tail(q *SendQueue) *Segment {
	if q.unsent == None {
		return nil
	}
	return s.at(q.last)
}

// Extend notes that n octets were appended to the frame of Tail; sum is theirs
// (checksum.Copy's).
func (s *Segments) Extend(q *SendQueue, n int, sum uint32) {
	r := &s.slab[q.last]
	if r.Has(SegSum) {
		r.Sum = checksum.Fold(checksum.Combine(uint32(r.Sum), sum, int(r.Len)))
	}
	r.Len += uint16(n)
	q.end = q.end.Add(n)
}

// First is the oldest segment not acknowledged, or nil.
func (s *Segments) First(q *SendQueue) *Segment { return s.at(q.first) }

// Next is the segment after r, or nil.
func (s *Segments) Next(r *Segment) *Segment { return s.at(r.next) }

// Unsent is the first segment never sent, or nil.
func (s *Segments) Unsent(q *SendQueue) *Segment { return s.at(q.unsent) }

// Lost is the next segment to send again, or nil. One whose frame is still with the
// device is put off by not calling Sent: it stays.
func (s *Segments) Lost(q *SendQueue) *Segment {
	for q.lost != None && q.lost != q.unsent {
		r := &s.slab[q.lost]
		if r.Has(SegLost) {
			return r
		}
		q.lost = r.next
	}
	q.lost = None
	return nil
}

// Sent notes that r, which Unsent or Lost gave, is on its way.
func (s *Segments) Sent(q *SendQueue, r *Segment, now umem.Time) {
	r.SentAt = now
	if r.Sends != 255 {
		r.Sends++
	}
	if r.Has(SegSent) {
		r.Flags |= SegRetransmitted
		s.found(q, r)
		return
	}
	r.Flags |= SegSent
	r.FirstSentAt = now
	q.unsent = r.next
	q.nxt = r.End()
}

// found ends that r counts as lost.
func (s *Segments) found(q *SendQueue, r *Segment) {
	if r.Has(SegLost) {
		r.Flags &^= SegLost
		q.missed -= uint32(r.Len)
	}
}

// Lose marks the first segment to be sent again: fast retransmit, a partial ACK. It
// does nothing when that was never sent.
func (s *Segments) Lose(q *SendQueue) {
	if q.first == None || q.first == q.unsent {
		return
	}
	s.lose(q, &s.slab[q.first])
	q.lost = q.first
}

// LoseAll marks all that was sent to be sent again, but for what the peer has: a
// timeout.
func (s *Segments) LoseAll(q *SendQueue) {
	for i := q.first; i != q.unsent && i != None; i = s.slab[i].next {
		s.lose(q, &s.slab[i])
	}
	q.lost = q.first
}

func (s *Segments) lose(q *SendQueue, r *Segment) {
	if r.Flags&(SegLost|SegSacked) == 0 {
		r.Flags |= SegLost
		q.missed += uint32(r.Len)
	}
}

// Acked is what an ACK says of one segment: see Segment.
type Acked struct {
	Credit socket.Handle
	SentAt umem.Time
	Frame  uint32
	Len    uint16 // octets newly acknowledged
	Flags  SegFlags
	Whole  bool // Frame's HoldRetransmit is to be released
}

// set fills in what is told of n octets of r, field by field: the whole is larger than it has to be.
func (a *Acked) set(r *Segment, n int, whole bool) {
	a.Credit, a.SentAt, a.Frame, a.Flags = r.Credit, r.SentAt, r.Frame, r.Flags
	a.Len, a.Whole = uint16(n), whole
}

// Ack takes a cumulative acknowledgment, one segment at a time: it is called with the same
// una until it returns false. una must not be after what was sent. Of a segment acknowledged in part
// the front goes, and the sum, when that front is odd.
func (s *Segments) Ack(q *SendQueue, una Seq, a *Acked) bool {
	if q.first == None || una.AtMost(q.una) {
		return false
	}
	r := &s.slab[q.first]
	n := una.Sub(r.Seq)
	if n >= int(r.Len) {
		a.set(r, int(r.Len), true)
		s.drop(q, r)
		return true
	}
	a.set(r, n, false)
	s.trim(q, r, n)
	return true
}

// trim takes n octets, fewer than all, off the front of the first segment.
func (s *Segments) trim(q *SendQueue, r *Segment, n int) {
	r.Flags &^= SegSum
	r.Seq = r.Seq.Add(n)
	r.Off += uint16(n)
	r.Len -= uint16(n)
	q.una = r.Seq
	if r.Has(SegLost) {
		q.missed -= uint32(n)
	}
}

// drop takes the first segment out.
func (s *Segments) drop(q *SendQueue, r *Segment) {
	i := q.first
	s.found(q, r)
	q.una = r.End()
	q.first = r.next
	if q.lost == i {
		q.lost = r.next
	}
	if q.unsent == i {
		q.unsent = r.next
		q.nxt = q.una
	}
	if q.last == i {
		q.last = None
	}
	q.n--
	s.give(r)
}

// Pop takes the first segment out, acknowledged or not, for a connection that ends. It
// returns false when there is none.
func (s *Segments) Pop(q *SendQueue, a *Acked) bool {
	if q.first == None {
		return false
	}
	r := &s.slab[q.first]
	a.set(r, int(r.Len), true)
	s.drop(q, r)
	return true
}

// Split shortens r to its first n octets. What is left, copied by the caller to off of
// another frame, becomes the segment after it, sent or lost as r was. It returns nil, and changes
// nothing, when the slab is used up.
func (s *Segments) Split(q *SendQueue, r *Segment, n int, frame uint32, off int) *Segment {
	rest := s.take()
	if rest == nil {
		return nil
	}
	i := s.index(rest)
	*rest = *r
	rest.Seq, rest.Frame, rest.Off, rest.Len = r.Seq.Add(n), frame, uint16(off), r.Len-uint16(n)
	rest.Flags &^= SegSum | SegForwarded // it has a frame of its own
	r.Flags &^= SegSum | SegPush
	r.Len = uint16(n)
	r.next = i
	if q.last == s.index(r) {
		q.last = i
	}
	q.n++
	return rest
}
