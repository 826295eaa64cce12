// Package checksum computes the Internet checksum (RFC 1071) and its
// incremental update (RFC 1624), as fast as the core allows.
//
// # What it is
//
// IPv4, ICMP, UDP and TCP protect their octets with one sum: the ones'
// complement sum of the data taken as 16-bit words, complemented. The sum has
// three properties that this package lives by (RFC 1071, section 2):
//
//   - it does not care about the order of the words, so pieces are summed
//     apart and joined: the pseudo-header, the header, each frame of a chain;
//   - it does not care about byte order: words read little-endian give the
//     same sum with its two octets swapped, so a kernel adds eight or
//     thirty-two octets at a time and swaps once, at the end;
//   - a word that changes can be taken out and its successor put in.
//
// # Nouns
//
//   - A partial sum is a uint32: 16-bit big-endian words added up, carries not
//     yet folded in. Partial sums are joined with +. Each function adds at most
//     0x1fffe to what it is given, so that thousands of pieces fit.
//
//   - A folded sum is a uint16, Fold of a partial sum: what a frame keeps of
//     its payload. It is itself a valid partial sum.
//
//   - A checksum is the complement of a folded sum: Field of a partial sum, the
//     value that stands in the header.
//
//   - A piece that starts at an odd octet of the packet has its octets in the
//     other halves of the words; Combine joins it.
//
//   - A kernel is one way to sum. There are two, and they agree to the bit:
//
//     octets   0 ..... sumVectorMin .............................
//     plain Go: 8 octets a step, |  AVX2 (amd64, if cpuid reports it):
//     math/bits.Add64            |  32 octets a step, 128 unrolled,
//     |  the last 0 to 31 by plain Go
//
//     Which one runs is a package variable set once at start from
//     klauspost/cpuid, and the calls are direct: a function variable would hide
//     from the compiler that the slice does not escape.
//
// Copy is Sum fused with copy: the octets are loaded once. It is what a sender
// uses that takes data from an application's buffer into a frame.
//
// To verify, sum everything that is covered, the checksum field included, and
// the pseudo-header: the data is right when Fold gives 0xffff (Valid).
//
// # What it does not do
//
// No checksum but this one (no CRC32c for SCTP). The rule that a computed UDP
// checksum of zero is sent as 0xffff belongs to UDP, and so to package wire.
// No allocation, no state, no reading or writing beyond the slices given.
//
// checksum_amd64.s and stub_amd64.go are generated: "go generate" here runs the
// avo program in gen, a module of its own so that its dependencies stay out of
// the project's.
//
// # What to read first
//
// RFC 1071 (the arithmetic), RFC 1624 (why equation 3), then checksum.go.
package checksum

//go:generate go -C gen run . -out ../checksum_amd64.s -stubs ../stub_amd64.go -pkg checksum
