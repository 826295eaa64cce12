package wire

import "encoding/binary"

// Types of ICMPv6 (RFC 4443, section 2.1; RFC 4861, section 4). Those below 128
// are errors.
const (
	ICMPv6Unreachable            = 1
	ICMPv6PacketTooBig           = 2
	ICMPv6TimeExceeded           = 3
	ICMPv6ParamProblem           = 4
	ICMPv6Echo                   = 128
	ICMPv6EchoReply              = 129
	ICMPv6NeighborSolicitation   = 135
	ICMPv6NeighborAdvertisement  = 136
	icmpv6FirstInformationalType = 128
)

// Codes of ICMPv6Unreachable (RFC 4443, section 3.1).
const (
	ICMPv6NoRoute         = 0
	ICMPv6AdminProhibited = 1
	ICMPv6AddrUnreachable = 3
	ICMPv6PortUnreachable = 4
)

// Codes of ICMPv6TimeExceeded (RFC 4443, section 3.3).
const (
	ICMPv6HopLimitExceeded  = 0
	ICMPv6ReassemblyTimeout = 1
)

// Codes of ICMPv6ParamProblem (RFC 4443, section 3.4; from ICMPv6ChainTooLong on,
// RFC 8883, section 2).
const (
	ICMPv6ErroneousField    = 0
	ICMPv6UnknownNextHeader = 1
	ICMPv6UnknownOption     = 2
	ICMPv6ChainTooLong      = 7
	ICMPv6TooManyExtHeaders = 8
	ICMPv6TooManyExtOptions = 9
)

// ICMPv6 is the header of an ICMPv6 message (RFC 4443, section 2.1), with the four
// octets that every message in use has behind it.
type ICMPv6 []byte

// CheckICMPv6 returns the header of the ICMPv6 message in b, if there is room for
// one. A message has no length of its own: it ends where the packet does.
func CheckICMPv6(b []byte) (m ICMPv6, ok bool) {
	if len(b) < ICMPLen {
		return nil, false
	}
	return b[:ICMPLen:ICMPLen], true
}

// PutICMPv6 writes a header at the start of b.
func PutICMPv6(b []byte, f ICMPFields) ICMPv6 {
	return ICMPv6(putICMP(b, f))
}

// Type returns the type.
func (m ICMPv6) Type() uint8 { return (*[ICMPLen]byte)(m)[0] }

// Code returns the code.
func (m ICMPv6) Code() uint8 { return (*[ICMPLen]byte)(m)[1] }

// Checksum returns the checksum field, which covers pseudo-header and message.
func (m ICMPv6) Checksum() uint16 { return binary.BigEndian.Uint16((*[ICMPLen]byte)(m)[2:4]) }

// Rest returns the last four octets of the header: the MTU of a "packet too big",
// the pointer of a parameter problem.
func (m ICMPv6) Rest() uint32 { return binary.BigEndian.Uint32((*[ICMPLen]byte)(m)[4:8]) }

// ID returns the identifier of an echo.
func (m ICMPv6) ID() uint16 { return binary.BigEndian.Uint16((*[ICMPLen]byte)(m)[4:6]) }

// Seq returns the sequence number of an echo.
func (m ICMPv6) Seq() uint16 { return binary.BigEndian.Uint16((*[ICMPLen]byte)(m)[6:8]) }

// IsError reports whether this is an error message, about which no error may be
// sent (RFC 4443, section 2.4 (e.1)), quoting the packet at fault behind the header.
func (m ICMPv6) IsError() bool { return m.Type() < icmpv6FirstInformationalType }

// SetType sets the type: an echo turned into its reply in place.
func (m ICMPv6) SetType(t uint8) { m[0] = t }

// SetChecksum sets the checksum field.
func (m ICMPv6) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[2:4], v) }

// SealICMPv6 computes the checksum of the contiguous message b and sets it; pseudo
// is the partial sum of its pseudo-header.
func SealICMPv6(b []byte, pseudo uint32) { sealICMP(b, pseudo) }
