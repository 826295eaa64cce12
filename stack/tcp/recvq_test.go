package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
	"pgregory.net/rapid"
)

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newPool(t fataler, frames, receive int) *umem.Pool {
	t.Helper()
	region, err := umem.NewRegion(make([]byte, frames*2048), 2048)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: frames, SendQuota: frames, ReceiveQuota: receive})
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// segment is a received segment with n octets of the stream from octet i on.
func segment(t fataler, p *umem.Pool, i, n int) *umem.Frame {
	t.Helper()
	f := p.Get(umem.ClassSend)
	if f == nil {
		t.Fatal("no frame")
	}
	f.Sum = checksum.Fold(checksum.Copy(f.Put(n), fill(i, n), 0))
	f.Flags |= umem.FlagSum
	return f
}

// recvModel knows which octets of the stream arrived.
type recvModel struct {
	base     Seq
	here     [4000]bool
	read     int // octets read
	nxt      int
	fin      int // its position, -1: not told
	finished bool
	taken    []*umem.Frame
}

func (m *recvModel) insert(t *rapid.T, p *umem.Pool, q *RecvQueue, edge, most int, lossless bool) {
	i := rapid.IntRange(max(m.nxt-40, 0), m.nxt+300).Draw(t, "octet")
	if rapid.IntRange(0, 2).Draw(t, "in order") == 0 {
		i = m.nxt
	}
	n := rapid.SampledFrom([]int{0, 1, 7, 40, 300, 700, 1400}).Draw(t, "octets")
	fin := rapid.IntRange(0, 15).Draw(t, "fin") == 0 && m.fin < 0 && i+n >= m.nxt && i+n <= edge
	for k := m.nxt; fin && k < len(m.here); k++ {
		fin = fin && (!m.here[k] || k < i+n)
	}
	v := insert(q, p, segment(t, p, i, n), m.base.Add(i), fin, m.base.Add(m.nxt), m.base.Add(edge), most)
	if fin {
		m.fin = i + n
	}
	if v.Arrival == InOrder || v.Arrival == OutOfOrder {
		for k := max(i, m.nxt); k < min(i+n, edge); k++ {
			m.here[k] = m.fin < 0 || k < m.fin
		}
	} else if lossless && v.Arrival == NoRoom {
		t.Fatal("no room")
	}
	m.advance(t, &v)
}

// advance compares how far the queue is with what the model has. Where frames were pruned, the
// queue may be less far.
func (m *recvModel) advance(t *rapid.T, v *Verdict) {
	nxt := v.Nxt.Sub(m.base)
	if v.Fin {
		nxt--
		m.finished = true
		if nxt != m.fin {
			t.Fatalf("FIN at %d, not %d", nxt, m.fin)
		}
	}
	if nxt-m.nxt != v.Octets {
		t.Fatalf("%d octets from %d to %d", v.Octets, m.nxt, nxt)
	}
	for k := m.nxt; k < nxt; k++ {
		if !m.here[k] {
			t.Fatalf("octet %d never arrived", k)
		}
	}
	m.nxt = nxt
}

func (m *recvModel) readSome(t *rapid.T, p *umem.Pool, q *RecvQueue) {
	dst := make([]byte, rapid.IntRange(1, 1000).Draw(t, "read"))
	if rapid.Bool().Draw(t, "peek") {
		n := q.Read(p, dst, true)
		if n != min(len(dst), m.nxt-m.read) || string(dst[:n]) != string(fill(m.read, n)) {
			t.Fatalf("peeked at %d octets from %d on, which are others", n, m.read)
		}
	}
	n := q.Read(p, dst, false)
	if n != min(len(dst), m.nxt-m.read) || string(dst[:n]) != string(fill(m.read, n)) {
		t.Fatalf("read %d octets from %d on, which are others", n, m.read)
	}
	m.read += n
}

