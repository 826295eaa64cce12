package wire

import "encoding/binary"

// MAC is an Ethernet address. The zero value means none.
type MAC = [6]byte

// Broadcast is the address of all stations of a link.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// EthernetLen is the length of an Ethernet II header in octets.
const EthernetLen = 14

// EtherTypes (IANA, "IEEE 802 Numbers").
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeIPv6 = 0x86dd
)

// Ethernet is the header of an Ethernet II frame (RFC 894, RFC 2464).
type Ethernet []byte

// CheckEthernet returns the Ethernet header at the start of b, if there is room for
// one. An EtherType below 0x0600, which is an 802.3 length, is accepted as a type
// that no layer claims.
func CheckEthernet(b []byte) (e Ethernet, ok bool) {
	if len(b) < EthernetLen {
		return nil, false
	}
	return b[:EthernetLen:EthernetLen], true
}

// EthernetFields are the fields of an Ethernet header.
type EthernetFields struct {
	Dst, Src MAC
	Type     uint16 // EtherTypeIPv4, …
}

// PutEthernet writes a header at the start of b.
func PutEthernet(b []byte, f EthernetFields) Ethernet {
	e := Ethernet(b[:EthernetLen:EthernetLen])
	e.SetDst(f.Dst)
	e.SetSrc(f.Src)
	e.SetType(f.Type)
	return e
}

// Dst returns the destination address.
func (e Ethernet) Dst() MAC { return MAC((*[EthernetLen]byte)(e)[0:6]) }

// Src returns the source address.
func (e Ethernet) Src() MAC { return MAC((*[EthernetLen]byte)(e)[6:12]) }

// Type returns the EtherType.
func (e Ethernet) Type() uint16 { return binary.BigEndian.Uint16((*[EthernetLen]byte)(e)[12:14]) }

// Group reports whether the destination is multicast or broadcast (IEEE 802.3,
// 3.2.3: the first bit on the wire).
func (e Ethernet) Group() bool { return (*[EthernetLen]byte)(e)[0]&1 != 0 }

// SetDst sets the destination address.
func (e Ethernet) SetDst(a MAC) { *(*MAC)(e[0:6]) = a }

// SetSrc sets the source address.
func (e Ethernet) SetSrc(a MAC) { *(*MAC)(e[6:12]) = a }

// SetType sets the EtherType.
func (e Ethernet) SetType(t uint16) { binary.BigEndian.PutUint16(e[12:14], t) }
