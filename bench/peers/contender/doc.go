// Package contender starts the programs that are measured, each a process of its own in a host
// of a lab, told to do one of three tests on queue 0 of an interface with a core to itself.
//
//	XDPStack   bench.RxDrop and its like, what "xdpstack bench" runs
//	Asavie     github.com/asavie/xdp, in a loop
//	Testpmd    DPDK's dpdk-testpmd on its net_af_xdp driver, as Debian has it
//	Source     live frames for them to receive: it is started alike, and measured too
//
// # Nouns
//
//   - Test: rxdrop, l2fwd or txonly. Frames are 64 octets.
//   - Contender: a name and how its process is started.
//   - Process: one that runs, until End.
//
// XDPStack, Asavie and Source run this very program again (Main), so that each has a Go runtime
// for itself.
//
// # What it does not do
//
// It measures nothing (package meter does), and takes no program's word for what it
// did. It waits for no program to be ready: whoever measures sees packets pass.
//
// Read first: contenders.go.
package contender
