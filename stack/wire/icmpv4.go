package wire

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// ICMPLen is the length in octets of the header of the ICMP messages of both
// families: type, code, checksum, and four octets that each type uses its own way.
const ICMPLen = 8

// Types of ICMP (RFC 792). The types not named here are deprecated (RFC 6918) or
// of no use to a host; source quench (RFC 6633) and redirect only count as errors.
const (
	ICMPv4EchoReply    = 0
	ICMPv4Unreachable  = 3
	ICMPv4Echo         = 8
	ICMPv4TimeExceeded = 11
	ICMPv4ParamProblem = 12

	icmpv4SourceQuench = 4
	icmpv4Redirect     = 5
)

// Codes of ICMPv4Unreachable (RFC 792; RFC 1122, section 3.2.2.1).
const (
	ICMPv4NetUnreachable   = 0
	ICMPv4HostUnreachable  = 1
	ICMPv4ProtoUnreachable = 2
	ICMPv4PortUnreachable  = 3
	ICMPv4FragNeeded       = 4
	ICMPv4AdminProhibited  = 13
)

// Codes of ICMPv4TimeExceeded (RFC 792).
const (
	ICMPv4TTLExceeded       = 0
	ICMPv4ReassemblyTimeout = 1
)

// ICMPv4 is the header of an ICMP message (RFC 792).
type ICMPv4 []byte

// CheckICMPv4 returns the header of the ICMP message in b, if there is room for
// one. A message has no length of its own: it ends where the packet does.
func CheckICMPv4(b []byte) (m ICMPv4, ok bool) {
	if len(b) < ICMPLen {
		return nil, false
	}
	return b[:ICMPLen:ICMPLen], true
}

// ICMPFields are the fields of the header of an ICMP message, of either family.
type ICMPFields struct {
	Type, Code uint8
	Checksum   uint16
	Rest       uint32 // see EchoRest; of a "packet too big", the MTU
}

// EchoRest returns ICMPFields.Rest of an echo request or reply.
func EchoRest(id, seq uint16) uint32 { return uint32(id)<<16 | uint32(seq) }

// PutICMPv4 writes a header at the start of b.
func PutICMPv4(b []byte, f ICMPFields) ICMPv4 {
	return ICMPv4(putICMP(b, f))
}

func putICMP(b []byte, f ICMPFields) []byte {
	m := b[:ICMPLen:ICMPLen]
	m[0], m[1] = f.Type, f.Code
	binary.BigEndian.PutUint16(m[2:4], f.Checksum)
	binary.BigEndian.PutUint32(m[4:8], f.Rest)
	return m
}

// Type returns the type.
func (m ICMPv4) Type() uint8 { return (*[ICMPLen]byte)(m)[0] }

// Code returns the code.
func (m ICMPv4) Code() uint8 { return (*[ICMPLen]byte)(m)[1] }

// Checksum returns the checksum field, which covers the whole message.
func (m ICMPv4) Checksum() uint16 { return binary.BigEndian.Uint16((*[ICMPLen]byte)(m)[2:4]) }

// Rest returns the last four octets of the header.
func (m ICMPv4) Rest() uint32 { return binary.BigEndian.Uint32((*[ICMPLen]byte)(m)[4:8]) }

// ID returns the identifier of an echo.
func (m ICMPv4) ID() uint16 { return binary.BigEndian.Uint16((*[ICMPLen]byte)(m)[4:6]) }

// Seq returns the sequence number of an echo.
func (m ICMPv4) Seq() uint16 { return binary.BigEndian.Uint16((*[ICMPLen]byte)(m)[6:8]) }

// MTU returns the next hop's MTU in an unreachable with code ICMPv4FragNeeded, zero
// from routers older than RFC 1191 (section 4).
func (m ICMPv4) MTU() int { return int(m.Seq()) }

// IsError reports whether this is an error message, about which no error may be
// sent (RFC 1122, section 3.2.2), quoting the packet at fault behind the header.
func (m ICMPv4) IsError() bool {
	switch m.Type() {
	case ICMPv4Unreachable, icmpv4SourceQuench, icmpv4Redirect, ICMPv4TimeExceeded, ICMPv4ParamProblem:
		return true
	}
	return false
}

// SetType sets the type: an echo turned into its reply in place.
func (m ICMPv4) SetType(t uint8) { m[0] = t }

// SetChecksum sets the checksum field.
func (m ICMPv4) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[2:4], v) }

// SealICMPv4 computes the checksum of the contiguous message b and sets it.
func SealICMPv4(b []byte) { sealICMP(b, 0) }

func sealICMP(b []byte, pseudo uint32) {
	binary.BigEndian.PutUint16(b[2:4], 0)
	binary.BigEndian.PutUint16(b[2:4], checksum.Field(checksum.Sum(b, pseudo)))
}
