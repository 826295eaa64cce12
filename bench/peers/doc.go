// Command peers measures this project beside others that do the same, and writes a report.
//
//	raw packets over a veth, 64 octets      xdpstack | testpmd (DPDK, net_af_xdp) | asavie/xdp
//	UDP echo in memory, 64 octets           xdpstack | gVisor's netstack
//	TCP in memory                           xdpstack | its event API | gVisor's netstack
//	TCP over a veth                         xdpstack | the kernel's sockets
//	HTTP over a veth, wrk                   http | nginx; go-http | net/http on gVisor, on the kernel
//	TCP proxy between wrk and nginx         proxy | HAProxy
//
// It is a module of its own, so that gVisor's tree is not in the project's. It needs root, two
// cores, and "scripts/setup peers". It is bounded in time: see the flags.
//
// # How raw packets are measured
//
// A run is one contender doing one test (rxdrop, l2fwd, txonly) over a new lab with one queue,
// native XDP in copy mode, on core 1 alone. The source of frames is on core 0: live frames of
// BPF_PROG_RUN, the fastest there is. Packets are counted by the kernel on the veth, cycles and
// instructions by the processor, for all threads of the contender on core 1, in the
// kernel and outside (package meter). So nobody counts for himself.
//
// Time is cut in slices of 50 ms. A slice counts only when contender and source waited
// for their cores less than 2 % of it, and a run needs twenty that count. The latency of a cache line between the cores, which a virtual machine's host changes
// as it likes, is probed before and after, and the run tagged near, far or mixed (package bench).
//
// Runs are interleaved: A B C A B C. Two of one round make a pair when both have the same tag, near
// or far; a run with another tag than its round's first is made again, twice at most, whatever its
// figures. A verdict is the median of the ratios of at least five pairs.
//
// # How TCP and HTTP are measured
//
// A run of an entrant is followed by one of each other; over a veth each has a new lab, its server on core 1, the client on
// core 0, and pairs are of equal tags, as above. The client is the same for all: the kernel's sockets (bench.TCPRR and its like), or
// wrk. Offloads are off at both ends of the veth, so that segments and checksums are those of a wire; the kernel's server
// has no others either. Counted is what the client saw, and, for HTTP, all cycles of the server's core.
//
// # Files
//
//   - run.go: one run. slices.go: its slices.
//   - rounds.go: rounds and pairs.
//   - memory.go: the echo in memory, in processes that take turns.
//   - contest.go: entrants that take turns, for all that follows; a section of the report.
//   - tcpmemory.go, tcplab.go, httplab.go, proxylab.go: what is compared so.
//   - report.go: the text. verdict.go: what is asked of it.
//
// # What is not here
//
// No other NIC than a veth, no more than one queue.
//
// Read first: packages contender, meter, echo and tcp.
package main
