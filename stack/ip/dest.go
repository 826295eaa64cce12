package ip

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// How a destination is reached.
const (
	Unicast Reach = iota // by a neighbour
	Group                // by a multicast or the broadcast link address
	Self                 // it is this host: the packet loops back
)

// Reach says how a destination is reached.
type Reach uint8

// DestKey is what a destination is looked up by.
type DestKey struct {
	Dst   Addr
	Src   Addr  // the source address that is wanted; zero: any
	Iface uint8 // for a link-local destination: the link
}

// maxHeader is Ethernet and the fixed IPv6 header.
const maxHeader = wire.EthernetLen + wire.IPv6Len

// Dest is what is known about one destination. Its header is a template of the
// link and network headers, complete but for what Put fills in.
type Dest struct {
	Key   DestKey
	Src   Addr   // the source address that packets get
	Hop   Addr   // the neighbour
	Gen   uint64 // of the neighbours when this was made; 0: not to be used again
	MTU   uint16
	Port  uint8 // device
	Iface uint8
	Reach Reach
	Wait  bool // the neighbour is not resolved: the packet must wait for it
	Size  uint8

	Neighbour uint32 // its index, when Wait

	pseudo uint32 // partial sum of both addresses
	fixed  uint32 // partial sum of the IPv4 header's template
	header [maxHeader]byte
}

// Fresh reports whether d is about the destination that its key's words name, and
// still right. Words, not a DestKey: one put together for the call would be read
// wider than it was written, which costs more than all the rest (measured: 70
// cycles).
func (d *Dest) Fresh(dst, src Addr, iface uint8, generation uint64) bool {
	return d.Gen == generation && d.Key.Dst == dst && d.Key.Src == src && d.Key.Iface == iface
}

// Is4 reports whether packets to d are of IPv4.
func (d *Dest) Is4() bool { return d.Size == wire.EthernetLen+wire.IPv4Len }

// SetHeader writes the template for the addresses Src and Key.Dst and the given
// link addresses. IPv4 packets have DF set and identification 0: they are atomic
// (RFC 6864, section 4.1).
func (d *Dest) SetHeader(dst, src [6]byte) {
	b := d.header[:]
	d.pseudo = d.Src.Sum() + d.Key.Dst.Sum()
	eth := wire.EthernetFields{Dst: dst, Src: src, Type: wire.EtherTypeIPv6}
	if d.Key.Dst.Is4() {
		eth.Type = wire.EtherTypeIPv4
	}
	wire.PutEthernet(b, eth)
	b = b[wire.EthernetLen:]
	if !d.Key.Dst.Is4() {
		d.Size = maxHeader
		h := wire.PutIPv6(b, wire.IPv6Fields{})
		d.Src.Put16(h[8:])
		d.Key.Dst.Put16(h[24:])
		return
	}
	d.Size = wire.EthernetLen + wire.IPv4Len
	h := wire.PutIPv4(b, wire.IPv4Fields{DF: true})
	h.SetTotalLen(0)
	h.SetChecksum(0)
	d.Src.Put4(h[12:])
	d.Key.Dst.Put4(h[16:])
	d.fixed = checksum.Sum(h, 0)
}

// Pseudo is the partial sum of the pseudo-header for a message of n octets.
func (d *Dest) Pseudo(proto uint8, n int) uint32 { return d.pseudo + uint32(proto) + uint32(n) }

// Params are what packets to one destination differ in.
type Params struct {
	Proto, TTL, TOS uint8
}

// Put writes the link and network headers to the first Size octets of b, for n
// octets of payload.
func (d *Dest) Put(b []byte, n int, p Params) {
	if d.Size == maxHeader {
		h := (*[maxHeader]byte)(b)
		*h = d.header
		binary.BigEndian.PutUint16(h[14:16], 6<<12|uint16(p.TOS)<<4)
		binary.BigEndian.PutUint16(h[18:20], uint16(n))
		h[20], h[21] = p.Proto, p.TTL
		return
	}
	h := (*[wire.EthernetLen + wire.IPv4Len]byte)(b)
	*h = [wire.EthernetLen + wire.IPv4Len]byte(d.header[:])
	total := uint32(n + wire.IPv4Len)
	h[15] = p.TOS
	binary.BigEndian.PutUint16(h[16:18], uint16(total))
	h[22], h[23] = p.TTL, p.Proto
	sum := d.fixed + uint32(p.TOS) + total + uint32(p.TTL)<<8 + uint32(p.Proto)
	binary.BigEndian.PutUint16(h[24:26], checksum.Field(sum))
}

// Dests is the cache of destinations, one slot for each hash.
type Dests struct {
	slots  []Dest
	mask   uint64
	secret table.Secret
}

// NewDests has room for n destinations, rounded up to a power of two.
func NewDests(n int, secret table.Secret) Dests {
	size := 1
	for size < n {
		size *= 2
	}
	return Dests{slots: make([]Dest, size), mask: uint64(size - 1), secret: secret}
}

// Slot is where a destination is, if it is in the cache at all.
func (t *Dests) Slot(dst, src Addr, iface uint8) *Dest {
	h := t.secret.Hash3(dst.Hi, dst.Lo, src.Hi+src.Lo+uint64(iface))
	return &t.slots[h&t.mask]
}
