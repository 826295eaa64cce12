// Command peers measures this project beside others that do the same, and writes a report.
//
//	raw packets over a veth, 64 octets      xdpstack | testpmd (DPDK, net_af_xdp) | asavie/xdp
//	UDP echo in memory, 64 octets           xdpstack | gVisor's netstack
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
// # Files
//
//   - run.go: one run. slices.go: its slices.
//   - rounds.go: rounds and pairs.
//   - memory.go: the echo in memory, in processes that take turns.
//   - report.go: the text. verdict.go: what is asked of it.
//
// # What is not here
//
// No other NIC than a veth, no other packet size, no more than one queue.
//
// Read first: packages contender, meter and echo.
package main
