// Package xdpstack is a TCP/IP stack of one's own on a network device: packets
// come out of its queues through AF_XDP into frames that serve as sk_buffs, a
// stack runs on them on busy-polled cores, and programs get sockets.
//
//	h, err := xdpstack.New(ctx, xdpstack.Config{
//		Interface: "eth1",
//		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.2/24")},
//	})
//	...
//	l, err := h.Listen("tcp", ":80")                         // net.Listener
//	conn, err := h.ListenPacket("udp", "198.18.0.2:7")       // net.PacketConn
//	srv, err := h.HandleStream("tcp", ":7", func(c *xdpstack.Stream) xdpstack.StreamHandler { return echo{} })
//
//	Host            a worker for each queue of the device, as one thing
//	  shard         one worker's stack, and who listens to its sockets
//	Listen, Dial    net.Listener and net.Conn: one copy, by the goroutine that reads
//	ListenPacket    net.PacketConn, the same for datagrams
//	HandleStream    handlers on the workers: no copy, no goroutine
//	HandleDatagram  the same for datagrams
//	Socket          sendmsg and recvmsg, for stream, datagram and raw sockets
//
// # The event API
//
// A Stream is a connection of one Worker, for good; a StreamHandler hears what befalls it, on
// that worker, after the batch. Data lends Segments: received frames, as they lie in memory.
//
//	              ┌─ nothing ─────────▶ released when Data returns, the window opens
//	Data(c, segs)─┼─ c.Retain(g) ─────▶ the handler's: Release gives the frame back, Consume the window
//	              └─ c.Forward(d, g) ─▶ sent on d without a copy; c's window opens when d's peer has it
//
// Frame and window are apart, so that a handler that stores what came can free the frame early,
// and one that cannot go on holds the peer back: what is not consumed closes the window. Handlers
// may close any connection of their worker, also one of which the same batch has brought something: that is
// dropped. What a handler retained stays its own after Closed; what is not released by the
// time when the host is closed is an error of Host.Close, which names it.
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
// 100 µs is counted and named in Stats. From elsewhere Worker.Post gets there.
//
// A listener listens on every worker; a connection belongs to the worker that its handshake
// reached, or that dialled it. A packet that arrives at another is handed on, and that worker
// remembers where to (a note from the one that has the connection).
//
// # What is not here yet
//
// Addresses shared with the kernel. More than one device a host. Connections that
// move between workers: they never do.
//
// Read first: docs/ARCHITECTURE.md, then packages engine and stack.
package xdpstack
