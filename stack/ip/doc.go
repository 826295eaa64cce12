// Package ip is the network layer's knowledge of both families: addresses,
// routes, the cache of destinations, and the brake on ICMP errors.
//
//	          destination address
//	                  │
//	             Routes.Lookup ───▶ none: ENETUNREACH
//	                  │
//	   ┌──────────────┼─────────────────┐
//	 local         on link           gateway
//	(loops back)  (neighbour = dst)  (neighbour = Via)
//
// # Nouns
//
//   - Addr is an address of either family in 16 bytes, IPv4 as ::ffff:a.b.c.d.
//     One type, so that every table has one key and every test is a table over
//     both families. The zero Addr is "::", and no address at all.
//   - Prefix is an Addr and how many of its bits count, of 128 for both families.
//   - Routes is the routing table: at most MaxRoutes, longest prefix first.
//   - Dest is what is known about one destination: route, next hop, link
//     address, and the headers that every packet to it begins with.
//   - Dests is the cache of them. An entry is valid for as long as the
//     generation of the neighbours in which it was made, which ends whenever one
//     moves, ages or goes; what is not valid is looked up again, never patched.
//   - Bucket is a token bucket: ICMP errors pass through one (RFC 4443, section
//     2.4 (f); RFC 1812, section 4.3.2.8).
//
// # What is not here
//
// No fragmentation and no reassembly yet, no path MTU, no router: what is not
// for this host is dropped. The flow of a packet through the layer is package
// stack's; this package keeps no frame.
//
// Read first: RFC 791, RFC 1122 section 3, RFC 8200, RFC 4291.
package ip
