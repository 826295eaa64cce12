/* Which packets of a device's queues go to user space.
 *
 * Each packet is redirected to the AF_XDP socket of the queue it came in on,
 * or passed on to the kernel; nothing is dropped, nothing is changed. The
 * rules are maps, written by package xdp while traffic flows.
 *
 *   packet ── decide ──▶ verdict ── taken ──▶ sockets[rx queue] ──▶ user space
 *                            │                     └─ empty ─┐
 *                            └── passed ─────────────────────┴──▶ kernel
 */
#include "maps.h"
#include "transport.h"

/* arp takes what speaks of an address that is ours alone: requests and
 * replies to it (tpa), and anybody else who claims it (spa), which conflict
 * detection must see (RFC 5227, sections 2.1.1 and 2.4). For a shared
 * address host and stack both need the packet: it passes. */
static always_inline enum verdict arp(struct arp *arp, void *end)
{
	if ((void *)(arp + 1) > end)
		return PASSED_SHORT;
	if (arp->htype != be16(1) || arp->ptype != be16(ETHERTYPE_IPV4) ||
	    arp->hlen != 6 || arp->plen != 4)
		return PASSED_MALFORMED;
	u32 target = owner(rule_ipv4(arp->tpa));
	if (target == OURS)
		return TAKEN_ARP;
	u32 sender = owner(rule_ipv4(arp->spa));
	if (sender == OURS)
		return TAKEN_ARP;
	return target == SHARED || sender == SHARED ? PASSED_NEIGHBOUR : PASSED_ADDRESS;
}

static always_inline enum verdict ipv4(struct ipv4 *ip, void *end)
{
	if ((void *)(ip + 1) > end)
		return PASSED_SHORT;
	if (ip->version_ihl >> 4 != 4)
		return PASSED_MALFORMED;
	struct address_rule *rule = rule_ipv4(ip->dst);
	if (!rule)
		return PASSED_ADDRESS;
	if (likely(rule->exclusive)) /* with its options, fragments and errors */
		return TAKEN_IPV4;
	u32 header_len = (ip->version_ihl & 15) * 4;
	if (header_len < sizeof(*ip))
		return PASSED_MALFORMED;
	if (ip->frag & IPV4_FRAGMENT) /* later ones carry no ports */
		return PASSED_FRAGMENT;
	void *payload = (void *)ip + header_len;
	if (ip->proto == PROTO_ICMP)
		return icmp_ipv4(payload, end, rule);
	return transport(ip->proto, payload, end, rule);
}

/* neighbour takes, of all IPv6 multicast, solicitations and advertisements
 * whose target is ours alone (RFC 4861, sections 4.3 and 4.4; advertisements
 * to all nodes answer duplicate address detection). Router advertisements,
 * MLD queries and neighbours that announce themselves concern the host too:
 * they pass. */
static always_inline enum verdict neighbour(struct ipv6 *ip, void *end)
{
	u8 proto = ip->next;
	void *payload = ip + 1;
	if (skip_extensions(&proto, &payload, end) != REACHED || proto != PROTO_ICMPV6)
		return PASSED_ADDRESS;
	struct neighbour *nd = payload;
	if ((void *)(nd + 1) > end)
		return PASSED_ADDRESS;
	if (nd->icmp.type == ND_SOLICIT && !solicited_node(&ip->dst))
		return PASSED_ADDRESS;
	if (nd->icmp.type != ND_SOLICIT && nd->icmp.type != ND_ADVERTISE)
		return PASSED_ADDRESS;
	u32 target = owner(rule_ipv6(&nd->target));
	if (target == OURS)
		return TAKEN_ND;
	return target == SHARED ? PASSED_NEIGHBOUR : PASSED_ADDRESS;
}

static always_inline enum verdict ipv6(struct ipv6 *ip, void *end)
{
	if ((void *)(ip + 1) > end)
		return PASSED_SHORT;
	if (ip->version_class >> 4 != 6)
		return PASSED_MALFORMED;
	if (ip->dst.byte[0] == 0xff)
		return neighbour(ip, end);
	struct address_rule *rule = rule_ipv6(&ip->dst);
	if (!rule)
		return PASSED_ADDRESS;
	if (likely(rule->exclusive))
		return TAKEN_IPV6;
	u8 proto = ip->next;
	void *payload = ip + 1;
	switch (skip_extensions(&proto, &payload, end)) {
	case REACHED:
		break;
	case FRAGMENTED:
		return PASSED_FRAGMENT;
	case TRUNCATED:
		return PASSED_SHORT;
	case TOO_MANY:
		return PASSED_PROTOCOL;
	}
	if (proto == PROTO_ICMPV6)
		return icmp_ipv6(payload, end, rule);
	return transport(proto, payload, end, rule);
}

static always_inline enum verdict decide(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethernet *eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > end)
		return PASSED_SHORT;
	switch (eth->type) {
	case be16(ETHERTYPE_IPV4):
		return ipv4((void *)(eth + 1), end);
	case be16(ETHERTYPE_IPV6):
		return ipv6((void *)(eth + 1), end);
	case be16(ETHERTYPE_ARP):
		return arp((void *)(eth + 1), end);
	case be16(ETHERTYPE_VLAN):
	case be16(ETHERTYPE_QINQ):
		return PASSED_VLAN;
	}
	return PASSED_ETHERTYPE;
}

/* execute acts on a verdict, and counts what really became of the packet. */
static always_inline int execute(struct xdp_md *ctx, u32 verdict)
{
	int action = XDP_PASS;
	if (verdict < FIRST_PASSED) {
		action = redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
		if (action != XDP_REDIRECT)
			verdict = PASSED_SOCKET;
	}
	u64 *counter = map_lookup(&verdicts, &verdict);
	if (counter)
		++*counter;
	return action;
}

/* The program of production. */
section("xdp") int xdpstack_filter(struct xdp_md *ctx)
{
	return execute(ctx, decide(ctx));
}

/* Takes every packet: for measuring the engine, on devices of its own. */
section("xdp") int xdpstack_all(struct xdp_md *ctx)
{
	return execute(ctx, TAKEN_ALL);
}

/* Never attached: run by hand, it answers with the verdict itself, and so
 * tells what the rules in force would do with a packet. */
section("xdp") enum verdict xdpstack_decide(struct xdp_md *ctx)
{
	return decide(ctx);
}

/* Calls no helper that asks for the GPL. */
section("license") char _license[] = "Apache-2.0";
