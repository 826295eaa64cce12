package umem

// Reclaim frees the pool's own frames that are with a device: in place fill, or in place
// tx, where it drops their HoldTx too. It returns how many. It is for a device whose
// rings are closed, so that the kernel writes to none of them any more.
//
// Frames are told apart by the device they were put on the fill ring for (Frame.In) or
// sent by (Frame.Port). Frames of other workers are not found: whoever closes the
// device takes those back through its rings.
func (p *Pool) Reclaim(device uint8) int {
	n := 0
	for i := p.cfg.First; i < p.cfg.First+p.cfg.Frames; i++ {
		f := &p.region.frames[i]
		switch {
		case f.Held(HoldWorker): // another worker's to touch
		case f.place == PlaceFill && f.In == device:
			p.toStack(f)
			p.Free(f)
			n++
		case f.place == PlaceTx && f.Port == device:
			p.toStack(f)
			p.Release(f, HoldTx)
			n++
		}
	}
	return n
}

// toStack moves a frame from the kernel to place stack.
func (p *Pool) toStack(f *Frame) {
	p.places[f.place]--
	p.places[PlaceStack]++
	f.place = PlaceStack
	f.next = none
}
