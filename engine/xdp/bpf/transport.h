/* Shared addresses: which of two stacks on one address a packet is for.
 * Ports decide; an ICMP error is decided by the packet that it quotes. */
#ifndef XDPSTACK_TRANSPORT_H
#define XDPSTACK_TRANSPORT_H

#include "maps.h"

static always_inline enum verdict transport(u8 proto, struct ports *ports, void *end,
					    struct address_rule *rule)
{
	if (proto != PROTO_TCP && proto != PROTO_UDP)
		return PASSED_PROTOCOL;
	if ((void *)(ports + 1) > end)
		return PASSED_SHORT;
	u32 set = proto == PROTO_TCP ? SET_TCP : SET_UDP;
	return taken(rule, set, ports->dst) ? TAKEN_PORT : PASSED_PORT;
}

/* Each extension header comes at most once, destination options twice (RFC
 * 8200, section 4.1): four kinds of them are walked here, so five at most. */
#define EXTENSIONS_MAX 5

enum walk { REACHED, FRAGMENTED, TRUNCATED, TOO_MANY };

/* skip_extensions moves *header past the extension headers and leaves in
 * *proto what stands there: a transport, or a header that is not walked (AH,
 * ESP, and others), which no caller takes for a transport. */
static always_inline enum walk skip_extensions(u8 *proto, void **header, void *end)
{
#pragma unroll
	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		struct extension *ext = *header;
		if (*proto != PROTO_HOPOPTS && *proto != PROTO_ROUTING &&
		    *proto != PROTO_FRAGMENT && *proto != PROTO_DSTOPTS)
			return REACHED;
		if (i == EXTENSIONS_MAX)
			break;
		if ((void *)(ext + 1) > end)
			return TRUNCATED;
		u32 len = 8;
		if (*proto != PROTO_FRAGMENT)
			len += ext->len * 8;
		else if (ext->frag & IPV6_FRAGMENT) /* not an atomic one, RFC 6946 */
			return FRAGMENTED;
		*proto = ext->next;
		*header += len;
	}
	return TOO_MANY;
}

/* quoted tells whether the quoted transport header was sent by us: there,
 * the source port is the local one, and an echo is a request. */
static always_inline enum verdict quoted(u8 proto, void *header, void *end,
					 struct address_rule *rule, u8 icmp, u8 echo)
{
	struct icmp *request = header;
	struct ports *ports = header;
	if ((void *)(request + 1) > end) /* all that RFC 792 promises */
		return PASSED_ICMP;
	if (proto == PROTO_TCP || proto == PROTO_UDP) {
		u32 set = proto == PROTO_TCP ? SET_TCP : SET_UDP;
		return taken(rule, set, ports->src) ? TAKEN_ICMP_ERROR : PASSED_ICMP;
	}
	if (proto == icmp && request->type == echo && taken(rule, SET_ECHO, request->ident))
		return TAKEN_ICMP_ERROR;
	return PASSED_ICMP;
}

/* Requests to a shared address are the kernel's to answer. */
static always_inline enum verdict icmp_ipv4(struct icmp *icmp, void *end,
					    struct address_rule *rule)
{
	struct ipv4 *inner = (void *)(icmp + 1);
	if ((void *)inner > end)
		return PASSED_SHORT;
	switch (icmp->type) {
	case ICMP_ECHO_REPLY:
		return taken(rule, SET_ECHO, icmp->ident) ? TAKEN_ECHO : PASSED_ICMP;
	case ICMP_UNREACHABLE:
	case ICMP_SOURCE_QUENCH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER:
		break;
	default:
		return PASSED_ICMP;
	}
	if ((void *)(inner + 1) > end)
		return PASSED_ICMP;
	u32 header_len = (inner->version_ihl & 15) * 4;
	if (inner->version_ihl >> 4 != 4 || header_len < sizeof(*inner) ||
	    inner->frag & IPV4_FRAGMENT)
		return PASSED_ICMP;
	return quoted(inner->proto, (void *)inner + header_len, end, rule, PROTO_ICMP, ICMP_ECHO);
}

static always_inline enum verdict icmp_ipv6(struct icmp *icmp, void *end,
					    struct address_rule *rule)
{
	struct ipv6 *inner = (void *)(icmp + 1);
	if ((void *)inner > end)
		return PASSED_SHORT;
	if (icmp->type == ICMPV6_ECHO_REPLY)
		return taken(rule, SET_ECHO, icmp->ident) ? TAKEN_ECHO : PASSED_ICMP;
	if (icmp->type < ICMPV6_UNREACHABLE || icmp->type > ICMPV6_PARAMETER)
		return PASSED_ICMP;
	if ((void *)(inner + 1) > end || inner->version_class >> 4 != 6)
		return PASSED_ICMP;
	u8 proto = inner->next;
	void *header = inner + 1;
	if (skip_extensions(&proto, &header, end) != REACHED)
		return PASSED_ICMP;
	return quoted(proto, header, end, rule, PROTO_ICMPV6, ICMPV6_ECHO);
}

#endif
