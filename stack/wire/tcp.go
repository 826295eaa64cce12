package wire

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// Lengths of a TCP header in octets, without and with all options.
const (
	TCPLen    = 20
	TCPMaxLen = 60
)

// TCPFlags are the control bits of a TCP header (RFC 9293, section 3.1; AE, RFC
// 9768, section 3.1).
type TCPFlags uint16

// The control bits.
const (
	TCPFin TCPFlags = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
	TCPUrg
	TCPEce
	TCPCwr
	TCPAe

	tcpFlagsMask = TCPAe<<1 - 1
)

// Has reports whether all of the bits in f are set.
func (t TCPFlags) Has(f TCPFlags) bool { return t&f == f }

// TCP is a TCP header with its options (RFC 9293, section 3.1).
type TCP []byte

// CheckTCP returns the TCP header at the start of b, if all of it, options included,
// is there. A segment has no length of its own: it ends where the packet does. The
// options are checked apart, by Options.Valid.
func CheckTCP(b []byte) (t TCP, ok bool) {
	if len(b) < TCPLen {
		return nil, false
	}
	n := int(b[12]>>4) * 4
	if n < TCPLen || n > len(b) {
		return nil, false
	}
	return b[:n:n], true
}

// TCPFields are the fields of a TCP header.
type TCPFields struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            TCPFlags
	Window           uint16 // as on the wire, unscaled
	Checksum         uint16
	Urgent           uint16
	Options          []byte // a multiple of 4 octets, at most 40
}

// PutTCP writes a header at the start of b. The options must be padded.
func PutTCP(b []byte, f TCPFields) TCP {
	n := TCPLen + len(f.Options)
	t := TCP(b[:n:n])
	t.SetSrcPort(f.SrcPort)
	t.SetDstPort(f.DstPort)
	t.SetSeq(f.Seq)
	t.SetAck(f.Ack)
	binary.BigEndian.PutUint16(t[12:14], uint16(n/4)<<12|uint16(f.Flags&tcpFlagsMask))
	t.SetWindow(f.Window)
	t.SetChecksum(f.Checksum)
	binary.BigEndian.PutUint16(t[18:20], f.Urgent)
	copy(t[TCPLen:], f.Options)
	return t
}

// SrcPort returns the source port.
func (t TCP) SrcPort() uint16 { return binary.BigEndian.Uint16((*[TCPLen]byte)(t)[0:2]) }

// DstPort returns the destination port.
func (t TCP) DstPort() uint16 { return binary.BigEndian.Uint16((*[TCPLen]byte)(t)[2:4]) }

// Seq returns the sequence number.
func (t TCP) Seq() uint32 { return binary.BigEndian.Uint32((*[TCPLen]byte)(t)[4:8]) }

// Ack returns the acknowledgment number, which means something only with TCPAck.
func (t TCP) Ack() uint32 { return binary.BigEndian.Uint32((*[TCPLen]byte)(t)[8:12]) }

// Flags returns the control bits.
func (t TCP) Flags() TCPFlags {
	return TCPFlags(binary.BigEndian.Uint16((*[TCPLen]byte)(t)[12:14])) & tcpFlagsMask
}

// Window returns the window field, unscaled.
func (t TCP) Window() uint16 { return binary.BigEndian.Uint16((*[TCPLen]byte)(t)[14:16]) }

// Checksum returns the checksum field, which covers pseudo-header and segment.
func (t TCP) Checksum() uint16 { return binary.BigEndian.Uint16((*[TCPLen]byte)(t)[16:18]) }

// Urgent returns the urgent pointer.
func (t TCP) Urgent() uint16 { return binary.BigEndian.Uint16((*[TCPLen]byte)(t)[18:20]) }

// Options returns the options.
func (t TCP) Options() Options { return Options(t[TCPLen:]) }

// SetSrcPort sets the source port.
func (t TCP) SetSrcPort(p uint16) { binary.BigEndian.PutUint16(t[0:2], p) }

// SetDstPort sets the destination port.
func (t TCP) SetDstPort(p uint16) { binary.BigEndian.PutUint16(t[2:4], p) }

// SetSeq sets the sequence number.
func (t TCP) SetSeq(n uint32) { binary.BigEndian.PutUint32(t[4:8], n) }

// SetAck sets the acknowledgment number.
func (t TCP) SetAck(n uint32) { binary.BigEndian.PutUint32(t[8:12], n) }

// SetWindow sets the window field.
func (t TCP) SetWindow(w uint16) { binary.BigEndian.PutUint16(t[14:16], w) }

// SetChecksum sets the checksum field.
func (t TCP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(t[16:18], v) }

// SealTCP computes the checksum of the contiguous segment b and sets it; pseudo is
// the partial sum of its pseudo-header.
func SealTCP(b []byte, pseudo uint32) {
	t := TCP(b[:TCPLen])
	t.SetChecksum(0)
	t.SetChecksum(checksum.Field(checksum.Sum(b, pseudo)))
}
