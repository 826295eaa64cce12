// Package xdpstack is a TCP/IP stack of one's own on a network device: packets
// come out of its queues through AF_XDP into frames that serve as sk_buffs, a
// stack runs on them on busy-polled cores, and programs get sockets.
//
//	h, err := xdpstack.New(ctx, xdpstack.Config{
//		Interface: "eth1",
//		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.2/24")},
//	})
//	...
//	conn, err := h.ListenPacket("udp", "198.18.0.2:7")     // net.PacketConn
//	srv, err := h.HandleDatagram("udp", ":7", func(d *xdpstack.Datagram) { d.Reply() })
//
//	Host            a worker for each queue of the device, as one thing
//	  shard         one worker's stack, and who listens to its sockets
//	ListenPacket    net.PacketConn: one copy, by the goroutine that reads
//	Dial            net.Conn over UDP, on the worker that its port names
//	HandleDatagram  handlers on the workers: no copy, no goroutine
//	Socket          sendmsg and recvmsg, for datagram and raw sockets
//
// # Addresses
//
// A host's addresses are its own: the XDP program takes what is sent to them,
// and ARP and Neighbor Discovery about them, and leaves all else to the kernel.
// An address that the kernel has on that device, or that somebody on the link
// answers for, is refused (ErrAddressInUse).
//
// # Goroutines and workers
//
// Sockets may be used by any goroutine. A goroutine never touches a stack: it
// puts frames on rings of a single producer and consumer, and posts itself to
// the worker when it was idle before. Workers wake goroutines once a batch.
// Handlers run on the worker and must not block; one that takes longer than
// 100 µs is counted and named in Stats.
//
// # What is not here yet
//
// TCP. Addresses shared with the kernel. More than one device a host.
//
// Read first: docs/ARCHITECTURE.md, then packages engine and stack.
package xdpstack
