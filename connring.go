package xdpstack

import (
	"math/bits"
	"sync/atomic"

	"github.com/xdpstack/xdpstack/umem"
)

// Bounds of a connection's rings: powers of two.
const (
	connFrames   = 64       // received frames that are with the reader
	connBytes    = 16 << 10 // octets written that the worker has not taken
	connBytesMin = 512      // what a connection begins with, once it writes
)

// separated keeps what two cores write apart: see spsc.
type separated [64]byte

// frameRing lends received frames to the reader, who gives them back in the order
// in which they came: one ring is enough for both ways. It is made when the first data
// comes.
//
//	released ──(read)── done ──(to be read)── pushed
type frameRing struct {
	slots    []*umem.Frame // the worker's, read by the reader up to pushed
	released uint32        // the worker's
	pushed   atomic.Uint32 // the worker's
	_        separated
	done     atomic.Uint32 // the reader's
	seen     uint32        // pushed, when the reader looked last
	told     uint32        // done, when the reader told the worker last
	offset   int           // read of the frame at done
	_        separated
}

// room is the slots of one run that Take may fill now; the worker's.
func (r *frameRing) room() []*umem.Frame {
	if r.slots == nil {
		r.slots = make([]*umem.Frame, connFrames)
	}
	at := r.pushed.Load()
	first := int(at % connFrames)
	free := connFrames - int(at-r.released)
	return r.slots[first:min(first+free, connFrames)]
}

// pop is the next frame that the reader has done with, nil when there is none; the
// worker's.
func (r *frameRing) pop(done uint32) *umem.Frame {
	if r.released == done {
		return nil
	}
	f := r.slots[r.released%connFrames]
	r.released++
	return f
}

// empty says that the reader has nothing to read; the reader's.
func (r *frameRing) empty() bool { return r.done.Load() == r.pushed.Load() }

// read copies what there is into b; the reader's.
func (r *frameRing) read(b []byte) (n int) {
	at := r.done.Load()
	for n < len(b) {
		if at == r.seen {
			if r.seen = r.pushed.Load(); at == r.seen {
				break
			}
		}
		data := r.slots[at%connFrames].Bytes()
		k := copy(b[n:], data[r.offset:])
		n += k
		if r.offset += k; r.offset == len(data) {
			r.offset = 0
			at++
			r.done.Store(at)
		}
	}
	return n
}

// due says that the worker is to be told of what was read: the reader is through with
// all there is, or half the ring is.
func (r *frameRing) due() bool {
	at := r.done.Load()
	if at == r.told || at != r.seen && at-r.told < connFrames/2 {
		return false
	}
	r.told = at
	return true
}

// byteRing takes octets from the writer to the worker. It is made by the first write,
// as large as that, and made larger when it was found too small and is empty: then the
// worker does not look into it.
type byteRing struct {
	buf   []byte        // a power of two long; the writer's, read by the worker up to put
	put   atomic.Uint32 // the writer's
	small bool          // the writer's: a write found no room
	_     separated
	taken atomic.Uint32 // the worker's
	_     separated
}

// write copies all of b, or nothing when there is no room; the writer's.
func (r *byteRing) write(b []byte) bool {
	at := r.put.Load()
	used := int(at - r.taken.Load())
	if used == 0 && (len(b) > len(r.buf) || r.small) {
		r.grow(len(b))
	}
	if len(b) > len(r.buf)-used {
		r.small = len(r.buf) < connBytes
		return false
	}
	n := copy(r.buf[int(at)&(len(r.buf)-1):], b)
	copy(r.buf, b[n:])
	r.put.Store(at + uint32(len(b)))
	return true
}

// grow makes an empty ring one that takes n octets, if that is not too much, or twice
// what it was.
func (r *byteRing) grow(n int) {
	n = max(n, connBytesMin)
	if r.small {
		n = max(n, 2*len(r.buf))
		r.small = false
	}
	if n <= connBytes && n > len(r.buf) {
		r.buf = make([]byte, 1<<bits.Len(uint(n-1)))
	}
}

// next is the run of octets that was written first, and whether more follow; the
// worker's.
func (r *byteRing) next() (b []byte, more bool) {
	at, put := r.taken.Load(), r.put.Load()
	if at == put {
		return nil, false
	}
	first := int(at) & (len(r.buf) - 1)
	b = r.buf[first:min(first+int(put-at), len(r.buf))]
	return b, len(b) < int(put-at)
}

// take ends n octets of what next gave; the worker's.
func (r *byteRing) take(n int) { r.taken.Store(r.taken.Load() + uint32(n)) }

// drop empties the ring; the worker's.
func (r *byteRing) drop() { r.taken.Store(r.put.Load()) }
