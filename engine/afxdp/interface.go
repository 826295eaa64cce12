package afxdp

import (
	"errors"
	"fmt"
	"net"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// What a frame holds besides the MTU: an Ethernet header and two VLAN tags.
const linkBytes = 14 + 8

// Chunk sizes, in bytes. Some drivers cut the buffers of zero-copy down to whole KiB (igb:
// of 2048 less the headroom 1024 are left, and longer packets arrive in pieces),
// so zero-copy has pages.
const (
	CopyChunk     = 2048
	ZeroCopyChunk = 4096
)

// Interface is what there is to know about a device before it is opened.
type Interface struct {
	Name     string
	Index    int
	MAC      [6]byte
	MTU      int
	Up       bool
	Queues   int    // receive queues that can transmit too
	RxOnly   int    // receive queues beyond them
	Driver   string // "" where it does not say
	Features Features
}

// Lookup asks the kernel about a device in the calling thread's network namespace.
// It fails with engine.ErrNoDevice.
func Lookup(name string) (Interface, error) {
	l, err := netlink.LinkByName(name)
	var notFound netlink.LinkNotFoundError
	switch {
	case errors.As(err, &notFound), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EINVAL):
		return Interface{}, fmt.Errorf("afxdp: interface %q: %w in this network namespace; \"ip link\" lists them", name, engine.ErrNoDevice)
	case err != nil:
		return Interface{}, fmt.Errorf("afxdp: interface %q: asking the kernel for it: %w", name, err)
	}
	a := l.Attrs()
	itf := Interface{Name: a.Name, Index: a.Index, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0}
	copy(itf.MAC[:], a.HardwareAddr)
	itf.channels(a.NumRxQueues, a.NumTxQueues)
	itf.Features = featuresOf(a.Index)
	return itf, nil
}

// channels counts the queues in use (ETHTOOL_GCHANNELS). A driver that does not tell
// has those that were allocated. Never sysfs: in a namespace it shows the wrong devices.
func (itf *Interface) channels(rx, tx int) {
	if e, err := ethtool.NewEthtool(); err == nil {
		defer e.Close()
		if c, err := e.GetChannels(itf.Name); err == nil && c.CombinedCount+c.RxCount > 0 {
			rx, tx = int(c.CombinedCount+c.RxCount), int(c.CombinedCount+c.TxCount)
		}
		itf.Driver, _ = e.DriverName(itf.Name)
	}
	// A socket on a queue that has no TX side would never send, and never say so
	// (__xsk_generic_xmit).
	itf.Queues = max(min(rx, tx), 1)
	itf.RxOnly = max(rx-itf.Queues, 0)
}

// ChunkSize is the chunk that suits the device in a mode: pages where there may be
// zero-copy or where the MTU asks for them, half of one otherwise.
func (itf *Interface) ChunkSize(m Mode) int {
	mayZeroCopy := m == ZeroCopy || m == Auto && itf.Features.ZeroCopy
	if mayZeroCopy || itf.MTU > maxMTU(CopyChunk) {
		return ZeroCopyChunk
	}
	return CopyChunk
}

// maxMTU is the largest that fits a chunk with XDP's headroom.
func maxMTU(chunk int) int { return chunk - umem.Headroom - linkBytes }

// check says why the device cannot be opened at all.
func (itf *Interface) check(chunk int) error {
	if !itf.Up {
		return fmt.Errorf("afxdp: %s: %w; \"ip link set dev %s up\" brings it up", itf.Name, engine.ErrDown, itf.Name)
	}
	if itf.MTU <= maxMTU(chunk) {
		return nil
	}
	remedy := fmt.Sprintf("\"ip link set dev %s mtu %d\" lowers it", itf.Name, maxMTU(chunk))
	if itf.MTU <= maxMTU(ZeroCopyChunk) {
		remedy += fmt.Sprintf(", or take chunks of %d", ZeroCopyChunk)
	}
	return fmt.Errorf("afxdp: %s: %w: MTU %d, but a chunk of %d takes %d; %s", itf.Name, ErrMTU, itf.MTU, chunk, maxMTU(chunk), remedy)
}
