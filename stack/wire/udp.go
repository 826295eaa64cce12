package wire

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// UDPLen is the length of a UDP header in octets.
const UDPLen = 8

// UDP is a UDP header (RFC 768).
type UDP []byte

// CheckUDP returns the UDP header at the start of b, if the whole datagram that it
// announces is in b. The checksum is the caller's to verify.
func CheckUDP(b []byte) (u UDP, ok bool) { return CheckUDPChain(b, len(b)) }

// CheckUDPChain is CheckUDP for a datagram of which b is the first, contiguous
// part, and which has size octets in all.
func CheckUDPChain(b []byte, size int) (u UDP, ok bool) {
	if len(b) < UDPLen {
		return nil, false
	}
	u = b[:UDPLen:UDPLen]
	if n := u.Length(); n < UDPLen || n > size {
		return nil, false
	}
	return u, true
}

// UDPFields are the fields of a UDP header.
type UDPFields struct {
	SrcPort, DstPort uint16
	PayloadLen       int // octets behind the header
	Checksum         uint16
}

// PutUDP writes a header at the start of b.
func PutUDP(b []byte, f UDPFields) UDP {
	u := UDP(b[:UDPLen:UDPLen])
	u.SetSrcPort(f.SrcPort)
	u.SetDstPort(f.DstPort)
	u.SetLength(UDPLen + f.PayloadLen)
	u.SetChecksum(f.Checksum)
	return u
}

// SrcPort returns the source port.
func (u UDP) SrcPort() uint16 { return binary.BigEndian.Uint16((*[UDPLen]byte)(u)[0:2]) }

// DstPort returns the destination port.
func (u UDP) DstPort() uint16 { return binary.BigEndian.Uint16((*[UDPLen]byte)(u)[2:4]) }

// Length returns the length of the datagram, header included.
func (u UDP) Length() int { return int(binary.BigEndian.Uint16((*[UDPLen]byte)(u)[4:6])) }

// PayloadLen returns the number of octets behind the header.
func (u UDP) PayloadLen() int { return u.Length() - UDPLen }

// Checksum returns the checksum field. Zero means that the sender computed none,
// which over IPv6 is refused (RFC 768; RFC 8200, section 8.1).
func (u UDP) Checksum() uint16 { return binary.BigEndian.Uint16((*[UDPLen]byte)(u)[6:8]) }

// SetSrcPort sets the source port.
func (u UDP) SetSrcPort(p uint16) { binary.BigEndian.PutUint16(u[0:2], p) }

// SetDstPort sets the destination port.
func (u UDP) SetDstPort(p uint16) { binary.BigEndian.PutUint16(u[2:4], p) }

// SetLength sets the length of the datagram, header included.
func (u UDP) SetLength(n int) { binary.BigEndian.PutUint16(u[4:6], uint16(n)) }

// SetChecksum sets the checksum field.
func (u UDP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(u[6:8], v) }

// UDPField returns the checksum field for the partial sum of pseudo-header, header
// with a field of zero, and payload. A result of zero goes out as all ones, since
// zero says that there is none (RFC 768).
func UDPField(sum uint32) uint16 {
	if f := checksum.Field(sum); f != 0 {
		return f
	}
	return 0xffff
}

// SealUDP computes the checksum of the contiguous datagram b and sets it; pseudo is
// the partial sum of its pseudo-header.
func SealUDP(b []byte, pseudo uint32) {
	u := UDP(b[:UDPLen:UDPLen])
	u.SetChecksum(0)
	u.SetChecksum(UDPField(checksum.Sum(b, pseudo)))
}
