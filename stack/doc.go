// Package stack is the TCP/IP stack of one worker: it takes frames in, gives
// frames out, and does nothing else. There is no goroutine in it, no lock, no
// clock, no randomness of its own and no I/O: a network of stacks runs in one
// goroutine in virtual time, and a failure is one seed.
//
//	Input ──▶ Ethernet ──▶ IP ──▶ UDP, TCP, ICMP ──▶ socket ──▶ Events, RecvMsg, Take
//	            │ ARP       │ for whom?            ▲
//	            ▼           ▼                      │ this host itself
//	        neighbours   routes ◀── SendMsg, SendFrame, Reply
//	            │           │
//	Output ◀── qdisc ◀──────┘
//
// # Six verbs
//
//	Input(now, frames)      takes frames that arrived
//	Output(now, out) n      gives frames to send
//	Completed(now, frames)  the device let go of them
//	Expire(now, budget)     runs timers, and delivers what the host sent to itself
//	Deadline()              when Expire has something to do next
//	Events(out) n           gives what the application must hear
//
// The calls of sockets (Open to Close, SendMsg, RecvMsg, SendFrame, Reply,
// Release) are made between them, by the same goroutine.
//
// # A frame's way
//
// Input takes a batch through three passes: parse all, look all up, process all.
// A received frame is in place stack, held by nobody, and before Input returns it
// is freed (drop says why), or held: by a socket's queue (umem.HoldReceive), by
// the application (umem.HoldApp), or, turned into an answer, by what sends it
// (umem.HoldTx). Headers are pulled, not copied; the payload stays where the
// device wrote it. What leads nowhere is counted under a Reason, in one place.
//
// # Streams
//
// Their calls are in stream.go, what arrives for them goes through tcp.go, and package tcp does the rest. What a
// connection has to send leaves with the next Output: whatever was called in between, answers go with the ACK. An
// event of kind Stream tells all that became possible on one since the last: levels, once a batch.
//
// # Several workers
//
// Each has a Stack with the same addresses. Worker 0's table of neighbours is the
// truth and the others' are replicas, kept by events (NeighbourWanted,
// NeighbourChanged) that the host carries as notes; the same for the outcome of
// conflict detection. A packet that belongs to another worker leaves by Output
// with umem.PortWorker + n as its port. Connections do not move: a segment that nobody here knows goes round, until
// the worker that has its connection says so (FlowFound), and the first one remembers (LearnFlow).
//
// # What it does not do
//
// No fragments and no reassembly, no path MTU, no multicast groups
// but all hosts', no forwarding, no router solicitation, no DHCP. MLD and IGMP
// are the kernel's, which shares the interface.
//
// # What to read first
//
// input.go, then what pass 3 calls; docs/RFC.md for what of which RFC is where.
// The layers' own parts are below: wire (headers), link (neighbours, qdisc), ip
// (addresses, routes), udp, tcp, socket, wheel (timers), table (what tables are made
// of). Package sim runs stacks against each other.
package stack
