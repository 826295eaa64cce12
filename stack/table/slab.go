package table

// Slab hands out the indices of a table of fixed size, last freed, first used.
type Slab struct {
	gens []uint32 // odd while the index is in use
	free []uint32
}

// NewSlab has n indices, 0 to n-1; the first ones are handed out first.
func NewSlab(n int) Slab {
	s := Slab{gens: make([]uint32, n), free: make([]uint32, n)}
	for i := range s.free {
		s.free[i] = uint32(n - 1 - i)
	}
	return s
}

// Alloc hands out an index and its generation, never 0.
func (s *Slab) Alloc() (i, gen uint32, ok bool) {
	n := len(s.free) - 1
	if n < 0 {
		return 0, 0, false
	}
	i = s.free[n]
	s.free = s.free[:n]
	s.gens[i]++
	return i, s.gens[i], true
}

// Free takes an index in use back; handles to it turn stale.
func (s *Slab) Free(i uint32) {
	s.gens[i]++
	s.free = append(s.free, i)
}

// Live reports whether the handle {i, gen} names an index in use.
func (s *Slab) Live(i, gen uint32) bool {
	return i < uint32(len(s.gens)) && gen&1 == 1 && s.gens[i] == gen
}

// Used reports whether i is in use.
func (s *Slab) Used(i uint32) bool { return s.gens[i]&1 == 1 }

// Gen is the generation of i.
func (s *Slab) Gen(i uint32) uint32 { return s.gens[i] }

// Len is the number of indices in use, Cap of all.
func (s *Slab) Len() int { return len(s.gens) - len(s.free) }

// Cap is the number of indices.
func (s *Slab) Cap() int { return len(s.gens) }
