package sim

import (
	"errors"
	"fmt"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// talk is one connection of a client with a server, through a proxy or not: a flow
// there and a flow back. An echo has one flow, that comes back to who wrote it.
type talk struct {
	up, down *Flow
	reply    int // octets that the server sends
	echo     bool
	server   *end // once it knows whom it talks to
	errs     []error
	closed   bool // nobody listens there
	// disturbed: an end aborted, or closed early: what arrives is the beginning at least.
	disturbed bool
}

// whole reports whether all arrived.
func (t *talk) whole() bool { return t.down.Whole() && (t.echo || t.up.Whole()) }

// How an end reads.
const (
	readCopies = iota // RecvMsg
	readLends         // Take, and gives back at once
	readHolds         // Take, and gives back after a while
	numReadings
)

// end is an application at one end of a connection: it writes its flow at its pace, reads
// the other's in its way, and ends both.
type end struct {
	s       *streams
	w       *Worker
	k       *Socket
	t       *talk
	out, in *Flow  // nil as long as a server does not know whom it talks to
	head    []byte // what it read by then

	left      int // octets to write
	chunk     int // octets of a Write, at most
	gap       umem.Time
	reading   int
	hold      umem.Time
	stallAt   int // octets read when it stops reading for a while
	stall     umem.Time
	abortAt   int // octets read and written when it aborts; -1: never
	closeAt   int // when it closes
	active    umem.Time
	paused    bool // a Write is to come
	blocked   bool // ReadyOut is to come
	stalled   bool
	eof, shut bool
	closed    bool
	ended     bool // the connection is over, and there is something to read
}

// newEnd draws how an application behaves.
func (s *streams) newEnd(w *Worker, k *Socket) *end {
	r := s.traffic
	e := &end{s: s, w: w, k: k, abortAt: -1, closeAt: -1, stallAt: -1}
	e.chunk = oneOf(r, 10, 300, 1460, 3000, 20000)
	if r.IntN(3) == 0 {
		e.gap = upTo(r, 20*umem.Millisecond)
	}
	e.reading = r.IntN(numReadings)
	e.hold = upTo(r, 5*umem.Millisecond)
	if r.IntN(8) == 0 {
		e.stallAt, e.stall = r.IntN(10000), upTo(r, 4*umem.Second)
	}
	if !s.roomy && r.IntN(16) == 0 {
		e.abortAt = r.IntN(20000)
	}
	if !s.roomy && r.IntN(16) == 0 {
		e.closeAt = r.IntN(20000)
	}
	k.Stream = e.hear
	e.rearm(s.net.Now())
	s.open++
	return e
}

// idleTime is how long an end waits for anything at all: longer than it takes TCP to
// give up.
const idleTime = 1500 * umem.Second

// rearm sets the application's timer, as one that gives up does.
func (e *end) rearm(now umem.Time) {
	e.active = now
	e.w.Stack().SetTimer(e.k.Handle(), now+idleTime)
}

// hear is what the application does when it hears of something.
func (e *end) hear(now umem.Time, ready stack.Ready, errno socket.Errno) {
	if e.closed {
		return
	}
	if ready&(stack.ReadyConnected|stack.ReadyOut) != 0 {
		e.blocked = false
		e.write(now)
	}
	if ready&stack.ReadyEOF != 0 {
		e.eof = true
	}
	if ready&(stack.ReadyIn|stack.ReadyEOF) != 0 && !e.closed {
		e.rearm(now)
		e.read(now)
	}
	if ready&stack.ReadyTimer != 0 && !e.closed {
		e.giveUp(now)
	}
	if ready&stack.ReadyClosed != 0 && !e.closed {
		e.over(now, errno)
	}
}

// giveUp ends a connection on which nothing happens any more. That is right only
// when the other end is gone.
func (e *end) giveUp(now umem.Time) {
	if now < e.active+idleTime {
		e.s.net.Fail("%v: the timer fired %d ms too early", e.w, (e.active+idleTime-now)/umem.Millisecond)
	}
	e.s.idled++
	if e.t != nil && !e.t.disturbed && len(e.t.errs) == 0 && !e.s.aborts() {
		e.s.net.Fail("%v: nothing happened on flow %d for %d s; sockets: %+v", e.w, e.t.up.id, idleTime/umem.Second, e.s.sockets())
	}
	e.quit(e.k.Abort())
}

// over ends the application when the connection is over.
func (e *end) over(now umem.Time, errno socket.Errno) {
	if errno != 0 {
		e.s.errors[errno]++
		if e.t != nil {
			e.t.errs = append(e.t.errs, fmt.Errorf("%v: %w", e.w, errno))
		}
	} else if e.stalled {
		e.ended = true // what was received can still be read
		return
	} else {
		e.read(now)
	}
	if !e.closed {
		e.quit(e.k.Close())
	}
}

// quit notes that the handle is no more.
func (e *end) quit(err error) {
	e.s.check(e.w, err)
	e.closed = true
	e.s.open--
}

// write writes until there is no more, or no room, or a pause is due.
func (e *end) write(now umem.Time) {
	for !e.closed && !e.paused && !e.blocked && !e.shut && e.out != nil {
		if e.left == 0 {
			e.shutdown()
			return
		}
		chunk := max(e.chunk, e.left/50) // tiny segments by the thousand are lost one by one, a timeout each
		n := 1 + e.s.traffic.IntN(chunk)
		if e.out.Written == 0 {
			n = max(n, flowHeader) // so that the server knows what it reads as soon as it reads anything
		}
		data := e.s.data[:min(n, e.left, len(e.s.data))]
		e.out.Compose(data)
		more := e.left > len(data) && e.gap == 0 && e.s.traffic.IntN(4) == 0
		n, err := e.k.Write(data, more)
		switch {
		case errors.Is(err, socket.EAGAIN):
			n = 0
		case err != nil:
			e.judge(err)
			return
		}
		e.left -= n
		e.out.Wrote(now, n)
		e.rearm(now)
		e.disturb()
		e.blocked = n < len(data)
		if e.gap > 0 && !e.closed {
			e.pause()
		}
	}
}

// judge accepts the errors of a Write or a Read that the event to come will tell.
func (e *end) judge(err error) {
	for _, errno := range []socket.Errno{socket.ECONNRESET, socket.ETIMEDOUT, socket.EPIPE, socket.EHOSTUNREACH, socket.ENOTCONN} {
		if errors.Is(err, errno) {
			e.blocked = true
			return
		}
	}
	e.s.check(e.w, err)
}

// pause has write called again after a while: sometimes one that makes the path forgotten.
func (e *end) pause() {
	e.paused = true
	gap := upTo(e.s.traffic, e.gap)
	if e.s.traffic.IntN(100) == 0 {
		gap += upTo(e.s.traffic, 3*umem.Second)
	}
	e.s.later(e.w, gap, func(now umem.Time) {
		e.paused = false
		e.write(now)
	})
}

// shutdown ends what is written.
func (e *end) shutdown() {
	e.shut = true
	e.out.End()
	if err := e.k.Shutdown(); err != nil {
		e.judge(err)
	}
	e.finish()
}

// finish closes when both directions are done.
func (e *end) finish() {
	if !e.closed && e.shut && e.in != nil && e.in.EOF {
		e.quit(e.k.Close())
	}
}

// disturb aborts or closes when the time for it has come.
func (e *end) disturb() {
	n := 0
	for _, f := range []*Flow{e.out, e.in} {
		if f != nil {
			n += f.Read + f.Written
		}
	}
	switch {
	case e.closed || e.t == nil || e.s.roomy:
	case e.abortAt >= 0 && n >= e.abortAt:
		e.t.disturbed = true
		e.quit(e.k.Abort())
	case e.closeAt >= 0 && n >= e.closeAt:
		e.t.disturbed = true
		if e.out != nil {
			e.out.End()
		}
		e.quit(e.k.Close())
	}
}

// read reads what there is, in its way.
func (e *end) read(now umem.Time) {
	for !e.closed && !e.stalled {
		var n int
		if e.reading == readCopies {
			n = e.readCopy(now)
		} else {
			n = e.readLent(now)
		}
		if n == 0 {
			break
		}
		e.disturb()
		e.stallOnce(now)
	}
	if e.eof && !e.closed && !e.stalled && e.in != nil && !e.in.EOF {
		e.s.check(e.w, e.in.GotEOF())
		e.finish()
	}
	if e.eof && !e.closed && !e.stalled && e.in == nil { // ended before it said who it is
		e.quit(e.k.Close())
	}
}

// stallOnce stops reading for a while, once.
func (e *end) stallOnce(now umem.Time) {
	if e.closed || e.in == nil || e.stallAt < 0 || e.in.Read < e.stallAt {
		return
	}
	e.stallAt, e.stalled = -1, true
	e.in.Pause(now, true)
	e.s.later(e.w, e.stall, func(now umem.Time) {
		e.stalled = false
		e.in.Pause(now, false)
		e.read(now)
		if e.ended && !e.closed {
			e.quit(e.k.Close())
		}
	})
}

func (e *end) readCopy(now umem.Time) int {
	data := e.s.data[:1+e.s.traffic.IntN(e.chunk)]
	n, err := e.k.Read(now, data)
	if err != nil {
		if !errors.Is(err, socket.EAGAIN) {
			e.judge(err)
		}
		return 0
	}
	e.got(now, data[:n])
	return n
}

func (e *end) readLent(now umem.Time) int {
	var frames [6]*umem.Frame
	n, err := e.k.Take(frames[:1+e.s.traffic.IntN(len(frames))])
	if err != nil {
		e.judge(err)
		return 0
	}
	lent := make([]*umem.Frame, n)
	octets := 0
	for i, f := range frames[:n] {
		lent[i] = f
		octets += f.Len()
		e.got(now, f.Bytes())
	}
	back := func(umem.Time) {
		for _, f := range lent {
			e.w.Stack().Release(f)
		}
		e.k.Consume(octets)
	}
	if e.reading == readHolds && n > 0 {
		e.w.host.net.After(upTo(e.s.traffic, e.hold), func() { e.w.Do(back) })
	} else {
		back(now)
	}
	return n
}

// got judges what was read. A server learns from it whom it talks to.
func (e *end) got(now umem.Time, data []byte) {
	if e.in != nil {
		e.s.check(e.w, e.in.Got(now, data))
		return
	}
	e.head = append(e.head, data...)
	if len(e.head) < flowHeader {
		return
	}
	t := e.s.talkOf(flowID(e.head))
	if t == nil || t.server != nil {
		e.s.net.Fail("%v: a connection begins with the number of flow %d, which has a server already or is none", e.w, flowID(e.head))
		return
	}
	t.server, e.t, e.in, e.out, e.left = e, t, t.up, t.down, t.reply
	e.s.check(e.w, e.in.Got(now, e.head))
	e.write(now)
}
