// Package udp is the transport layer of datagrams: eight octets of header, and
// the one hard thing about them, the checksum.
//
//	│ source port │ destination port │ length │ checksum │ payload …
//	└───────────── covered by the checksum, with a pseudo-header ────┘
//
// # Nouns
//
//   - Put writes a header. The payload's sum comes from the copy that brought the
//     payload in (package checksum), or from the frame, when it was received and
//     goes out again.
//   - Verify checks a received datagram and leaves the payload's sum in the frame.
//     Its Verdict tells apart what counters tell apart.
//
// The checksum is optional over IPv4, where a field of zero says that there is
// none (RFC 768), and mandatory over IPv6 (RFC 8200, section 8.1).
//
// # What is not here
//
// No sockets (package socket), no ICMP (package stack), no UDP-Lite, no tunnels
// that leave the checksum out over IPv6 (RFC 6935), no UDP options (RFC 9868):
// octets behind the datagram in its packet are cut off.
//
// Read first: RFC 768; RFC 1122, section 4.1; RFC 8085.
package udp
