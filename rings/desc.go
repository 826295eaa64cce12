package rings

import "unsafe"

// Desc is an entry of the RX and TX rings: struct xdp_desc of
// include/uapi/linux/if_xdp.h.
type Desc struct {
	// Addr is the byte offset of the packet in the region. In unaligned mode the
	// upper 16 bits are an offset to be added to the lower 48.
	Addr uint64
	// Len is the length of the packet, or of this part of it, in bytes.
	Len uint32
	// Options is a set of PktContd and TXMetadata.
	Options uint32
}

const (
	// PktContd (XDP_PKT_CONTD) says that the packet goes on in the next descriptor.
	PktContd uint32 = 1 << 0
	// TXMetadata (XDP_TX_METADATA) says that a struct xsk_tx_metadata lies before
	// the packet. TX ring only.
	TXMetadata uint32 = 1 << 1

	// needWakeup (XDP_RING_NEED_WAKEUP) in a ring's flags: the kernel sleeps and
	// wants a system call.
	needWakeup uint32 = 1 << 0
)

const (
	// DescSize is the size in bytes of a slot of RX and TX. The length to map is
	// Offsets.Desc plus the number of slots times their size.
	DescSize = 16
	// AddrSize is the size in bytes of a slot of Fill and Completion.
	AddrSize = 8
)

// Offsets says where the parts of a ring lie in its memory, in bytes: struct
// xdp_ring_offset, as getsockopt(XDP_MMAP_OFFSETS) returns it.
type Offsets struct {
	Producer uint64
	Consumer uint64
	Desc     uint64
	Flags    uint64
}

// The kernel's layouts, checked when this is compiled.
var (
	_ [DescSize]byte = [unsafe.Sizeof(Desc{})]byte{}
	_ [0]byte        = [unsafe.Offsetof(Desc{}.Addr)]byte{}
	_ [8]byte        = [unsafe.Offsetof(Desc{}.Len)]byte{}
	_ [12]byte       = [unsafe.Offsetof(Desc{}.Options)]byte{}

	_ [32]byte = [unsafe.Sizeof(Offsets{})]byte{}
	_ [0]byte  = [unsafe.Offsetof(Offsets{}.Producer)]byte{}
	_ [8]byte  = [unsafe.Offsetof(Offsets{}.Consumer)]byte{}
	_ [16]byte = [unsafe.Offsetof(Offsets{}.Desc)]byte{}
	_ [24]byte = [unsafe.Offsetof(Offsets{}.Flags)]byte{}
)
