// Package wire reads and writes the headers of packets, and knows nothing else.
//
// # What it is
//
// A header is a view: a named []byte over the packet's own octets. One function,
// Check, proves once that no accessor of the view can fail; the accessors then
// index and do not look again. Nothing is parsed into a struct, nothing is copied,
// nothing is allocated, and there is no state: a view lives as long as the octets
// below it, usually until the frame is given away.
//
//	frame  | Ethernet | IPv4 / IPv6 (+ extension headers) | UDP, TCP, ICMP |  payload
//	       CheckEthernet
//	                  CheckIPv4, CheckIPv6, WalkExt
//	                                                      CheckUDP, CheckTCP,
//	                                                      CheckICMPv4, CheckICMPv6, CheckNDP
//
// # Nouns
//
//   - A view (Ethernet, ARP, IPv4, IPv6, ICMPv4, ICMPv6, UDP, TCP) covers the
//     header and its options, not the payload: the layers move on by pulling
//     len(view) octets off the frame. NDP alone covers its whole message, since
//     its options are the message.
//   - Check… (b) takes contiguous octets that hold the header and all that its
//     length field claims. Check…Chain(b, size) is for a packet that goes on in
//     further frames: b is the first, contiguous part and must hold the header,
//     size counts the octets of all parts. Octets beyond the claimed length
//     (Ethernet's padding) are allowed; the caller trims.
//   - Put… writes a complete header from a …Fields value at the start of octets
//     that are our own, and returns the view. Its zero fields are zero on the wire,
//     except lengths and versions, which it fills in. It panics when there is no
//     room: that is a mistake of ours, never of a packet.
//   - Set… changes one field. No setter touches a checksum; Seal… computes one over
//     a contiguous message.
//   - An address of a network header is the array of its octets, [4]byte or [16]byte,
//     or a slice of the view. How tables hold addresses is package ip's. A note for
//     who builds keys: a [16]byte put together from smaller stores and then copied
//     costs some 50 cycles on Zen 5, since the copy's wide load waits for the
//     stores to leave the store buffer; two uint64 travel in registers.
//
// Numbers that the accessors return are in host order; lengths and offsets are in
// octets, whatever unit the wire uses.
//
// # What it does not do
//
// It decides nothing: whether a header that is well formed is also acceptable (an
// address, a TTL, a hop limit of 255, a checksum) is the business of the layer
// above, which also counts why it dropped a packet. Check answers yes or no.
// No 802.3 length frames, no VLAN tags, no jumbograms (RFC 2675), no AH or ESP: to
// WalkExt those are upper layers.
//
// # What to read first
//
// udp.go, the shortest; then the RFC that each file names. The tests hold a slow,
// plain parser for every header that the fast one is compared with, and a fuzz
// target each that calls every accessor of what a Check accepted.
package wire