func (m *recvModel) takeSome(t *rapid.T, p *umem.Pool, q *RecvQueue) {
	var out [3]*umem.Frame
	n, octets := q.Take(p, out[:rapid.IntRange(1, 3).Draw(t, "take")])
	was := m.read
	for _, f := range out[:n] {
		b := f.Bytes()
		if string(b) != string(fill(m.read, len(b))) {
			t.Fatalf("took %d octets from %d on, which are others", len(b), m.read)
		}
		if f.Flags&umem.FlagSum != 0 && f.Sum != checksum.Fold(checksum.Sum(b, 0)) {
			t.Fatalf("the sum of %d octets from %d on is wrong", len(b), m.read)
		}
		m.read += len(b)
		m.taken = append(m.taken, f)
	}
	if m.read-was != octets {
		t.Fatalf("took %d octets, told %d", m.read-was, octets)
	}
}

// TestRecvQueueAgainstModel over random segments: in order and not, overlapping,
// repeated, beyond the window, with a FIN; read, lent and left; near 2^32.
func TestRecvQueueAgainstModel(t *testing.T) {
	for _, tt := range []struct {
		name       string
		most, room int
		lossless   bool
	}{{"with room", 200, 400, true}, {"few out of order", 3, 400, false}, {"few frames at all", 200, 4, false}} {
		t.Run(tt.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := newPool(t, 512, tt.room)
				m := &recvModel{base: Seq(0).Add(-rapid.IntRange(0, 1000).Draw(t, "before 2^32")), fin: -1}
				var q RecvQueue
				q.Init(2048)
				for range rapid.IntRange(1, 60).Draw(t, "steps") {
					switch edge := min(m.nxt+rapid.IntRange(0, 1000).Draw(t, "window"), len(m.here)); {
					case rapid.IntRange(0, 3).Draw(t, "verb") != 0 && !m.finished && m.nxt < 2000:
						m.insert(t, p, &q, edge, tt.most, tt.lossless)
					case rapid.Bool().Draw(t, "lend"):
						m.takeSome(t, p, &q)
					default:
						m.readSome(t, p, &q)
					}
					m.check(t, p, &q, tt.most, tt.lossless)
				}
				q.Flush(p)
				for _, f := range m.taken {
					p.Release(f, umem.HoldApp)
				}
				if b := p.Books(); b.Stack != 0 || p.InUse(umem.ClassSend) != 0 {
					t.Fatalf("%d frames are left over", b.Stack)
				}
			})
		})
	}
}

func (m *recvModel) check(t *rapid.T, p *umem.Pool, q *RecvQueue, most int, lossless bool) {
	if q.Octets() != m.nxt-m.read || q.Holes() > most || q.Frames() != p.Books().Holds[umem.HoldReceive] {
		t.Fatalf("%d octets, not %d; %d out of order, %d frames", q.Octets(), m.nxt-m.read, q.Holes(), q.Frames())
	}
	if q.PerFrame() < 512 || q.PerFrame() > 2048 {
		t.Fatalf("%d octets per frame", q.PerFrame())
	}
	if !lossless || m.finished {
		return
	}
	later := 0
	for k := m.nxt; k < len(m.here); k++ {
		if m.here[k] && (m.fin < 0 || k < m.fin) {
			later++
		}
	}
	if q.OutOfOrderOctets() != later || m.here[m.nxt] && m.nxt != m.fin {
		t.Fatalf("%d octets are out of order, not %d; octet %d is here: %v", q.OutOfOrderOctets(), later, m.nxt, m.here[m.nxt])
	}
}

// TestNothingComesAfterFIN: data beyond it, there before or sent later, is dropped.
func TestNothingComesAfterFIN(t *testing.T) {
	p := newPool(t, 8, 8)
	var q RecvQueue
	q.Init(2048)
	insert(&q, p, segment(t, p, 2000, 1000), 2000, false, 0, 9000, 8)
	if v := insert(&q, p, segment(t, p, 500, 500), 500, true, 0, 9000, 8); v.Fin || v.Arrival != OutOfOrder {
		t.Errorf("a FIN beyond a gap: %+v", v)
	}
	if v := insert(&q, p, segment(t, p, 900, 700), 900, true, 0, 9000, 8); v.Arrival != Duplicate {
		t.Errorf("beyond the FIN: %+v", v)
	}
	v := insert(&q, p, segment(t, p, 0, 500), 0, false, 0, 9000, 8)
	if !v.Fin || v.Nxt != 1001 || v.Octets != 1000 || q.Holes() != 0 || q.OutOfOrderOctets() != 0 {
		t.Errorf("%+v; %d frames are out of order", v, q.Holes())
	}
	q.Flush(p)
	if b := p.Books(); b.Stack != 0 {
		t.Errorf("%d frames are left over", b.Stack)
	}
}

