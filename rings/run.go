package rings

import "unsafe"

// A run is a part of what Peek or Reserve granted that lies in one piece: entries i
// to n-1, or up to the end of the ring, where it wraps. The loop of a port goes over a
// slice then, at a third of the instructions of At and Set:
//
//	for i := uint32(0); i < n; {
//		run := rx.Run(i, n)
//		…
//		i += uint32(len(run))
//	}
//
// The slice is shared memory. What is read from it must be read once, checked and
// used; what is written counts from Submit on.

// Run returns entries i to n-1 of the peeked ones, as far as they lie in one piece.
func (r *RX) Run(i, n uint32) []Desc { return r.descs(i, n) }

// Run returns slots i to n-1 of the reservation, as far as they lie in one piece.
func (r *TX) Run(i, n uint32) []Desc { return r.descs(i, n) }

// Run returns slots i to n-1 of the reservation, as far as they lie in one piece.
func (r *Fill) Run(i, n uint32) []uint64 { return r.addresses(i, n) }

// Run returns entries i to n-1 of the peeked ones, as far as they lie in one piece.
func (r *Completion) Run(i, n uint32) []uint64 { return r.addresses(i, n) }

// descs is a run of an RX or TX ring: nothing beyond what was granted.
func (c *cursor) descs(i, n uint32) []Desc {
	return unsafe.Slice(c.desc(i), c.together(i, n))
}

// addresses is a run of a fill or completion ring: nothing beyond what was granted.
func (c *cursor) addresses(i, n uint32) []uint64 {
	return unsafe.Slice(c.addr(i), c.together(i, n))
}

// together is how many entries from i to n-1 lie in one piece.
func (c *cursor) together(i, n uint32) uint32 {
	n = min(n, c.granted)
	if i >= n {
		return 0
	}
	return min(n-i, c.Size()-(uint32(c.own)+i)&c.mask)
}
