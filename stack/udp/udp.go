package udp

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// Put writes the header of a datagram with n octets of payload to the first eight
// octets of b. pseudo is the pseudo-header's partial sum, payload that of the
// payload.
func Put(b []byte, src, dst uint16, n int, pseudo, payload uint32) {
	u := (*[wire.UDPLen]byte)(b)
	length := uint16(n + wire.UDPLen)
	binary.BigEndian.PutUint16(u[0:2], src)
	binary.BigEndian.PutUint16(u[2:4], dst)
	binary.BigEndian.PutUint16(u[4:6], length)
	sum := pseudo + payload + uint32(src) + uint32(dst) + uint32(length)
	binary.BigEndian.PutUint16(u[6:8], wire.UDPField(sum))
}

// Verdict is what Verify found.
type Verdict uint8

// The verdicts.
const (
	Good    Verdict = iota
	NoSum           // over IPv4: the sender computed none, which is its right
	Partial         // the pseudo-header's sum alone: the sender left the rest to a device
	Bad
)

// Verify checks the datagram of f, whose data is the payload, trimmed to its
// length; u is its header. addresses is the partial sum of both addresses. The
// payload's sum is left in f.Sum, when it was computed.
func Verify(f *umem.Frame, u wire.UDP, addresses uint32, v4 bool) Verdict {
	h := (*[wire.UDPLen]byte)(u)
	field := binary.BigEndian.Uint16(h[6:8])
	if field == 0 {
		if v4 {
			return NoSum
		}
		return Bad
	}
	payload := checksum.Fold(PayloadSum(f))
	f.Sum = payload
	f.Flags |= umem.FlagSum
	length := uint32(binary.BigEndian.Uint16(h[4:6]))
	pseudo := addresses + wire.ProtoUDP + length
	ports := uint32(binary.BigEndian.Uint16(h[0:2])) + uint32(binary.BigEndian.Uint16(h[2:4]))
	if checksum.Valid(pseudo + ports + length + uint32(field) + uint32(payload)) {
		return Good
	}
	if field == checksum.Fold(pseudo) {
		return Partial
	}
	return Bad
}

// PayloadSum is the partial sum of the data of f and the fragments behind it.
func PayloadSum(f *umem.Frame) uint32 {
	sum := checksum.Sum(f.Bytes(), 0)
	if f.Next() == nil {
		return sum
	}
	at := f.Len()
	for g := f.Next(); g != nil; g = g.Next() {
		sum = checksum.Combine(uint32(checksum.Fold(sum)), checksum.Sum(g.Bytes(), 0), at)
		at += g.Len()
	}
	return sum
}

// Ports are those of the header at the start of b, which has eight octets at
// least.
func Ports(b []byte) (src, dst uint16) {
	u := (*[wire.UDPLen]byte)(b)
	return binary.BigEndian.Uint16(u[0:2]), binary.BigEndian.Uint16(u[2:4])
}
