package stack

import (
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/umem"
)

// Input processes frames that arrived, and takes ownership of them all. They are
// in place stack without a hold, In says by which device each came. now is when
// the batch was received.
//
// It does a bounded amount of work per frame; a packet is never an error.
func (s *Stack) Input(now umem.Time, frames []*umem.Frame) {
	s.now = now
	for len(frames) > 0 {
		n := min(len(frames), maxBatch)
		s.inputBatch(now, frames[:n])
		frames = frames[n:]
	}
}

// Output fills out with frames to send and returns how many. Each is in place
// stack with a HoldTx, which Completed ends; its Port is the device. Frames for
// other workers come first: their Port is umem.PortWorker + n, and they have no
// hold.
func (s *Stack) Output(now umem.Time, out []*umem.Frame) int {
	s.now = now
	s.tcp.Flush(now)
	n := 0
	if s.handoff.Len() > 0 {
		n = s.handoff.Pop(s.region, out)
		for _, f := range out[:n] {
			s.pool.Take(f, umem.HoldTx)
		}
	}
	return n + s.qdisc.Pop(s.region, out[n:])
}

// Completed says that the device let go of frames that Output gave. They are in
// place stack; a frame that nobody else holds returns to the pool.
func (s *Stack) Completed(now umem.Time, frames []*umem.Frame) {
	s.now = now
	s.pool.ReleaseBatch(frames, umem.HoldTx)
	s.tcp.Completed()
}

// Expire runs timers that are due, at most budget, and delivers packets from this
// host to itself, at most budget too. What is left keeps Deadline in the past.
// Calling it early or often does no harm.
func (s *Stack) Expire(now umem.Time, budget int) {
	s.now = now
	if !s.started {
		s.started = true
		s.startDetection(now)
	}
	s.expireTimers(now, budget)
	for s.local.Len() > 0 && budget > 0 {
		n := min(budget, maxBatch)
		budget -= n
		s.loopBack(now, n)
	}
}

// Deadline is when Expire, or Events, has something to do next; umem.Never when
// nothing is set. It may be early, never late. What Output sends may lead to events, too: those that
// it begins to look for a neighbour with, or finds room for.
func (s *Stack) Deadline() umem.Time {
	if !s.started || s.local.Len() > 0 || s.events.head != s.events.tail || s.tcp.Events() {
		return 0
	}
	return s.wheel.Deadline()
}

// Holders adds what the stack holds to h: frames that wait to be sent, and the
// sockets' receive queues. Frames that Output gave away are counted by whoever
// has them; frames that the application borrowed are in h by what the stack
// lent and did not get back.
func (s *Stack) Holders(h *umem.Holders) {
	h.Holds[umem.HoldTx] += s.qdisc.Len() + s.local.Len() + s.handoff.Len() + s.neigh.Pending()
	h.Holds[umem.HoldReceive] += s.queued + s.tcp.Received()
	h.Holds[umem.HoldRetransmit] += s.tcp.Held()
	h.Holds[umem.HoldApp] += s.borrowed
}

// drop is the one place where frames go that lead nowhere. f has no hold.
func (s *Stack) drop(f *umem.Frame, why Reason) {
	s.counters.Drops[why]++
	s.pool.Free(f)
}

// dropHeld is drop for a frame with a hold h. A segment that is not acknowledged yet lives on.
func (s *Stack) dropHeld(f *umem.Frame, h umem.Hold, why Reason) {
	s.counters.Drops[why]++
	s.pool.Release(f, h)
}

// enqueue gives f, without a hold, to a queue as a HoldTx, or drops it.
func (s *Stack) enqueue(q *link.Qdisc, f *umem.Frame, full Reason) {
	if q.Full() {
		s.drop(f, full)
		return
	}
	s.pool.Hold(f, umem.HoldTx)
	q.Push(f)
}
