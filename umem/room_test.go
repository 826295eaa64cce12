package umem

import "testing"

// TestReceivedFramesLeaveTheFloors: whatever quota receive queues have, what they keep, and what is sent on from
// there, leaves the fill ring and control their frames.
func TestReceivedFramesLeaveTheFloors(t *testing.T) {
	const frames, fill, control = 32, 8, 4
	p := newPool(t, frames, func(c *PoolConfig) { c.FillFloor, c.ControlFloor = fill, control })
	var addrs [fill]uint64
	if n := p.ToFill(0, addrs[:]); n != fill || p.ReceiveRoom() != frames-fill-control {
		t.Fatalf("%d frames are on the fill ring, and there is room for %d", n, p.ReceiveRoom())
	}
	kept := 0
	for ; kept < frames; kept++ {
		var out [1]*Frame
		p.Received(1, 0, []Extent{{Addr: addrs[0], Len: 60}}, out[:])
		copy(addrs[:], addrs[1:])
		if !p.MayKeep(1) {
			p.Free(out[0])
			break
		}
		p.Hold(out[0], HoldReceive)
		if kept%2 == 0 { // sent on: out of the quota, and still there
			p.Pass(out[0], HoldReceive, HoldRetransmit)
		}
		if p.ToFill(0, addrs[fill-1:]) != 1 {
			t.Fatalf("after %d frames the fill ring cannot be filled", kept+1)
		}
	}
	if want := frames - fill - control; kept != want || p.ReceiveRoom() != 0 {
		t.Errorf("%d frames were kept, not %d; room for %d", kept, want, p.ReceiveRoom())
	}
	if n := p.Available(ClassControl); n != control {
		t.Errorf("control has %d frames", n)
	}
}

// TestLongReceiveQueuesLeaveRoomForShortOnes and an empty one gets a frame even when there is none to spare.
func TestLongReceiveQueuesLeaveRoomForShortOnes(t *testing.T) {
	p := newPool(t, 32, func(c *PoolConfig) { c.FillFloor, c.ControlFloor, c.ReceiveQuota = 0, 4, 32 })
	var held []*Frame
	take := func(n int) (kept int) {
		for p.MayKeep(n) {
			f := p.Get(ClassControl)
			p.Hold(f, HoldReceive)
			held = append(held, f)
			kept++
		}
		return kept
	}
	if n := take(fewFrames); n != 32-4-32/reservedPart {
		t.Errorf("a long queue got %d frames", n)
	}
	if n := take(1); n != 32/reservedPart+1 { // the frame at hand is not asked for twice
		t.Errorf("short queues got %d frames", n)
	}
	if n := take(0); n != 2 {
		t.Errorf("empty queues got %d frames", n)
	}
	for _, f := range held {
		p.Release(f, HoldReceive)
	}
	balanced(t, p)
}
