package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
	"pgregory.net/rapid"
)

// sendModel is what a SendQueue is to be, one octet at a time: the bytes of octet i of
// the stream are pattern(i).
type sendModel struct {
	base           Seq
	una, nxt, end  int
	sent, lost     []bool // by octet from una on
	credited       map[socket.Handle]int
	frames         map[uint32][]byte
	next           uint32
	appendedCredit map[socket.Handle]int
}

func pattern(i int) byte { return byte(i*7 + i>>8) }

// fill makes n octets of the stream from i on.
func fill(i, n int) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = pattern(i + k)
	}
	return b
}

func (m *sendModel) append(t *rapid.T, s *Segments, q *SendQueue) {
	n, off := rapid.IntRange(1, 20).Draw(t, "octets"), rapid.IntRange(0, 5).Draw(t, "off")
	r := s.Append(q, m.next, off, n)
	if r == nil {
		if s.Len() != s.Cap() {
			t.Fatalf("refused with %d of %d segments", s.Len(), s.Cap())
		}
		return
	}
	m.frames[m.next] = append(make([]byte, off), fill(m.end, n)...)
	m.next++
	r.Sum, r.Flags = checksum.Fold(checksum.Sum(fill(m.end, n), 0)), SegSum
	r.Credit = socket.Handle{Index: uint32(rapid.IntRange(0, 2).Draw(t, "credit"))}
	m.appendedCredit[r.Credit] += n
	m.grow(n)
}

func (m *sendModel) grow(n int) {
	m.end += n
	m.sent, m.lost = append(m.sent, make([]bool, n)...), append(m.lost, make([]bool, n)...)
}

func (m *sendModel) extend(t *rapid.T, s *Segments, q *SendQueue) {
	r := s.Tail(q)
	if (r != nil) != (m.nxt < m.end) {
		t.Fatalf("tail %v with %d of %d sent", r, m.nxt, m.end)
	}
	if r == nil {
		return
	}
	data := fill(m.end, rapid.IntRange(1, 9).Draw(t, "more"))
	m.frames[r.Frame] = append(m.frames[r.Frame], data...)
	m.appendedCredit[r.Credit] += len(data)
	s.Extend(q, len(data), checksum.Sum(data, 0))
	m.grow(len(data))
}

func (m *sendModel) send(t *rapid.T, s *Segments, q *SendQueue, r *Segment, lost bool) {
	if r == nil {
		for i := range m.sent {
			if lost && m.lost[i] || !lost && !m.sent[i] {
				t.Fatalf("nothing to send, lost %v, but octet %d", lost, m.una+i)
			}
		}
		return
	}
	at := r.Seq.Sub(m.base) - m.una
	for i := range at {
		if lost && m.lost[i] || !lost && !m.sent[i] {
			t.Fatalf("octet %d comes before %d", m.una+i, m.una+at)
		}
	}
	was := *r
	s.Sent(q, r, umem.Second)
	if r.Sends != was.Sends+1 || r.Has(SegRetransmitted) != was.Has(SegSent) || r.FirstSentAt != umem.Second {
		t.Fatalf("sent: %+v", r)
	}
	for i := range int(r.Len) {
		m.sent[at+i], m.lost[at+i] = true, false
	}
	m.nxt = max(m.nxt, m.una+at+int(r.Len))
}

func (m *sendModel) lose(s *Segments, q *SendQueue, all bool) {
	n := m.nxt - m.una
	if r := s.First(q); !all && r != nil && r.Has(SegSent) {
		n = int(r.Len)
	}
	for i := range n {
		m.lost[i] = true
	}
	if all {
		s.LoseAll(q)
	} else {
		s.Lose(q)
	}
}

func (m *sendModel) ack(t *rapid.T, s *Segments, q *SendQueue, una int) {
	var a Acked
	for s.Ack(q, m.base.Add(una), &a) {
		m.acked(&a)
	}
	if m.una != una {
		t.Fatalf("acknowledged up to %d, not %d", m.una, una)
	}
}

func (m *sendModel) acked(a *Acked) {
	m.credited[a.Credit] += int(a.Len)
	m.una += int(a.Len)
	m.sent, m.lost = m.sent[a.Len:], m.lost[a.Len:]
	if a.Whole {
		delete(m.frames, a.Frame)
	}
}

func (m *sendModel) split(t *rapid.T, s *Segments, q *SendQueue) {
	r := s.First(q)
	for range rapid.IntRange(0, 5).Draw(t, "which") {
		if r != nil {
			r = s.Next(r)
		}
	}
	if r == nil || r.Len < 2 {
		return
	}
	n := rapid.IntRange(1, int(r.Len)-1).Draw(t, "keep")
	from := m.frames[r.Frame]
	rest := s.Split(q, r, n, m.next, 3)
	if rest == nil {
		if s.Len() != s.Cap() {
			t.Fatal("refused to split")
		}
		return
	}
	m.frames[m.next] = append(make([]byte, 3), from[int(r.Off)+n:]...)
	m.next++
}

