package rings

// Fill is the ring by which we lend empty frames to the kernel, to receive into.
type Fill struct{ producer }

// NewFill returns our side of the fill ring of size slots that lies in mem at off.
// It keeps mem's address; mem must stay mapped while the ring is used. Errors wrap
// ErrSize, ErrMemory, ErrOffsets or ErrIndices.
func NewFill(mem []byte, off Offsets, size uint32) (*Fill, error) {
	r := new(Fill)
	if err := r.initProducer("fill", mem, off, size, AddrSize); err != nil {
		return nil, err
	}
	return r, nil
}

// Set writes the address of an empty frame into slot i of the reservation. Any
// address within a chunk will do in aligned mode: the kernel masks it.
func (r *Fill) Set(i uint32, addr uint64) { *r.addr(i) = addr }