// TestSmallPayloadsShareFrames: a flood of small segments, read by nobody, takes a quarter
// of a chunk each at the worst, and the sum stays right at odd lengths.
func TestSmallPayloadsShareFrames(t *testing.T) {
	p := newPool(t, 64, 64)
	var q RecvQueue
	q.Init(2048)
	nxt := Seq(0).Add(-100)
	for i := range 1000 {
		if v := insert(&q, p, segment(t, p, i, 1), nxt, false, nxt, nxt.Add(9), 10); !v.Appended && i > 0 && q.Frames() != 1 {
			t.Fatalf("octet %d: %+v, %d frames", i, v, q.Frames())
		}
		nxt = nxt.Add(1)
	}
	var out [2]*umem.Frame
	n, _ := q.Take(p, out[:])
	if f := out[0]; n != 1 || f.Len() != 1000 || f.Sum != checksum.Fold(checksum.Sum(fill(0, 1000), 0)) || f.Flags&umem.FlagSum == 0 {
		t.Errorf("%d frames; the first has %d octets and sum %x", n, f.Len(), f.Sum)
	}
	p.Release(out[0], umem.HoldApp)
}

// TestNewestOutOfOrderGoesFirst: when there is room for no more, what is furthest ahead goes, and what
// fills the gap never does.
func TestNewestOutOfOrderGoesFirst(t *testing.T) {
	p := newPool(t, 64, 3)
	var q RecvQueue
	q.Init(2048)
	insert := func(i int) Verdict {
		return insert(&q, p, segment(t, p, i, 1000), Seq(i), false, 0, 1<<20, 3)
	}
	for _, i := range []int{8000, 2000, 6000} {
		if v := insert(i); v.Arrival != OutOfOrder {
			t.Fatalf("%d: %+v", i, v)
		}
	}
	if v := insert(9000); v.Arrival != NoRoom {
		t.Errorf("the newest: %+v", v)
	}
	if v := insert(4000); v.Arrival != OutOfOrder || !v.Pruned || q.OutOfOrderOctets() != 3000 {
		t.Errorf("an older one: %+v", v)
	}
	if v := insert(0); v.Arrival != InOrder || !v.Pruned || v.Nxt != 1000 {
		t.Errorf("the next in order: %+v", v)
	}
	q.Flush(p)
	if b := p.Books(); b.Stack != 0 {
		t.Errorf("%d frames are left over", b.Stack)
	}
}

// insert is Insert with its answer returned.
func insert(q *RecvQueue, p *umem.Pool, f *umem.Frame, seq Seq, fin bool, nxt, edge Seq, most int) (v Verdict) {
	q.Insert(p, f, seq, fin, nxt, edge, most, &v)
	return v
}

// TestRecvQueueAllocatesNothing in order and out of it.
func TestRecvQueueAllocatesNothing(t *testing.T) {
	p := newPool(t, 64, 64)
	var q RecvQueue
	q.Init(2048)
	nxt := Seq(0)
	dst := make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() {
		base := nxt
		for _, i := range []int{1000, 0, 2000} {
			f := p.Get(umem.ClassSend)
			f.Put(1000)
			var v Verdict
			q.Insert(p, f, base.Add(i), false, nxt, base.Add(1<<16), 10, &v)
			nxt = v.Nxt
		}
		q.Read(p, dst, false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	q.Flush(p)
}

func BenchmarkRecvQueue(b *testing.B) {
	p := newPool(b, 64, 64)
	var q RecvQueue
	q.Init(2048)
	nxt := Seq(0)
	var out [8]*umem.Frame
	for b.Loop() {
		f := p.Get(umem.ClassSend)
		f.Put(1000)
		var v Verdict
		q.Insert(p, f, nxt, false, nxt, nxt.Add(1<<16), 10, &v)
		nxt = v.Nxt
		n, _ := q.Take(p, out[:])
		for _, f := range out[:n] {
			p.Release(f, umem.HoldApp)
		}
	}
}
