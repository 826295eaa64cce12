// Package xdp is the XDP program that decides, for each packet of a device's
// receive queues, whether it goes to user space or on to the kernel; and the
// rules that it decides by.
//
//	            ┌─ rules: addresses, ports (Update)
//	            ▼
//	packet ── decide ──▶ Verdict ── taken ──▶ socket of its queue (Register)
//	                        │                    └─ no socket ─┐
//	                        └── passed ────────────────────────┴──▶ kernel
//
//	Program   the loaded program with its maps; one per device
//	Filter    what is taken; may change while packets flow
//	Verdict   what became of a packet, and why: one of a fixed table, counted
//	Mode      where the kernel runs the program: in the driver or after it
//
// # What is taken
//
// An address is ours alone (Addr.Exclusive: the kernel does not have it) or
// shared with the kernel. Of the first kind everything is taken that is sent
// to it, with options, fragments, extension headers, ICMP; ARP about it; and
// multicast neighbour solicitations and advertisements whose target it is.
//
// On a shared address the ports of a [PortRule] are ours, the rest is the
// kernel's: TCP and UDP by destination port, echo replies by identifier,
// ICMP errors by the source port or identifier of the packet that they quote.
// Ports that the stack chooses itself (ephemeral ones) are a rule like any
// other: the union of the workers' ranges.
//
// # What passes
//
// Everything else, and nothing is ever dropped or changed here. XDP can give
// a packet to one side only. So what concerns the host as well passes, and
// the engine reads it on the side, from a packet socket: router
// advertisements, MLD queries, DHCP, broadcasts, neighbours that announce
// themselves (gratuitous ARP, unsolicited advertisements), and for shared
// addresses all ARP and neighbour discovery and echo requests. Fragments to a
// shared address pass, since later ones carry no ports: a stack on a shared
// address does not receive fragmented datagrams.
//
// VLAN-tagged packets pass. A device that strips tags hides them from XDP, so
// that tagged packets look untagged: switch that off (ethtool -K rxvlan off)
// where VLANs are in use.
//
// The program looks at the destination's address and ports only; whether the
// packet is well formed is the stack's to find out.
//
// # Life and death
//
// The program hangs on the device by a BPF link, whose descriptor only this
// process has: when the process dies, however it dies, the kernel detaches
// the program, and the host has all its packets back. A program of somebody
// else's is never replaced: the kernel refuses, and Attach says whose it is.
//
// A packet whose queue has no socket passes, so a socket may be registered
// late and closed early. A packet redirected to a socket without free frames
// is dropped by the kernel and counted in that socket's XDP_STATISTICS.
//
// # What is not here
//
// No sockets (package afxdp), no multi-buffer packets (a native attach is
// refused by the driver where the MTU needs them), no dispatcher that runs
// several programs in turn, no hardware offload.
//
// # Read first
//
// The kernel's Documentation/networking/af_xdp.rst, Documentation/bpf/
// map_xskmap.rst and redirect.rst; then bpf/xdp.c, which is the program, from
// its end upwards. Of the RFCs: 826, 5227 (ARP), 4861 (neighbour discovery),
// 792 and 4443 (errors quote the packet).
package xdp
