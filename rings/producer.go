package rings

// A producer is a ring that we fill and the kernel empties.
type producer struct{ cursor }

// pending is what we published and the kernel had not taken when we last looked.
func (p *producer) pending() uint32 { return uint32(p.own - p.seen) }

// Reserve grants up to max free slots, and returns how many: fewer when the ring is
// fuller, 0 when it is full. Slots 0 to n-1 may then be Set in any order. Nothing
// is taken until Submit: a reservation can be let go of, and a new one replaces it.
// It reads shared memory only if its copy of the kernel's index shows fewer than max.
func (p *producer) Reserve(max uint32) (n uint32) {
	if p.Size()-p.pending() < max {
		p.look(p.pending())
	}
	p.granted = min(max, p.Size()-p.pending())
	return p.granted
}

// Submit publishes slots 0 to n-1 of the reservation: the kernel may use what they say from here
// on. Fewer than reserved is fine, and then slot n becomes slot 0 of the rest. More
// than reserved panics.
func (p *producer) Submit(n uint32) { p.publish(n) }

// Pending returns how many published entries the kernel has not taken yet, read from
// shared memory.
func (p *producer) Pending() uint32 {
	p.look(p.pending())
	return p.pending()
}

// Free returns how many slots are free, read from shared memory. Slots that are
// reserved and not submitted are free.
func (p *producer) Free() uint32 { return p.Size() - p.Pending() }

// Produced returns how many entries were ever submitted, with those that an earlier
// user had left in the ring.
func (p *producer) Produced() uint64 { return p.own - p.base }

// Consumed returns how many entries the kernel ever took, read from shared memory.
func (p *producer) Consumed() uint64 { return p.Produced() - uint64(p.Pending()) }

// NeedWakeup says whether the kernel sleeps and must be woken by a system call to
// see what was submitted (XDP_RING_NEED_WAKEUP, of sockets bound with
// XDP_USE_NEED_WAKEUP; in copy mode TX always asks). Ask after Submit.
func (p *producer) NeedWakeup() bool { return p.needsWakeup() }
