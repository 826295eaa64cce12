package umem

import "testing"

// A device that is closed gives back its own frames, in fill and in tx, and no others.
func TestReclaimIsPerDevice(t *testing.T) {
	r, err := NewRegion(make([]byte, 16*2048), 2048)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPool(r, PoolConfig{Workers: 1, Frames: 16, SendQuota: 16})
	if err != nil {
		t.Fatal(err)
	}
	var addrs [3]uint64
	p.ToFill(0, addrs[:])
	p.ToFill(1, addrs[:2])
	for device := range uint8(2) {
		f := p.Get(ClassSend)
		f.Put(60)
		f.Port = device
		p.Hold(f, HoldTx)
		if device == 1 {
			p.Hold(f, HoldRetransmit)
		}
		p.Sent([]*Frame{f}, 0, make([]Extent, 0, 1))
	}
	if n := p.Reclaim(1); n != 3 {
		t.Errorf("%d frames were device 1's, want 3", n)
	}
	if b := p.Books(); b.Fill != 3 || b.Tx != 1 || b.Stack != 1 || b.Holds[HoldTx] != 1 || b.Holds[HoldRetransmit] != 1 {
		t.Errorf("after device 1: %+v", b)
	}
	if n := p.Reclaim(0); n != 4 {
		t.Errorf("%d frames were device 0's, want 4", n)
	}
	if b := p.Books(); b.Fill != 0 || b.Tx != 0 || b.Holds[HoldTx] != 0 || b.Free != 15 {
		t.Errorf("after device 0: %+v", b)
	}
	if err := p.Audit(); err != nil {
		t.Error(err)
	}
}
