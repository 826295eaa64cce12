package afxdp

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/rings"
)

// The kernel's structures have the sizes that it expects (include/uapi/linux/if_xdp.h,
// Linux 6.18): this fails to compile when they do not. A registration of 24 to 31
// bytes would be read as the oldest version, its flags silently ignored
// (xsk_setsockopt).
var (
	_ [32]byte  = [unsafe.Sizeof(unix.XDPUmemReg{})]byte{}
	_ [128]byte = [unsafe.Sizeof(unix.XDPMmapOffsets{})]byte{}
	_ [48]byte  = [unsafe.Sizeof(unix.XDPStatistics{})]byte{}
	_ [16]byte  = [unsafe.Sizeof(unix.RawSockaddrXDP{})]byte{}
	_ [32]byte  = [unsafe.Sizeof(unix.XDPRingOffset{})]byte{}
)

// bytesOf shows a kernel structure as the bytes that a system call takes.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

func offsetsOf(o unix.XDPRingOffset) rings.Offsets {
	return rings.Offsets{Producer: o.Producer, Consumer: o.Consumer, Desc: o.Desc, Flags: o.Flags}
}

// A ringKind is one of the four rings, as a socket option and a mapping.
type ringKind struct {
	name   string
	option int   // sets its size
	offset int64 // maps it
	slot   uint32
}

var (
	ringFill       = ringKind{"fill", unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_PGOFF_FILL_RING, rings.AddrSize}
	ringCompletion = ringKind{"completion", unix.XDP_UMEM_COMPLETION_RING, unix.XDP_UMEM_PGOFF_COMPLETION_RING, rings.AddrSize}
	ringRX         = ringKind{"rx", unix.XDP_RX_RING, unix.XDP_PGOFF_RX_RING, rings.DescSize}
	ringTX         = ringKind{"tx", unix.XDP_TX_RING, unix.XDP_PGOFF_TX_RING, rings.DescSize}
)
