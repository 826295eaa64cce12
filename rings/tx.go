package rings

// TX is the ring by which we hand packets to the kernel to send. Their frames come
// back on the completion ring; until then they must not be touched.
type TX struct{ producer }

// NewTX returns our side of the TX ring of size slots that lies in mem at off. It
// keeps mem's address; mem must stay mapped while the ring is used. Errors wrap
// ErrSize, ErrMemory, ErrOffsets or ErrIndices.
func NewTX(mem []byte, off Offsets, size uint32) (*TX, error) {
	r := new(TX)
	if err := r.initProducer("tx", mem, off, size, DescSize); err != nil {
		return nil, err
	}
	return r, nil
}

// Set writes a packet into slot i of the reservation: its address in the region, its length
// in bytes, and options (PktContd, TXMetadata). The parts of one packet must be
// submitted together.
func (r *TX) Set(i uint32, addr uint64, length, options uint32) {
	*r.desc(i) = Desc{Addr: addr, Len: length, Options: options}
}
