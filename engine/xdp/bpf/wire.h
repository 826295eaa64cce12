/* Headers as they are on the wire: all multi-byte fields are big endian. */
#ifndef XDPSTACK_WIRE_H
#define XDPSTACK_WIRE_H

#include "kernel.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_QINQ = 0x88a8,
};

struct ethernet {
	u8 dst[6];
	u8 src[6];
	u16 type;
};

/* RFC 826 with Ethernet and IPv4. Packed: the addresses stand on odd words. */
struct arp {
	u16 htype;
	u16 ptype;
	u8 hlen;
	u8 plen;
	u16 op;
	u8 sha[6];
	u32 spa;
	u8 tha[6];
	u32 tpa;
} __attribute__((packed));

/* RFC 791, section 3.1. */
struct ipv4 {
	u8 version_ihl;
	u8 tos;
	u16 total_len;
	u16 id;
	u16 frag; /* flags and offset */
	u8 ttl;
	u8 proto;
	u16 checksum;
	u32 src;
	u32 dst;
};

#define IPV4_FRAGMENT be16(0x3fff) /* MF and the offset */

struct in6 {
	union {
		u8 byte[16];
		u32 word[4];
	};
};

/* RFC 8200, section 3. */
struct ipv6 {
	u8 version_class;
	u8 class_label[3];
	u16 payload_len;
	u8 next;
	u8 hops;
	struct in6 src;
	struct in6 dst;
};

/* An extension header begins so (RFC 8200, section 4), the fragment header
 * too, whose second octet is reserved and whose offset follows. */
struct extension {
	u8 next;
	u8 len; /* in units of 8 octets, the first 8 not counted */
	u16 frag;
	u32 frag_id;
};

#define IPV6_FRAGMENT be16(0xfff9) /* the offset and M */

enum {
	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_ICMPV6 = 58,
	PROTO_DSTOPTS = 60,
};

/* The first words of TCP and UDP. */
struct ports {
	u16 src;
	u16 dst;
};

/* RFC 792 and RFC 4443: the same eight octets in both families. */
struct icmp {
	u8 type;
	u8 code;
	u16 checksum;
	u16 ident;
	u16 seq;
};

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_PARAMETER = 4,
	ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129,
	ND_SOLICIT = 135,
	ND_ADVERTISE = 136,
};

/* RFC 4861, sections 4.3 and 4.4: solicitation and advertisement alike. */
struct neighbour {
	struct icmp icmp;
	struct in6 target;
};

#endif
