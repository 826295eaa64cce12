package afxdp

import (
	"encoding/binary"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Generic netlink family "netdev" (include/uapi/linux/netdev.h, since Linux 6.3).
const (
	netdevFamily     = "netdev"
	netdevVersion    = 1
	netdevCmdDevGet  = 1
	netdevAttrIndex  = 1
	netdevAttrXDP    = 3
	netdevXDPNative  = 1 << 0 // NETDEV_XDP_ACT_BASIC
	netdevXDPXskZero = 1 << 3 // NETDEV_XDP_ACT_XSK_ZEROCOPY
)

// Features is what the driver says that it can do. It is no promise: virtio_net
// claims zero-copy where bind refuses it. Only a missing claim is sure.
type Features struct {
	Known    bool // the kernel tells
	Native   bool // XDP programs in the driver
	ZeroCopy bool // AF_XDP without copies
}

// genlHeader is struct genlmsghdr: command, version, two bytes that must be zero. The
// library's own header leaves those to chance (v1.3.1), and the kernel checks them.
type genlHeader [nl.SizeofGenlmsg]byte

func (h genlHeader) Len() int          { return len(h) }
func (h genlHeader) Serialize() []byte { return h[:] }

// featuresOf asks for the features of a device; a kernel that does not tell is no error.
func featuresOf(ifindex int) Features {
	family, err := netlink.GenlFamilyGet(netdevFamily)
	if err != nil {
		return Features{}
	}
	req := nl.NewNetlinkRequest(int(family.ID), 0)
	req.AddData(genlHeader{netdevCmdDevGet, netdevVersion})
	req.AddData(nl.NewRtAttr(netdevAttrIndex, nl.Uint32Attr(uint32(ifindex))))
	replies, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return Features{}
	}
	for _, reply := range replies {
		if len(reply) < nl.SizeofGenlmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(reply[nl.SizeofGenlmsg:])
		if err != nil {
			continue
		}
		for _, a := range attrs {
			if a.Attr.Type == netdevAttrXDP && len(a.Value) >= 8 {
				bits := binary.NativeEndian.Uint64(a.Value)
				return Features{Known: true, Native: bits&netdevXDPNative != 0, ZeroCopy: bits&netdevXDPXskZero != 0}
			}
		}
	}
	return Features{}
}
