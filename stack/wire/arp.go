package wire

import "encoding/binary"

// ARPLen is the length in octets of an ARP packet for IPv4 over Ethernet.
const ARPLen = 28

// ARP operations (RFC 826).
const (
	ARPRequest = 1
	ARPReply   = 2
)

// arpPreamble is what such a packet starts with (RFC 826, "Packet format"):
// hardware space Ethernet (1), protocol space IPv4, address lengths 6 and 4.
const arpPreamble = 0x0001<<32 | EtherTypeIPv4<<16 | 6<<8 | 4

// ARP is an ARP packet for IPv4 over Ethernet.
type ARP []byte

// CheckARP returns the ARP packet at the start of b, if it is one for IPv4 over
// Ethernet (RFC 826, "Packet Reception": "Do I have the hardware type", "Do I speak
// the protocol"). The operation is not looked at.
func CheckARP(b []byte) (a ARP, ok bool) {
	if len(b) < ARPLen || binary.BigEndian.Uint64(b)>>16 != arpPreamble {
		return nil, false
	}
	return b[:ARPLen:ARPLen], true
}

// ARPFields are the fields of an ARP packet.
type ARPFields struct {
	Op                   uint16
	SenderMAC, TargetMAC MAC
	SenderIP, TargetIP   [4]byte
}

// PutARP writes a packet at the start of b.
func PutARP(b []byte, f ARPFields) ARP {
	a := ARP(b[:ARPLen:ARPLen])
	binary.BigEndian.PutUint64(a, arpPreamble<<16|uint64(f.Op))
	*(*MAC)(a[8:14]) = f.SenderMAC
	*(*[4]byte)(a[14:18]) = f.SenderIP
	*(*MAC)(a[18:24]) = f.TargetMAC
	*(*[4]byte)(a[24:28]) = f.TargetIP
	return a
}

// Op returns the operation.
func (a ARP) Op() uint16 { return binary.BigEndian.Uint16((*[ARPLen]byte)(a)[6:8]) }

// SenderMAC returns the sender's hardware address (ar$sha).
func (a ARP) SenderMAC() MAC { return MAC((*[ARPLen]byte)(a)[8:14]) }

// SenderIP returns the sender's protocol address (ar$spa).
func (a ARP) SenderIP() [4]byte { return [4]byte((*[ARPLen]byte)(a)[14:18]) }

// TargetMAC returns the target's hardware address (ar$tha).
func (a ARP) TargetMAC() MAC { return MAC((*[ARPLen]byte)(a)[18:24]) }

// TargetIP returns the target's protocol address (ar$tpa).
func (a ARP) TargetIP() [4]byte { return [4]byte((*[ARPLen]byte)(a)[24:28]) }
