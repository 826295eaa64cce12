package umem

// A packet larger than a chunk, or put together from fragments, is a chain:
// the first frame has the place, the holds and the marks; those that follow
// carry FlagFragment, belong to it, and return to the pool with it.

// Next is the fragment after f, or nil.
func (f *Frame) Next() *Frame {
	if f.next == none {
		return nil
	}
	return f.at(f.next)
}

// Append adds frag, alone or a chain itself, at the end of f's chain. It takes
// frag from the caller: frag must have no hold of its own.
func (f *Frame) Append(frag *Frame) {
	if frag.holds != 0 || frag == f {
		frag.misuse("Append", int(f.index))
	}
	last := f
	for n := last.Next(); n != nil; n = n.Next() {
		last = n
	}
	last.next = frag.index
	for n := frag; n != nil; n = n.Next() {
		n.Flags |= FlagFragment
	}
}

// TotalLen is the length of the packet: that of all frames of the chain.
func (f *Frame) TotalLen() int {
	n := f.Len()
	for g := f.Next(); g != nil; g = g.Next() {
		n += g.Len()
	}
	return n
}

// Trim shortens the packet to n bytes. Fragments beyond become empty; they stay
// in the chain and return to the pool with it.
func (f *Frame) Trim(n int) {
	if uint(n) > uint(f.TotalLen()) {
		f.misuse("Trim", n)
	}
	for g := f; g != nil; g = g.Next() {
		keep := min(n, g.Len())
		g.tail = g.data + uint16(keep)
		n -= keep
	}
}

// Pullup makes the first n bytes of the packet contiguous and returns them,
// as the kernel's pskb_may_pull does: every header is read through it. It
// gives false when the packet is shorter, or when n bytes do not fit into the
// first chunk.
func (f *Frame) Pullup(n int) ([]byte, bool) {
	if n <= f.Len() {
		return f.bytes(f.data, f.data+uint16(n)), true
	}
	if f.next == none {
		return nil, false
	}
	return f.gather(n)
}

// gather is Pullup's slow path: bytes move from the fragments into the first frame.
func (f *Frame) gather(n int) ([]byte, bool) {
	missing := n - f.Len()
	if n > f.TotalLen() || !f.makeTailroom(missing) {
		return nil, false
	}
	for g := f.Next(); missing > 0; g = g.Next() {
		take := min(missing, g.Len())
		copy(f.Put(take), g.Pull(take))
		missing -= take
	}
	return f.bytes(f.data, f.data+uint16(n)), true
}

// makeTailroom shifts the data towards the head when the tail lacks room.
// Headers marked and pulled already keep their place before the data, so what
// moves begins at the first of them.
func (f *Frame) makeTailroom(n int) bool {
	short := n - f.Tailroom()
	if short <= 0 {
		return true
	}
	if short > f.Headroom() {
		return false
	}
	from := f.head + uint16(short)
	copy(f.bytes(f.head, f.tail-uint16(short)), f.bytes(from, f.tail))
	f.data -= uint16(short)
	f.tail -= uint16(short)
	f.l2, f.l3, f.l4 = shifted(f.l2, short), shifted(f.l3, short), shifted(f.l4, short)
	return true
}

// shifted moves a mark towards the head; a mark that was never set may lie
// anywhere and stays within the chunk.
func shifted(mark uint16, by int) uint16 {
	return uint16(max(int(mark)-by, 0))
}

// Unchain frees the fragments behind f, whose bytes Pullup has gathered into f: f is alone then.
func (p *Pool) Unchain(f *Frame) {
	for g := f.Next(); g != nil; {
		next := g.Next()
		g.next = none
		g.Flags &^= FlagFragment
		p.freeOne(g)
		g = next
	}
	f.next = none
}

// CopyTo copies the packet, all fragments, into dst, and returns how many bytes
// it copied: the smaller of the two lengths.
func (f *Frame) CopyTo(dst []byte) int {
	n := 0
	for g := f; g != nil && n < len(dst); g = g.Next() {
		n += copy(dst[n:], g.Bytes())
	}
	return n
}
