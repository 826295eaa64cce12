// Package meter counts from outside, alike for every program that is measured: what passed
// a veth, by the kernel's own counters, and what a program spent, by the processor's.
//
//	              ┌ host a ──────────────┐       ┌ host b ──────────────┐
//	program ◀─────│ xs0  redirected      │═══════│ xp0  XDP packets     │
//	  │ cycles    └──────────────────────┘       └──────────────────────┘
//	  └ of each of its threads, on one core
//
// # Nouns
//
//   - Counters: the cycles and instructions that all threads of a process spend on
//     one core, in user space and in the kernel, softirqs that run on top of
//     them included. A program that sends over a veth pays for the delivery there.
//   - Waits: how long its pinned threads had to wait for the core because others ran there.
//   - Passed: what the XDP program of an interface saw and redirected. A packet counts
//     as redirected when the socket took it; one for which it had no frame does not.
//
// # What it does not do
//
// It does not ask the programs. It does not see a thread that begins after Open, and none
// of the programs here makes one while it is measured.
//
// Read first: perf_event_open(2); Documentation/scheduler/sched-stats.rst; veth_get_ethtool_stats in drivers/net/veth.c, Linux 6.18.
package meter
