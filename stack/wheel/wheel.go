package wheel

import (
	"math/bits"

	"github.com/xdpstack/xdpstack/umem"
)

// Tick is the wheel's unit of time: timers of one tick fire together.
const Tick = umem.Time(1) << tickShift

const (
	tickShift = 16
	digit     = 6 // bits of a tick's number that a level looks at
	slots     = 1 << digit
	levels    = 8 // 48 bits of ticks: all that a Time has
	none      = ^uint32(0)
)

// Wheel holds timers numbered from 0 to its capacity. It belongs to one stack.
type Wheel struct {
	nodes    []node // the timers, then a list head for each slot, then pending's
	capacity uint32
	current  uint64 // tick up to which slots have been taken
	occupied [levels]uint64
	set      int // timers that are set
}

// node is a timer, or the head of a circular list of timers.
type node struct {
	next, prev uint32
	at         umem.Time // when it is due; the slot may be an earlier one
}

// New makes a wheel for timers 0 to capacity-1, none of them set. Times before
// start are due at once.
func New(capacity int, start umem.Time) *Wheel {
	w := &Wheel{
		nodes:    make([]node, capacity+levels*slots+1),
		capacity: uint32(capacity),
		current:  uint64(max(start, 0)) >> tickShift,
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		n.next, n.prev = uint32(i), uint32(i)
		if i < capacity {
			n.next, n.at = none, umem.Never
		}
	}
	return w
}

// Len is how many timers are set.
func (w *Wheel) Len() int { return w.set }

// At is when timer id is due; umem.Never when it is not set.
func (w *Wheel) At(id uint32) umem.Time { return w.timer(id).at }

// Set makes timer id due at the given time, whether it was set or not;
// umem.Never stops it.
func (w *Wheel) Set(id uint32, at umem.Time) {
	n := w.timer(id)
	switch {
	case at == umem.Never:
		w.Stop(id)
		return
	case n.next == none:
		w.set++
	case at >= n.at:
		n.at = at // filed again when its slot comes
		return
	default:
		w.unlink(n)
	}
	n.at = at
	w.file(id)
}

// Stop unsets timer id; it may be unset already.
func (w *Wheel) Stop(id uint32) {
	n := w.timer(id)
	if n.next == none {
		return
	}
	w.unlink(n)
	n.next, n.at = none, umem.Never
	w.set--
}

// Expire writes timers that are due at now to out, unset, and returns how many.
// It looks at no more than budget timers: when it used that up, or filled out,
// Deadline says that there may be more.
func (w *Wheel) Expire(now umem.Time, budget int, out []uint32) int {
	today := uint64(max(now, 0)) >> tickShift
	n := 0
	for ; budget > 0 && n < len(out); budget-- {
		id := w.nodes[w.pending()].next
		if id == w.pending() {
			if !w.advance(today) {
				break
			}
			budget++ // a slot is no timer
			continue
		}
		w.unlink(&w.nodes[id])
		if tickOf(w.nodes[id].at) > today {
			w.file(id)
			continue
		}
		w.nodes[id].next, w.nodes[id].at = none, umem.Never
		w.set--
		out[n] = id
		n++
	}
	return n
}

// Idle reports that Expire has nothing to do at now, as far as can be said at once: the tick is the one that
// it looked at last.
func (w *Wheel) Idle(now umem.Time) bool {
	p := w.pending()
	return uint64(max(now, 0))>>tickShift <= w.current && w.nodes[p].next == p
}

// Deadline is when Expire has something to do next: not later than the first
// timer is due, and earlier when that is far or was moved. umem.Never when no
// timer is set.
func (w *Wheel) Deadline() umem.Time {
	if p := w.pending(); w.nodes[p].next != p {
		return umem.Time(w.current << tickShift)
	}
	_, _, tick, ok := w.next()
	if !ok {
		return umem.Never
	}
	// The tick of a time in the last 65 µs begins beyond the end of time.
	return umem.Time(min(tick<<tickShift, uint64(umem.Never)))
}

// timer is the node of timer id. A number that is none panics here, rather than
// unlinking the head of a list.
func (w *Wheel) timer(id uint32) *node { return &w.nodes[:w.capacity][id] }

// tickOf is the tick at which a timer is due: the first that does not begin
// before it.
func tickOf(at umem.Time) uint64 {
	return (uint64(max(at, 0)) + uint64(Tick) - 1) >> tickShift
}

func (w *Wheel) pending() uint32 { return w.capacity + levels*slots }

// file links timer id into the list of its slot, or into pending when its tick
// has come.
func (w *Wheel) file(id uint32) {
	tick := tickOf(w.nodes[id].at)
	if tick <= w.current {
		w.link(id, w.pending())
		return
	}
	level := (bits.Len64(tick^w.current) - 1) / digit
	slot := tick >> (level * digit) & (slots - 1)
	w.occupied[level] |= 1 << slot
	w.link(id, w.head(level, int(slot)))
}

func (w *Wheel) head(level, slot int) uint32 {
	return w.capacity + uint32(level*slots+slot)
}

// link puts timer id at the end of a list.
func (w *Wheel) link(id, head uint32) {
	n, h := &w.nodes[id], &w.nodes[head]
	n.next, n.prev = head, h.prev
	w.nodes[h.prev].next = id
	h.prev = id
}

func (w *Wheel) unlink(n *node) {
	w.nodes[n.prev].next = n.next
	w.nodes[n.next].prev = n.prev
}

// advance takes the next slot that begins by tick today, and moves its timers to
// pending. When there is none the present becomes today.
func (w *Wheel) advance(today uint64) bool {
	level, slot, tick, ok := w.next()
	if !ok || tick > today {
		w.current = max(w.current, today)
		return false
	}
	w.current = tick
	w.occupied[level] &^= 1 << slot
	w.splice(w.head(level, slot))
	return true
}

// splice moves a whole list to the end of pending.
func (w *Wheel) splice(head uint32) {
	h := &w.nodes[head]
	if h.next == head {
		return
	}
	p := &w.nodes[w.pending()]
	w.nodes[p.prev].next, w.nodes[h.next].prev = h.next, p.prev
	w.nodes[h.prev].next, p.prev = w.pending(), h.prev
	h.next, h.prev = head, head
}

// next finds the first slot after the present that has timers, and the tick at
// which it begins. Slots that Stop emptied are forgotten on the way.
func (w *Wheel) next() (level, slot int, tick uint64, ok bool) {
	for level := range levels {
		for w.occupied[level] != 0 {
			// Slots of a level that has any lie after the present's digit: those
			// before it would have been taken, its own is the level below.
			slot := bits.TrailingZeros64(w.occupied[level])
			head := w.head(level, slot)
			if w.nodes[head].next == head {
				w.occupied[level] &^= 1 << slot
				continue
			}
			above := w.current >> ((level + 1) * digit) << digit
			return level, slot, (above | uint64(slot)) << (level * digit), true
		}
	}
	return 0, 0, 0, false
}
