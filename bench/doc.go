// Package bench measures: how many packets a second the engine takes, sends and
// forwards, and what each of them costs.
//
//	                 interface                    worker, one a queue
//	RxDrop   ────▶ │ RX ring │ ───────────▶ bare.Drop
//	TxOnly   ◀──── │ TX ring │ ◀─────────── bare.Generate
//	L2Fwd    ◀───▶ │ both    │ ◀──────────▶ bare.Forward: MACs swapped
//	Pktgen   ◀──── a source for the other end: through AF_XDP, or as live frames of BPF_PROG_RUN
//	Table    the first three over each kind of port, in a lab of its own, in turns: medians
//
//	EchoServer   a Host that answers on UDP port 7, the same way measured
//	EchoClient   round trips to such a server, in a closed loop, through a Host or the kernel
//
//	TCPRR        over TCP: requests and answers on connections that stay open
//	TCPStream    octets a second, out or in
//	TCPCRR       connections: opened, one request, its answer, closed
//	TCPServer    echo, discard and chargen on the kernel's sockets: what the stack's services are measured beside
//
// Each function opens the interfaces that its Config names, in the network namespace of
// the calling thread, runs for the time that Config.Duration says or until its
// context ends, calls Config.Report for each interval, gives everything back, checks
// the ledger, and returns a Result. One that ran shorter than it was to has
// Interrupted set, and is no error. (EchoServer is given a Host; EchoClient a way to dial. The clients over
// TCP are given a Host, or use the kernel's sockets, by plain system calls on threads of their own.)
//
// # Nouns
//
//   - Result: the whole of a run; it encodes as JSON, and the names of its fields there stay.
//   - Interval: the same counters of a part of it.
//   - Rate: packets, bytes and time of a worker, or of all, with what follows from them.
//   - Cost: what a packet cost: time, cycles, instructions, system calls.
//   - EchoResult, EchoInterval, Latency: the same for round trips.
//   - TCPResult, TCPInterval, TCPCost: the same over TCP. The cost is the client's; package bench/peers/meter measures a server.
//   - Distance: the state of the machine, near or far: see below.
//
// # What is counted
//
// RxDrop counts packets taken from the RX rings, TxOnly, Pktgen and L2Fwd packets
// put on the TX rings. Bits are those of the Ethernet frames, without preamble,
// gap and FCS. Cycles and instructions are those of the worker's thread, in user
// space and in the kernel, whatever it did: while it polls without finding work, too.
// So they say what a packet costs only where the worker is busy throughout: Idle
// tells. In copy mode a worker that sends pays for the whole delivery on a veth, and one
// that receives pays nothing for the kernel's copy, which the sender's core makes.
//
// # Near and far
//
// A virtual machine's host moves its cores about: the latency of a cache line between two
// of them jumps, on the machine that this was written on between 55 ns and 330 ns,
// within seconds, and everything with two cores in it follows by a factor of two.
// Every run probes it before and after, for 10 ms, and is tagged near or far. Only
// runs of equal tags compare; a run whose probes disagree compares with nothing.
//
// # What is not here
//
// No measuring of the engine without system calls (package engine/ringport has benchmarks of
// that), no other programs' figures (bench/peers, a module of its own), and no steering: which
// queue a packet comes in on is the other end's choice. On a veth it is the
// queue that an AF_XDP socket sends on, and for live frames the number of the CPU that
// sends them, modulo the queues.
//
// Read first: Config, then run in run.go, then engine.Worker.
package bench
