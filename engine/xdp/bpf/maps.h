/* The rules and the counters, as maps shared with package xdp. */
#ifndef XDPSTACK_MAPS_H
#define XDPSTACK_MAPS_H

#include "wire.h"

/* What became of a packet: one verdict each, so the counters sum up to all
 * packets seen. Package xdp names them in the same order. */
enum verdict {
	TAKEN_IPV4,       /* to an IPv4 address that is ours alone */
	TAKEN_IPV6,       /* to an IPv6 address that is ours alone */
	TAKEN_ARP,        /* about an address that is ours alone */
	TAKEN_ND,         /* multicast solicitation or advertisement of one */
	TAKEN_PORT,       /* to a port of ours on a shared address */
	TAKEN_ECHO,       /* echo reply to an identifier of ours on one */
	TAKEN_ICMP_ERROR, /* error that quotes a packet of ours from one */
	TAKEN_ALL,        /* the filter is off: everything is taken */
	PASSED_SOCKET,    /* would be taken, but its queue has no socket */
	PASSED_ADDRESS,   /* addressed to, or about, no address of ours */
	PASSED_PORT,      /* shared address, port of the host's */
	PASSED_ICMP,      /* shared address, ICMP of the host's */
	PASSED_NEIGHBOUR, /* ARP or ND about a shared address */
	PASSED_FRAGMENT,  /* shared address, no ports to go by */
	PASSED_PROTOCOL,  /* shared address, another transport */
	PASSED_VLAN,      /* tagged */
	PASSED_ETHERTYPE, /* neither IP nor ARP */
	PASSED_SHORT,     /* ends within the headers */
	PASSED_MALFORMED, /* wrong version, header length or hardware type */
	VERDICTS,
	FIRST_PASSED = PASSED_SOCKET,
};

/* What is ours about an address. */
struct address_rule {
	u16 exclusive; /* 1: ours alone; 0: shared with the kernel */
	u16 port_set;  /* shared: index into port_sets */
};

/* The ports of ours on shared addresses: a bit each. */
enum { SET_TCP, SET_UDP, SET_ECHO, SET_PROTOCOLS };
struct port_set {
	u64 bits[SET_PROTOCOLS][65536 / 64];
};

/* AF_XDP sockets by receive queue. Sized when loaded. */
struct {
	map_int(type, MAP_XSK);
	map_int(max_entries, 1);
	map_type(key, u32);
	map_type(value, u32);
} sockets section(".maps");

/* Rules by address, IPv4 as ::ffff:a.b.c.d. Sized when loaded. */
struct {
	map_int(type, MAP_HASH);
	map_int(max_entries, 1);
	map_type(key, struct in6);
	map_type(value, struct address_rule);
} addresses section(".maps");

/* Sized when loaded. */
struct {
	map_int(type, MAP_ARRAY);
	map_int(max_entries, 1);
	map_type(key, u32);
	map_type(value, struct port_set);
} port_sets section(".maps");

struct {
	map_int(type, MAP_PERCPU_ARRAY);
	map_int(max_entries, VERDICTS);
	map_type(key, u32);
	map_type(value, u64);
} verdicts section(".maps");

static always_inline struct address_rule *rule_ipv4(u32 address)
{
	struct in6 key = {.word = {0, 0, be32(0xffff), address}};
	return map_lookup(&addresses, &key);
}

/* An IPv4-mapped address has no business on the wire, and must not reach the
 * rule of an IPv4 address. */
static always_inline struct address_rule *rule_ipv6(struct in6 *a)
{
	if (a->word[0] == 0 && a->word[1] == 0 && a->word[2] == be32(0xffff))
		return 0;
	return map_lookup(&addresses, a);
}

/* Whose an address is. */
enum { FOREIGN, SHARED, OURS };

static always_inline u32 owner(struct address_rule *rule)
{
	u32 owner = FOREIGN;
	if (rule)
		owner = rule->exclusive ? OURS : SHARED;
	opaque(owner);
	return owner;
}

/* ff02::1:ff00:0/104 (RFC 4291, section 2.7.1). */
static always_inline int solicited_node(struct in6 *a)
{
	return a->word[0] == be32(0xff020000) && a->word[1] == 0 &&
	       a->word[2] == be32(1) && a->byte[12] == 0xff;
}

/* port is in network order, as it stands in the packet. */
static always_inline int taken(struct address_rule *rule, u32 protocol, u16 port)
{
	u32 index = rule->port_set;
	struct port_set *set = map_lookup(&port_sets, &index);
	if (!set)
		return 0;
	port = be16(port);
	return set->bits[protocol][port / 64] >> (port % 64) & 1;
}

#endif
