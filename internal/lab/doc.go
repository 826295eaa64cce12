// Package lab makes the networks on which xdpstack is tested, shown and tried: network namespaces joined by veth pairs
// with n queues.
//
//	      host a: where the stack runs                     host b: a kernel
//	┌──────────────────────────────────────┐     ┌─────────────────────────────────┐
//	│ xs0  stack's  198.18.0.2  2001:2::2  │ n   │ xp0  kernel's  198.18.0.1       │
//	│      kernel's 198.18.0.3  2001:2::3  │═════│                2001:2::1        │
//	└──────────────────────────────────────┘ q.  └─────────────────────────────────┘
//
// The nouns:
//
//   - Lab: a set of hosts with a name. The first host is the hub; a link joins each of the others to it (a third host, c, is on
//     xs1 of a, in 198.18.1.0/24 and 2001:2:0:1::/64).
//   - Host: a network namespace, bound to a name in /run/netns as ip-netns(8) does, so that "ip netns exec" reaches it.
//   - Interface: one end of a veth pair. On the hub it has two kinds of address: those of the hub's kernel, which must stay
//     reachable beside the stack, and those kept for the stack, which nobody has until a stack takes them.
//   - Record: what a lab is made of, written to /run/xdpstack/labs before any of it exists. Whatever kills the process that
//     makes a lab, the record names what is to be removed. A lab belongs to the process that made it (to its pid and start
//     time, since pids come again) unless it is Persistent; Sweep removes the labs of processes that are dead.
//
// The bytes on a lab's wire are those that a real wire would carry. A veth pair leaves checksums to be filled in by
// hardware that does not exist, and hands over TCP segments of 64 KB; therefore checksum, segmentation, GRO and VLAN
// offloads are switched off at both ends, and read back. Config.Partial leaves them as the kernel has them: what a stack meets
// on a veth that nobody prepared.
//
// What runs in a namespace runs on a thread that is there only meanwhile: Host.Do takes its own thread there and back,
// Host.Command starts a program on a thread that is then thrown away. Sockets, once made, work from everywhere.
//
// What this package does not do: it runs no programs to configure anything (all is netlink and the ethtool ioctl), reads no queue
// counts from sysfs (inside a namespace /sys still shows the devices of another), changes nothing in the namespace of its caller
// (the veths are born inside the lab's), adds no delay or loss, and ends no process that runs in a lab. The directories
// /run/netns and /run/xdpstack/labs stay when the last lab is gone, empty.
//
// Read first: network_namespaces(7), veth(4), ip-netns(8); drivers/net/veth.c in Linux 6.18 for queues, NAPI and XDP; and
// Documentation/networking/segmentation-offloads.rst.
package lab
