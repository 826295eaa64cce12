// Package engine drives queues of network devices: it moves frames between
// ports and a program, one loop per core, and knows no protocol.
//
//	        ┌───────────────────────── Worker.Turn ──────────────────────────┐
//	        │  Reap     ─▶ Completed    frames that the device let go of      │
//	Ports   │  Receive  ─▶ Input        frames that arrived                   │  Program
//	(queues)│  Mesh     ─▶ Input, Note  frames and notes of other workers     │  (a stack)
//	        │  Mailbox  ─▶ Mail         what goroutines posted                │
//	        │              Expire       timers                                │
//	        │              Events       handlers, after the batch             │
//	        │  Transmit ◀─ Output       no more than the ports have room for  │
//	        │  Refill, Kick, and every so many turns the ledger               │
//	        └─────────────────────────────────────────────────────────────────┘
//
// # Nouns
//
//   - Port: one queue of one device. afxdp is the one that matters; ringport is
//     the part of it without system calls; mem joins programs in one process;
//     asavie is another library behind the same interface.
//   - Program: what runs between receiving and sending.
//   - Worker: one core's loop: Ports, one Program, one umem.Pool. Dedicated, it
//     has a thread and a core to itself, and handlers run on it; Shared, it
//     is a goroutine that yields whenever a turn did nothing.
//   - Mesh: the rings between workers: frames handed off, frames on their way home, notes.
//   - Node, Mailbox: what goroutines post to a worker.
//   - Dispatcher: how a dedicated worker wakes goroutines, once a batch.
//   - GapHistogram: how long the loop left its ports alone.
//   - Trace: the stamps of one packet that went through.
//
// # Going to sleep
//
// Poll says when: Busy never, Adaptive after a time without work, Interrupt at once. A
// worker stores that it sleeps, looks once more at everything that could have work
// for it, and only then blocks, on its ports and on an eventfd. Who gives it work (a
// goroutine that posts, a worker that hands off, a mem port) stores the work first and
// then swaps that word; whoever swaps it away writes the eventfd, once. Either
// the worker sees the work, or the other sees the sleep. No sleep is longer than a second: a
// device that vanishes wakes nobody.
//
// How it blocks was measured (2 cores of a virtual machine, go1.26, µs, p50/p90/p99; an
// eventfd written by another process, by a goroutine of the same process with one P and
// with two, and a timeout of 50 µs):
//
//	                              process    goroutine,1P   goroutine,2P  50 µs
//	ppoll, locked thread         5/14/43      73/77/255      7/59/146     77 (52 + timer slack)
//	epoll_pwait2, locked         as ppoll     73/75/164      2/58/62      77
//	netpoller, locked           10/20/56       9/ 9/ 19      3/ 5/ 13     57 (timerfd), 1055 (deadline)
//	netpoller, unlocked         15/30/380    0.9/ 1/  6    0.9/ 2/  7     57 (timerfd), 1055 (deadline)
//
// A thread that blocks in a system call keeps its P until sysmon takes it: the 73 µs.
// Go's own timers end a wait on the netpoller at whole milliseconds. Hence: a dedicated worker
// sleeps in ppoll, with its thread's timer slack at the least (nothing else waits for its P, and the
// kernel wakes that very thread); a shared one waits on the netpoller for an
// epoll descriptor with the ports, the eventfd and a timerfd in it.
//
// # The clock
//
// Read once a turn. Cycles and ns here (4.3 GHz): time.Since of a time with a monotonic
// reading 99, 23; the runtime's nanotime itself 93, 22; time.Now 179, 42; clock_gettime by
// package unix, a system call, 424, 99. Now is the first: a third of a nanosecond per packet of a
// batch of 64. A monotonic clock that the runtime reads through the vDSO needs no TSC of ours.
//
// # What it does not do
//
// It parses nothing, routes nothing, and queues nothing but the rest of a batch for
// which a port turned out to have no room. It makes no devices: see afxdp. A device that
// is down drops what is sent to it, counted, as Linux does; a device that is up
// and does not send makes its worker's other devices wait too, since the program's Output
// is asked for no more than every device can take.
//
// Read first: Worker.Turn, then package umem for what a frame is and who holds it.
package engine
