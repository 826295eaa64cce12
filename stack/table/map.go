package table

import (
	"math/bits"
	"unsafe"
)

// Secret is the key of a hash. All words are to be random.
type Secret [6]uint64

// NewSecret draws a secret from a source of random words.
func NewSecret(random func() uint64) (s Secret) {
	for i := range s {
		s[i] = random()
	}
	return s
}

// fold multiplies and folds the product: the mixing step.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Hash3 hashes three words.
func (s *Secret) Hash3(a, b, c uint64) uint64 {
	return fold(fold(a^s[0], b^s[1])^s[2], c^s[3])
}

// Hash5 hashes five words.
func (s *Secret) Hash5(a, b, c, d, e uint64) uint64 {
	return fold(fold(a^s[0], b^s[1])^fold(c^s[2], d^s[3]), e^s[4]^s[5])
}

// slots is how many keys a bucket takes.
const slots = 8

// bucket is one cache line. Its keys stand without gaps from the front; tag 0
// ends them.
type bucket struct {
	tags  [slots]uint32
	index [slots]uint32
}

var _ [64]byte = [unsafe.Sizeof(bucket{})]byte{}

// Map finds the index of a key in a slab. The key is stored here, hashed by the
// caller, always with the same Secret.
type Map[K comparable] struct {
	buckets []bucket
	keys    []K
	mask    uint32
	n       int
}

// NewMap takes keys for the indices 0 to n-1.
func NewMap[K comparable](n int) Map[K] {
	want := max(2*n/slots, 2)
	size := 1 << bits.Len(uint(want-1))
	return Map[K]{buckets: make([]bucket, size), keys: make([]K, n), mask: uint32(size - 1)}
}

// Len is the number of keys.
func (m *Map[K]) Len() int { return m.n }

// tagOf is never 0, and independent of the bits that choose the first bucket.
func tagOf(h uint64) uint32 { return uint32(h>>32) | 1 }

// other is the second bucket of a tag in the first, and the reverse.
func (m *Map[K]) other(i, tag uint32) uint32 { return (i ^ (tag>>1)*0x9e3779b1) & m.mask }

// Get finds the index of k, whose hash is h.
func (m *Map[K]) Get(h uint64, k K) (uint32, bool) {
	tag := tagOf(h)
	i := uint32(h) & m.mask
	for range 2 {
		b := &m.buckets[i]
		for j, t := range b.tags {
			if t == tag && m.keys[b.index[j]] == k {
				return b.index[j], true
			}
			if t == 0 {
				break
			}
		}
		i = m.other(i, tag)
	}
	return 0, false
}

// Put enters k, which must not be in the map, for an index without a key. It
// gives false when both buckets of k are full, and all that is in them has no
// room elsewhere either.
func (m *Map[K]) Put(h uint64, k K, index uint32) bool {
	tag := tagOf(h)
	first := uint32(h) & m.mask
	second := m.other(first, tag)
	a, b := &m.buckets[first], &m.buckets[second]
	if b.len() < a.len() {
		a = b
	}
	n := a.len()
	if n == slots {
		if a = m.makeRoom(first, second); a == nil {
			return false
		}
		n = slots - 1
	}
	a.tags[n], a.index[n] = tag, index
	m.keys[index] = k
	m.n++
	return true
}

// makeRoom moves one key of two full buckets to its other bucket, and returns the
// bucket that has room now, or nil. It looks at 16 keys at most.
func (m *Map[K]) makeRoom(first, second uint32) *bucket {
	for _, i := range [2]uint32{first, second} {
		b := &m.buckets[i]
		for j, tag := range b.tags {
			c := &m.buckets[m.other(i, tag)]
			n := c.len()
			if n == slots {
				continue
			}
			c.tags[n], c.index[n] = tag, b.index[j]
			b.remove(j)
			return b
		}
	}
	return nil
}

// Delete removes the key of an index, if it is there; h is its hash.
func (m *Map[K]) Delete(h uint64, index uint32) {
	tag := tagOf(h)
	i := uint32(h) & m.mask
	for range 2 {
		b := &m.buckets[i]
		for j := range b.tags {
			if b.tags[j] == tag && b.index[j] == index {
				b.remove(j)
				m.n--
				return
			}
		}
		i = m.other(i, tag)
	}
}

// len is the number of keys in the bucket.
func (b *bucket) len() int {
	for n, t := range b.tags {
		if t == 0 {
			return n
		}
	}
	return slots
}

// remove closes the gap with the last key.
func (b *bucket) remove(j int) {
	last := b.len() - 1
	b.tags[j], b.index[j] = b.tags[last], b.index[last]
	b.tags[last] = 0
}
