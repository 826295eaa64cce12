package rings

// RX is the ring by which the kernel hands us received packets, in frames that came
// from the fill ring.
type RX struct{ consumer }

// NewRX returns our side of the RX ring of size slots that lies in mem at off. It
// keeps mem's address; mem must stay mapped while the ring is used. Errors wrap
// ErrSize, ErrMemory, ErrOffsets or ErrIndices.
func NewRX(mem []byte, off Offsets, size uint32) (*RX, error) {
	r := new(RX)
	if err := r.initConsumer("rx", mem, off, size, DescSize); err != nil {
		return nil, err
	}
	return r, nil
}

// At returns entry i of the peeked ones. It is a copy, so that what is checked is what
// is used, whatever the shared memory says later. A pointer into the ring would save 0.2 ns.
func (r *RX) At(i uint32) Desc { return *r.desc(i) }
