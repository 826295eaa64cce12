package umem

import "unsafe"

// The verbs of a port, a batch at a time: one pass over the frames' metadata,
// the books written once at the end. They mean what Frame.ToTx, Region.Received,
// Region.Reaped, Pool.Hold, Pool.Release and Pool.Free mean for one frame;
// measured, a batch costs half of what the calls do.

// Extent is a run of bytes in a Region: what a descriptor says. Its layout is
// that of struct xdp_desc (include/uapi/linux/if_xdp.h), so a port passes
// the descriptors of its rings as they lie there.
type Extent struct {
	Addr    uint64 // offset in the region
	Len     uint32 // bytes
	Options uint32 // of the descriptor; none is understood, 0 is written
}

// Received turns what RX descriptors say into frames, moved from place fill to
// place stack, as Region.Received does, and marks them as come in by device in, and to
// go out by it unless someone decides otherwise. It returns how many frames it
// wrote to out, in order, and their bytes: fewer than len(extents) where one made no sense.
// out must have room for all.
func (p *Pool) Received(now Time, in uint8, extents []Extent, out []*Frame) (n int, bytes uint64) {
	for len(extents) > 0 {
		run, b := p.receiveRun(now, in, extents, out[n:])
		n += run
		bytes += b
		extents = extents[min(run+1, len(extents)):]
	}
	p.places[PlaceFill] -= n
	p.places[PlaceStack] += n
	return n, bytes
}

// receiveRun receives up to the first extent that makes no sense. A free frame
// has nothing before its chunk and none after it, and ToFill set its class:
// what is not written here is so already.
func (p *Pool) receiveRun(now Time, in uint8, extents []Extent, out []*Frame) (n int, bytes uint64) {
	frames, shift := p.region.frames, p.region.shift&63
	marks := marksOf(in)
	out = out[:len(extents)]
	for i := range extents {
		x := &extents[i]
		addr := x.Addr
		size := uint64(x.Len) | uint64(x.Options)<<32 // any option makes it too long
		c := addr >> shift
		if c >= uint64(len(frames)) {
			return i, bytes
		}
		f := &frames[c]
		off := addr & (uint64(f.end) - 1)
		if f.place != PlaceFill || size > uint64(f.end)-off {
			return i, bytes
		}
		f.place, f.last = PlaceStack, ActReceived
		*(*uint32)(unsafe.Pointer(&f.In)) = marks
		f.data, f.tail = uint16(off), uint16(off+size)
		f.RxTime = now
		out[i] = f
		bytes += size
	}
	return len(extents), bytes
}

// marksOf is In, Port, Flags and Hops of a frame received by device in, as one word.
func marksOf(in uint8) uint32 {
	b := [4]uint8{in, in, 0, 0}
	return *(*uint32)(unsafe.Pointer(&b))
}

// In, Port, Flags and Hops are one aligned word: this fails to
// compile when they are not.
var (
	_ [0]byte = [unsafe.Offsetof(Frame{}.In) % 4]byte{}
	_ [1]byte = [unsafe.Offsetof(Frame{}.Port) - unsafe.Offsetof(Frame{}.In)]byte{}
	_ [2]byte = [unsafe.Offsetof(Frame{}.Flags) - unsafe.Offsetof(Frame{}.In)]byte{}
	_ [3]byte = [unsafe.Offsetof(Frame{}.Hops) - unsafe.Offsetof(Frame{}.In)]byte{}
)

// Sent moves frames from place stack to place tx, as Frame.ToTx does, writes what
// their TX descriptors say to out, which must have room for all, and returns how many
// and their bytes. It stops at the first that one descriptor cannot say: a chain, or a frame
// of less than least bytes.
func (p *Pool) Sent(frames []*Frame, least int, out []Extent) (n int, bytes uint64) {
	n, bytes = p.sendRun(frames, least, out)
	if n < len(frames) {
		if f := frames[n]; f.place != PlaceStack || f.holds&holdMask == 0 {
			f.misuse("Sent", int(f.place))
		}
	}
	p.places[PlaceStack] -= n
	p.places[PlaceTx] += n
	return n, bytes
}

