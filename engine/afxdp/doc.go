// Package afxdp is the engine's port over AF_XDP: packet memory shared with the
// kernel, a socket per queue of a device, and the XDP program that decides what
// comes to us.
//
//	Memory   one memfd, one umem.Region, a umem.Pool for each worker
//	  │
//	Device   one interface: its XDP program and
//	  │
//	  ├── Port 0   AF_XDP socket of queue 0, its four rings, pool of worker 0
//	  └── Port 1   AF_XDP socket of queue 1, its four rings, pool of worker 1
//
// Open opens a device with a Memory of its own; NewMemory and OpenDevice are its two
// halves, for a host that shares one Memory among devices. Every queue's socket shares
// the first one's registration of the memory (XDP_SHARED_UMEM). Where the kernel
// refuses that, the socket registers the same memory once more, and the log says
// so: frames can go from any queue to any other all the same.
//
// # Modes
//
// A Mode says how packets cross. Auto goes down the ladder until the kernel agrees: zero-copy
// (the NIC writes into our frames), copy (the program runs in the driver, the kernel
// copies), skb (the program runs on sk_buffs: any device). Any other mode is taken
// or refused. What is in force is read back from the kernel (XDP_OPTIONS, the
// attachment), logged, and kept in Status with the reason for every step down.
//
// # Order
//
// Opening: socket, registration, ring sizes, offsets, mappings, frames on the fill
// ring, bind, the program's socket map, attachment last. Frames are on the fill ring
// before bind, since some drivers never look again at an empty one. Closing goes the
// other way: the program first, so that nothing is redirected to a socket on its
// way out. Only when the kernel can no longer write to the frames do they go back
// to their pool. An error on the way leaves nothing open, mapped or attached.
//
// A queue that was bound a moment ago stays busy until the kernel's deferred release has
// run, so EBUSY is retried until Config.BindTimeout.
//
// In copy mode a port has a second socket on its queue, for sending alone: see sender.go.
//
// # Kick
//
// In copy mode the transmit loop is ours to drive: each sendto sends up to
// XDP_MAX_TX_SKB_BUDGET frames (32 before Linux 6.17) on our core, then says EAGAIN.
// Kick repeats it while that makes progress, a bounded number of times. With zero-copy
// it makes the calls that the rings' need_wakeup flags ask for.
//
// Kick's calls bypass the Go scheduler (RawSyscall). They never block, since all
// carry MSG_DONTWAIT, but take as long as the kernel takes to send: measured on a
// veth, delivery included, 14 µs for 64 frames. Meanwhile a stop of the world waits:
// beside a saturated sender its median was 200 µs, against 20 with Syscall, since the
// runtime's signal meets the thread where it cannot be stopped and comes again later. Telling
// the scheduler costs only 23 ns a call, but lets it give the worker's P to another
// goroutine, and with as many runnable goroutines as cores the sender then waited for
// its P so often that it sent 30 % less. Workers do not allocate, so stops are rare.
//
// # What is not here
//
// Steering: which queue a flow comes in on is the NIC's business (ethtool -X, -N). No device
// setting is changed. No packets of several frames (XDP_USE_SG), no unaligned
// chunks, no metadata. Nothing
// wakes a worker that sleeps while its interface is removed: xsk_poll reports no
// error then (net/xdp/xsk.c, Linux 6.18). Kick asks for the device every 100 ms of
// the worker's clock, so a worker that never sleeps longer than some time learns of it after
// that time.
//
// Read first: the kernel's Documentation/networking/af_xdp.rst and net/xdp/xsk.c;
// then packages rings, engine/ringport and engine/xdp.
package afxdp
