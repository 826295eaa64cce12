// Package asavie is an engine.Port over github.com/asavie/xdp v0.3.3, the library that most Go
// programs on AF_XDP began with. It is here for comparison ("xdpstack bench --port asavie"), and to
// show that the seam between worker and port is one.
//
//	Region over the socket's own memory ── no packet is copied
//	Receive   Socket.Receive     descriptors turned into frames
//	Transmit  Socket.Transmit    and its sendto, every time
//	Reap      Socket.Complete    addresses read from a second mapping of the completion ring,
//	                             since the library counts completions and does not say which
//	Refill    Socket.Fill
//
// # Nouns
//
//   - Open: a socket on one queue, its region and pool, and the library's XDP program on
//     the device.
//   - Port: the engine.Port.
//
// # What the library lacks, and so this port
//
//   - It is archived, and has no memory barriers: its loads and stores of ring
//     indices are plain. It works on amd64, whose order is strong enough; on arm64 Open refuses.
//   - One region per socket: frames of one port cannot leave by another.
//   - Everything that arrives on the queue is redirected: the host does not hear it any more. It
//     would take away another's XDP program; Open refuses first. Its own program is attached without a link
//     and stays when the process is killed.
//   - No need_wakeup: a sendto per Transmit, whether the driver wants one or not. No
//     choice of mode, and no word on which one the kernel gave.
//   - Fill after bind. A sendto that fails with the device down panics inside; the
//     port turns that into engine.ErrDown.
//   - Its Close leaves the rings mapped, which keeps the queue busy until the process ends; the
//     port finds and unmaps them.
//   - An address from the kernel that makes no sense panics, inside of Receive.
//
// It is enough for rxdrop, txonly and l2fwd on one queue. Package afxdp is for everything else.
//
// Read first: engine.Port.
package asavie
