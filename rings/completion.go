package rings

// Completion is the ring by which the kernel gives back the frames that it has sent.
// In copy mode they may come back in another order than they were submitted in. A
// completion ring that nobody empties stops transmission: the kernel takes a slot of it
// for each packet first (xskq_prod_reserve in net/xdp/xsk_queue.h, Linux 6.18).
type Completion struct{ consumer }

// NewCompletion returns our side of the completion ring of size slots that lies in mem
// at off. It keeps mem's address; mem must stay mapped while the ring is used.
// Errors wrap ErrSize, ErrMemory, ErrOffsets or ErrIndices.
func NewCompletion(mem []byte, off Offsets, size uint32) (*Completion, error) {
	r := new(Completion)
	if err := r.initConsumer("completion", mem, off, size, AddrSize); err != nil {
		return nil, err
	}
	return r, nil
}

// At returns the address of frame i of the peeked ones, as it was submitted.
func (r *Completion) At(i uint32) uint64 { return *r.addr(i) }