// check compares all that can be asked of the queue, and each segment's octets and
// sum.
func (m *sendModel) check(t *rapid.T, s *Segments, q *SendQueue) {
	missed := 0
	for _, l := range m.lost {
		if l {
			missed++
		}
	}
	got := [8]int{
		q.Una().Sub(m.base), q.Nxt().Sub(m.base), q.End().Sub(m.base),
		q.Queued(), q.Unsent(), q.Outstanding(), q.Flight(), q.Len(),
	}
	at, segments := m.una, 0
	for r := s.First(q); r != nil; r = s.Next(r) {
		segments++
		data := m.frames[r.Frame][r.Off : r.Off+r.Len]
		if string(data) != string(fill(at, int(r.Len))) || r.Seq != m.base.Add(at) {
			t.Fatalf("segment %d at octet %d holds others", segments, at)
		}
		if r.Has(SegSum) && r.Sum != checksum.Fold(checksum.Sum(data, 0)) {
			t.Fatalf("the sum of the segment at octet %d is wrong", at)
		}
		if r.Has(SegSent) != m.sent[at-m.una] || r.Has(SegLost) != m.lost[at-m.una] {
			t.Fatalf("flags %b at octet %d", r.Flags, at)
		}
		at += int(r.Len)
	}
	if rapid.Bool().Draw(t, "look for lost ones") {
		if r := s.Lost(q); (r != nil) != (missed > 0) || r != nil && !m.lost[r.Seq.Sub(m.base)-m.una] {
			t.Fatalf("%d octets are lost; the first segment is %+v", missed, r)
		}
	}
	want := [8]int{m.una, m.nxt, m.end, m.end - m.una, m.end - m.nxt, m.nxt - m.una, m.nxt - m.una - missed, segments}
	if got != want || at != m.end || q.HasLost() != (missed > 0) {
		t.Fatalf("una, nxt, end, queued, unsent, outstanding, flight, segments: %v, not %v", got, want)
	}
}

// TestSendQueueAgainstModel over random verbs, two queues in one slab.
func TestSendQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewSegments(rapid.IntRange(1, 24).Draw(t, "slab"))
		var queues [2]SendQueue
		var models [2]*sendModel
		for i := range queues {
			base := Seq(0).Add(-rapid.IntRange(0, 300).Draw(t, "before 2^32"))
			queues[i].Init(base)
			models[i] = &sendModel{
				base: base, next: 100, frames: map[uint32][]byte{},
				credited: map[socket.Handle]int{}, appendedCredit: map[socket.Handle]int{},
			}
		}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "queue")
			m, q := models[i], &queues[i]
			switch rapid.IntRange(0, 8).Draw(t, "verb") {
			case 0, 1:
				m.append(t, &s, q)
			case 2:
				m.extend(t, &s, q)
			case 3, 4:
				m.send(t, &s, q, s.Unsent(q), false)
			case 5:
				m.send(t, &s, q, s.Lost(q), true)
			case 6:
				m.lose(&s, q, rapid.Bool().Draw(t, "all"))
			case 7:
				m.ack(t, &s, q, rapid.IntRange(m.una, m.nxt).Draw(t, "una"))
			case 8:
				m.split(t, &s, q)
			}
			m.check(t, &s, q)
		}
		for i, m := range models {
			var a Acked
			for s.Pop(&queues[i], &a) {
				m.acked(&a)
			}
			if q := &queues[i]; len(m.frames) != 0 || m.una != m.end || q.Unsent() != 0 || q.Flight() != 0 || q.Len() != 0 {
				t.Fatalf("left over: frames %v", m.frames)
			}
			for h, n := range m.appendedCredit {
				if m.credited[h] != n {
					t.Fatalf("%v has credit for %d of %d octets", h, m.credited[h], n)
				}
			}
		}
		if s.Len() != 0 {
			t.Fatalf("%d segments are left over", s.Len())
		}
	})
}

// TestSendQueueAllocatesNothing from Append to Ack.
func TestSendQueueAllocatesNothing(t *testing.T) {
	s := NewSegments(8)
	var q SendQueue
	q.Init(1)
	if n := testing.AllocsPerRun(100, func() {
		s.Append(&q, 1, 256, 1000)
		s.Append(&q, 2, 256, 1000)
		for r := s.Unsent(&q); r != nil; r = s.Unsent(&q) {
			s.Sent(&q, r, 1)
		}
		s.LoseAll(&q)
		s.Sent(&q, s.Lost(&q), 2)
		var a Acked
		for s.Ack(&q, q.Nxt(), &a) {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSendQueue(b *testing.B) {
	s := NewSegments(64)
	var q SendQueue
	q.Init(1)
	var a Acked
	for b.Loop() {
		s.Append(&q, 1, 256, 1000)
		s.Sent(&q, s.Unsent(&q), 1)
		for s.Ack(&q, q.Nxt(), &a) {
		}
	}
}