func (p *Pool) sendRun(frames []*Frame, least int, out []Extent) (n int, bytes uint64) {
	shift := p.region.shift & 63
	out = out[:len(frames)]
	for i, f := range frames {
		size := int(f.tail) - int(f.data)
		if size < least || f.next != none || f.place != PlaceStack || f.holds&holdMask == 0 {
			return i, bytes
		}
		f.place, f.last = PlaceTx, ActSent
		x := &out[i]
		x.Addr = uint64(f.index)<<shift + uint64(f.data)
		x.Len, x.Options = uint32(size), 0
		bytes += uint64(size)
	}
	return len(frames), bytes
}

// Reaped turns completed addresses into frames, moved from place tx to place
// stack, as Region.Reaped does. It returns how many it wrote to out, in order:
// fewer than len(addrs) where an address made no sense. out must have room for all.
func (p *Pool) Reaped(addrs []uint64, out []*Frame) int {
	frames, shift := p.region.frames, p.region.shift&63
	out = out[:len(addrs)]
	n := 0
	for _, addr := range addrs {
		i := addr >> shift
		if i >= uint64(len(frames)) || frames[i].place != PlaceTx {
			continue
		}
		f := &frames[i]
		f.place, f.last = PlaceStack, ActReaped
		out[n] = f
		n++
	}
	p.places[PlaceTx] -= n
	p.places[PlaceStack] += n
	return n
}

// GetBatch takes free frames as Get does, and returns how many: fewer than len(out) when c would go
// below its floor or beyond its quota, and then it counts the refusal, once.
func (p *Pool) GetBatch(c Class, out []*Frame) int {
	n := min(len(out), p.Available(c))
	if n < len(out) {
		p.Refused[c]++
	}
	frames, top := p.region.frames, p.free[len(p.free)-n:]
	out = out[:n]
	for i := range out {
		f := &frames[top[n-1-i]]
		f.place, f.last, f.class = PlaceStack, ActGot, c
		f.reset()
		out[i] = f
	}
	p.free = p.free[:len(p.free)-n]
	p.places[PlaceFree] -= n
	p.places[PlaceStack] += n
	p.used[c] += n
	return n
}

// HoldBatch adds a hold of kind h to each frame.
func (p *Pool) HoldBatch(frames []*Frame, h Hold) {
	one := uint64(1) << (uint(h) * holdBits & 63)
	for _, f := range frames {
		f.holds += one
		f.last = ActHeld + Act(h)
	}
	p.holds[h] += len(frames)
}

// ReleaseBatch drops a hold of kind h from each frame, and frees those that
// nobody else holds and that are not with the kernel.
func (p *Pool) ReleaseBatch(frames []*Frame, h Hold) {
	one := uint64(1) << (uint(h) * holdBits & 63)
	for len(frames) > 0 {
		n := p.freeRun(frames, one)
		p.holds[h] -= n
		if n == len(frames) {
			return
		}
		p.Release(frames[n], h)
		frames = frames[n+1:]
	}
}

// FreeBatch frees frames that nobody holds, as Free does.
func (p *Pool) FreeBatch(frames []*Frame) {
	for len(frames) > 0 {
		n := p.freeRun(frames, 0)
		if n == len(frames) {
			return
		}
		p.Free(frames[n])
		frames = frames[n+1:]
	}
}

// freeRun frees frames up to the first that is not plain: own, alone, in place
// stack, with no holds but those given. It returns how many.
func (p *Pool) freeRun(frames []*Frame, holds uint64) int {
	n, received := p.pushRun(frames, holds)
	p.free = p.free[:len(p.free)+n]
	p.places[PlaceStack] -= n
	p.places[PlaceFree] += n
	p.used[ClassReceive] -= received
	return n
}

func (p *Pool) pushRun(frames []*Frame, holds uint64) (n, received int) {
	owner := uint8(p.cfg.Worker)
	free := p.free[len(p.free):cap(p.free)]
	frames = frames[:min(len(frames), len(free))]
	free = free[:len(frames)]
	for i, f := range frames {
		if f.place != PlaceStack || f.holds != holds || f.next != none || f.owner != owner {
			return i, received
		}
		f.holds = 0
		f.place, f.last = PlaceFree, ActFreed
		free[i] = f.index
		if f.class == ClassReceive {
			received++
			continue
		}
		p.used[f.class]--
	}
	return len(frames), received
}
