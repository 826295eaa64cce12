package umem

import (
	"fmt"
	"unsafe"
)

// Headroom is what Pool.Get leaves free before the data of a new frame, and
// what XDP leaves before a received one (XDP_PACKET_HEADROOM).
const Headroom = 256

// What the headroom of a frame must take at the worst, so that no header ever
// needs a second frame.
const (
	txMetadata  = 24      // struct xsk_tx_metadata
	maxEthernet = 14 + 8  // Ethernet and two VLAN tags
	maxIP       = 40      // IPv6
	maxOptions  = 60 + 60 // IPv4 with options or an extension header; TCP with options
)

// Headroom is large enough: this fails to compile when it is not.
const _ = uint(Headroom - (txMetadata + maxEthernet + maxIP + maxOptions))

// A Frame fills one cache line: this fails to compile when it does not.
var _ [64]byte = [unsafe.Sizeof(Frame{})]byte{}

// none ends a chain or a queue.
const none = ^uint32(0)

// Flags of a Frame, reset when it is received or taken from its pool.
type Flags uint8

// The flags.
const (
	FlagSum       Flags = 1 << iota // Sum holds the checksum of the payload
	FlagFragment                    // a later fragment of a chain, owned by its first frame
	FlagHandedOff                   // came from another worker: not to be offered again
	FlagLocal                       // sent by this host to itself, never on a wire
)

// Frame is a chunk's metadata: our sk_buff. Offsets count from the start of
// the chunk: head ≤ data ≤ tail ≤ end. It contains no Go pointer, so a slab of
// frames costs the garbage collector nothing.
//
// A Frame is used by one worker at a time. Misuse of a verb (more pushed than
// there is headroom, for one) is a programming error and panics: whoever
// handles packets checks lengths first.
type Frame struct {
	base  uintptr // address of the chunk
	holds uint64  // a counter of holdBits for each Hold

	RxTime Time // when the batch that it came in was received

	index uint32 // of the chunk in its region
	next  uint32 // following fragment of the same packet
	link  uint32 // following frame of the same Queue

	Hash uint32 // of the flow, once demultiplexed

	head, data, tail, end uint16
	l2, l3, l4            uint16 // start of the headers

	Sum uint16 // ones' complement sum of the payload, when FlagSum is set

	place Place
	last  Act   // what was done last: the ledger names it
	class Class // on whose quota it was taken
	owner uint8 // worker whose pool it returns to

	In    uint8 // device it came in on
	Port  uint8 // device it goes out by; from PortWorker on: another worker
	Flags Flags
	Hops  uint8 // workers that handed it on
}

// PortWorker + n in Frame.Port sends the frame to worker n instead of a device.
const PortWorker = 0x80

// NoOwner is the owner of a frame that no pool has claimed.
const NoOwner = 0xff

// Index is the chunk's number in its region.
func (f *Frame) Index() uint32 { return f.index }

// Owner is the number of the worker whose pool the frame belongs to.
func (f *Frame) Owner() int { return int(f.owner) }

// Place is where the frame's address is towards the kernel.
func (f *Frame) Place() Place { return f.place }

// Addr is the descriptor address of the first data byte: its offset in the region.
func (f *Frame) Addr() uint64 {
	return uint64(f.index)*uint64(f.end) + uint64(f.data)
}

// at is the frame of another chunk of the same region.
func (f *Frame) at(index uint32) *Frame {
	d := int(int32(index - f.index))
	return (*Frame)(unsafe.Add(unsafe.Pointer(f), d*int(unsafe.Sizeof(Frame{}))))
}

// bytes is the chunk's memory from one offset to another, its capacity cut.
// The base is an integer so that the collector does not see it; the region
// keeps the memory alive.
func (f *Frame) bytes(from, to uint16) []byte {
	p := *(*unsafe.Pointer)(unsafe.Pointer(&f.base))
	n := int(to) - int(from)
	return unsafe.Slice((*byte)(unsafe.Add(p, int(from))), n)[:n:n]
}

// Bytes is the data of this frame alone, without the fragments that follow.
// It is valid until the frame is given away.
func (f *Frame) Bytes() []byte { return f.bytes(f.data, f.tail) }

// Len is the length of Bytes.
func (f *Frame) Len() int { return int(f.tail) - int(f.data) }

// Headroom is how much Push can prepend.
func (f *Frame) Headroom() int { return int(f.data) - int(f.head) }

// Tailroom is how much Put can append.
func (f *Frame) Tailroom() int { return int(f.end) - int(f.tail) }

// reset makes f an empty frame with the standard headroom.
func (f *Frame) reset() {
	f.Flags, f.Hops = 0, 0
	f.next = none
	f.head, f.data, f.tail = 0, Headroom, Headroom
}

// Reserve moves the start of an empty frame by n bytes: headroom for the
// headers that are prepended later.
func (f *Frame) Reserve(n int) {
	if f.data != f.tail || n < 0 || n > f.Tailroom() {
		f.misuse("Reserve", n)
	}
	f.data += uint16(n)
	f.tail += uint16(n)
}

// Push prepends n bytes and returns them, to be written by the caller.
func (f *Frame) Push(n int) []byte {
	if uint(n) > uint(f.Headroom()) {
		f.misuse("Push", n)
	}
	f.data -= uint16(n)
	return f.bytes(f.data, f.data+uint16(n))
}

// Pull takes n bytes off the start of this frame and returns them.
func (f *Frame) Pull(n int) []byte {
	if uint(n) > uint(f.Len()) {
		f.misuse("Pull", n)
	}
	f.data += uint16(n)
	return f.bytes(f.data-uint16(n), f.data)
}

// Put appends n bytes to this frame and returns them, to be written by the caller.
func (f *Frame) Put(n int) []byte {
	if uint(n) > uint(f.Tailroom()) {
		f.misuse("Put", n)
	}
	f.tail += uint16(n)
	return f.bytes(f.tail-uint16(n), f.tail)
}

// Offset is where the data begins, counted from the start of the chunk: what Seek takes.
func (f *Frame) Offset() int { return int(f.data) }

// Seek makes the n bytes at an offset of the chunk the data: whoever keeps a payload while
// headers are pushed before it and pulled off finds it again. The frame must be
// alone, not the first of a chain.
func (f *Frame) Seek(off, n int) {
	if off < int(f.head) || n < 0 || off+n > int(f.end) || f.next != none {
		f.misuse("Seek", off)
	}
	f.data, f.tail = uint16(off), uint16(off+n)
}

// misuse reports a programming error; a packet never leads here.
//
//go:noinline
func (f *Frame) misuse(verb string, n int) {
	panic(fmt.Sprintf("umem: %s(%d) on frame %d with head %d, data %d, tail %d, end %d",
		verb, n, f.index, f.head, f.data, f.tail, f.end))
}

// MarkLink, MarkNetwork and MarkTransport note that a header begins where the
// data begins now.
func (f *Frame) MarkLink() { f.l2 = f.data }

// MarkNetwork: see MarkLink.
func (f *Frame) MarkNetwork() { f.l3 = f.data }

// MarkTransport: see MarkLink.
func (f *Frame) MarkTransport() { f.l4 = f.data }

// Link is the frame from its link header on to its tail, whatever has been
// pulled since. Valid after MarkLink.
func (f *Frame) Link() []byte { return f.bytes(f.l2, f.tail) }

// Network is the frame from its network header on. Valid after MarkNetwork.
func (f *Frame) Network() []byte { return f.bytes(f.l3, f.tail) }

// Transport is the frame from its transport header on. Valid after MarkTransport.
func (f *Frame) Transport() []byte { return f.bytes(f.l4, f.tail) }
