package link

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/umem"
)

// Config bounds a table.
type Config struct {
	Entries     int // neighbours, resolved or not
	Incomplete  int // of them unresolved
	PendingEach int // frames that wait for one
	Pending     int // frames that wait in all

	Secret table.Secret
	// Reachable is how long an answer counts: between 0.5 and 1.5 times 30 s,
	// drawn by the caller (RFC 4861, section 6.3.2). 0: 30 s.
	Reachable umem.Time
}

// key of an entry: words, so that keys compare as memory.
type key struct {
	addr  ip.Addr
	iface uint64
}

// Neighbours is the table of neighbours. An index that it gave is valid until
// Remove, and until the next Want or Hear, which may push a stale entry out.
type Neighbours struct {
	entries []entry
	slab    table.Slab
	keys    table.Map[key]
	cfg     Config
	hand    uint32 // where the search for an entry to push out goes on

	generation uint64
	incomplete int
	pending    int

	Evicted uint64 // stale entries pushed out for new ones
	Refused uint64 // entries that found no room
}

// NewNeighbours makes an empty table.
func NewNeighbours(cfg Config) *Neighbours {
	if cfg.Reachable == 0 {
		cfg.Reachable = baseReachable
	}
	t := &Neighbours{
		entries:    make([]entry, cfg.Entries),
		slab:       table.NewSlab(cfg.Entries),
		keys:       table.NewMap[key](cfg.Entries),
		cfg:        cfg,
		generation: 1,
	}
	for i := range t.entries {
		t.entries[i].pending = umem.NewQueue()
	}
	return t
}

// Generation, never 0, changes whenever a link address given out may be wrong now,
// or its entry wants to hear of the next use.
func (t *Neighbours) Generation() uint64 { return t.generation }

// Len is the number of entries, Pending that of frames that wait in all.
func (t *Neighbours) Len() int { return t.slab.Len() }

// Cap is how many entries there can be: an index is below it.
func (t *Neighbours) Cap() int { return t.slab.Cap() }

// Pending is the number of frames that wait for a neighbour.
func (t *Neighbours) Pending() int { return t.pending }

// Incomplete is the number of unresolved entries.
func (t *Neighbours) Incomplete() int { return t.incomplete }

func (t *Neighbours) hash(k key) uint64 { return t.cfg.Secret.Hash3(k.addr.Hi, k.addr.Lo, k.iface) }

// Find looks a neighbour up.
func (t *Neighbours) Find(iface uint8, a ip.Addr) (i uint32, ok bool) {
	k := key{a, uint64(iface)}
	return t.keys.Get(t.hash(k), k)
}

// Get is what is known of entry i.
func (t *Neighbours) Get(i uint32) Neighbour {
	e := &t.entries[i]
	return Neighbour{Addr: e.addr, MAC: e.mac, Iface: e.iface, State: e.state}
}

// MAC is the link address of entry i, valid unless it is Incomplete.
func (t *Neighbours) MAC(i uint32) [6]byte { return t.entries[i].mac }

// State is the state of entry i.
func (t *Neighbours) State(i uint32) State { return t.entries[i].state }

// Due is when Timer wants to be called for entry i.
func (t *Neighbours) Due(i uint32) umem.Time { return t.entries[i].due }

// Source is the address of the packet that made us ask for entry i.
func (t *Neighbours) Source(i uint32) ip.Addr { return t.entries[i].src }

// Used reports whether i is an entry: a timer may have outlived it.
func (t *Neighbours) Used(i uint32) bool { return t.slab.Used(i) }

// add makes an entry without state. It gives false when the table is full of
// entries that must not go.
func (t *Neighbours) add(now umem.Time, iface uint8, a ip.Addr) (uint32, bool) {
	if t.slab.Len() == t.slab.Cap() && !t.evict() {
		t.Refused++
		return 0, false
	}
	k := key{a, uint64(iface)}
	i, _, _ := t.slab.Alloc()
	if !t.keys.Put(t.hash(k), k, i) {
		t.slab.Free(i)
		t.Refused++
		return 0, false
	}
	t.entries[i] = entry{addr: a, iface: iface, used: now, pending: umem.NewQueue()}
	return i, true
}

// evict pushes out a stale entry. It looks at a few, from where it stopped the
// last time, so that the work is bounded and all have their turn.
func (t *Neighbours) evict() bool {
	for range min(evictionAttempts, len(t.entries)) {
		i := t.hand
		t.hand++
		if t.hand == uint32(len(t.entries)) {
			t.hand = 0
		}
		if t.slab.Used(i) && t.entries[i].state == Stale {
			t.Evicted++
			t.Remove(i)
			return true
		}
	}
	return false
}

// Remove takes entry i out. No frame may wait in it.
func (t *Neighbours) Remove(i uint32) {
	e := &t.entries[i]
	k := key{e.addr, uint64(e.iface)}
	t.keys.Delete(t.hash(k), i)
	t.slab.Free(i)
	t.enter(e, None)
	t.generation++
}

// enter changes the state of an entry; every change goes through it.
func (t *Neighbours) enter(e *entry, s State) {
	if e.state == Incomplete {
		t.incomplete--
	}
	if s == Incomplete {
		t.incomplete++
	}
	if e.state == Reachable {
		t.generation++ // Stale is to hear of its first use
	}
	e.state = s
	e.tries = 0
}

// Pend queues f, which has a HoldTx, until entry i is resolved. It returns the
// frame that has no room: the oldest of this neighbour (RFC 4861, section 7.2.2),
// or f itself when too many wait in all. Nil when all have room.
func (t *Neighbours) Pend(r *umem.Region, i uint32, f *umem.Frame) *umem.Frame {
	e := &t.entries[i]
	var out *umem.Frame
	switch {
	case e.pending.Len() >= t.cfg.PendingEach:
		out = t.PopPending(r, i)
	case t.pending >= t.cfg.Pending:
		return f
	}
	e.pending.Push(f)
	t.pending++
	return out
}

// PopPending takes the frame that waited longest for entry i, or gives nil.
func (t *Neighbours) PopPending(r *umem.Region, i uint32) *umem.Frame {
	f := t.entries[i].pending.Pop(r)
	if f != nil {
		t.pending--
	}
	return f
}
