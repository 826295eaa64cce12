package sim

import (
	"errors"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// relay passes what one connection receives on to another, by Forward: a proxy's two legs,
// each to the other, or an echo's one leg, to itself.
type relay struct {
	s    *streams
	w    *Worker
	legs []*leg
	done bool
}

type leg struct {
	k         *Socket
	to        *leg
	held      []*umem.Frame // taken, and not forwarded yet
	read      []byte        // read, and not written yet
	connected bool
	eof       bool // the peer sends no more
	drained   bool // and all of it was passed on
	ended     bool // so the other leg was told
}

// newEcho makes a relay of an accepted connection to itself.
func (s *streams) newEcho(w *Worker, k *Socket) {
	l := &leg{k: k, connected: true}
	l.to = l
	s.newRelay(w, l)
}

// newProxy makes a relay between an accepted connection and one to a server.
func (s *streams) newProxy(w *Worker, k *Socket) {
	in := &leg{k: k, connected: true}
	out, err := w.Dial(s.behind(), s.options())
	if err != nil {
		s.refuse(w, err)
		s.relayed++
		s.check(w, k.Abort())
		if out != nil {
			s.check(w, out.Close())
		}
		return
	}
	l := &leg{k: out, to: in}
	in.to = l
	s.newRelay(w, in, l)
}

func (s *streams) newRelay(w *Worker, legs ...*leg) {
	r := &relay{s: s, w: w, legs: legs}
	s.open++
	for _, l := range legs {
		l.k.Stream = func(now umem.Time, ready stack.Ready, errno socket.Errno) { r.hear(now, l, ready, errno) }
		w.Stack().SetTimer(l.k.Handle(), w.host.net.Now()+idleTime)
	}
}

// hear is what the relay does when it hears of something.
func (r *relay) hear(now umem.Time, l *leg, ready stack.Ready, errno socket.Errno) {
	if r.done {
		return
	}
	l.connected = l.connected || ready&stack.ReadyConnected != 0
	l.eof = l.eof || ready&stack.ReadyEOF != 0
	r.w.Stack().SetTimer(l.k.Handle(), now+idleTime)
	switch {
	case ready&stack.ReadyClosed != 0 && errno != 0:
		r.s.errors[errno]++
		r.fail(l)
		return
	case ready&stack.ReadyTimer != 0:
		r.s.idled++
		r.fail(nil)
		return
	}
	for _, from := range r.legs {
		if from == l || from.to == l {
			r.pump(now, from)
		}
		if r.done {
			return
		}
	}
	r.finish()
}

// pump passes on what a leg received.
func (r *relay) pump(now umem.Time, from *leg) {
	for from.to.connected && !from.drained && r.write(from) {
		if len(from.held) == 0 && !r.readSome(now, from) && !r.take(from) {
			return
		}
		for len(from.held) > 0 {
			if !r.pass(from) {
				return
			}
		}
	}
}

// readSome reads a few octets, sometimes: what is forwarded then begins in the middle of a frame.
func (r *relay) readSome(now umem.Time, from *leg) bool {
	if r.s.traffic.IntN(16) != 0 {
		return false
	}
	var b [50]byte
	n, err := from.k.Read(now, b[:1+r.s.traffic.IntN(len(b))])
	if err != nil || n == 0 { // take says so, too
		return false
	}
	from.read = append(from.read, b[:n]...)
	return true
}

// write passes on what was read. False: there was no room, or the relay is over.
func (r *relay) write(from *leg) bool {
	if len(from.read) == 0 {
		return true
	}
	n, err := from.to.k.Write(from.read, false)
	if err != nil && !errors.Is(err, socket.EAGAIN) {
		r.fail(nil)
		return false
	}
	from.read = from.read[n:]
	return len(from.read) == 0
}

// take borrows some frames. False: there are none, or the relay is over.
func (r *relay) take(from *leg) bool {
	var frames [4]*umem.Frame
	n, err := from.k.Take(frames[:])
	if err != nil {
		r.fail(nil)
		return false
	}
	from.held = append(from.held, frames[:n]...)
	if n == 0 && from.eof && !from.ended {
		from.drained, from.ended = true, true
		if err := from.to.k.Shutdown(); err != nil {
			r.fail(nil)
		}
	}
	return n > 0
}

// pass forwards one frame; sometimes it copies it, or keeps it for a while. False: there was no
// room, or the relay is over.
func (r *relay) pass(from *leg) bool {
	f, st := from.held[0], r.w.Stack()
	switch r.s.traffic.IntN(16) {
	case 0:
		return r.copyOn(from, f)
	case 1:
		st.Retain(f)
		r.s.later(r.w, upTo(r.s.traffic, 20*umem.Millisecond), func(umem.Time) { st.Release(f) })
	}
	err := from.to.k.Forward(from.k, f)
	if errors.Is(err, socket.EAGAIN) {
		return false
	}
	from.held = from.held[1:]
	if err != nil {
		r.fail(nil)
		return false
	}
	return true
}

// copyOn passes on the first held frame, or a part of it, with Send.
func (r *relay) copyOn(from *leg, f *umem.Frame) bool {
	n, err := from.to.k.Write(f.Bytes(), false)
	switch {
	case errors.Is(err, socket.EAGAIN):
		return false
	case err != nil:
		r.fail(nil)
		return false
	}
	from.k.Consume(n)
	if n < f.Len() {
		f.Pull(n)
		f.Flags &^= umem.FlagSum
		return false
	}
	from.held = from.held[1:]
	r.w.Stack().Release(f)
	return true
}

// finish closes when both directions are done.
func (r *relay) finish() {
	for _, l := range r.legs {
		if !l.ended {
			return
		}
	}
	r.end(func(l *leg) error { return l.k.Close() })
}

// fail ends everything because of one leg, which is over already, or none.
func (r *relay) fail(over *leg) {
	if r.done {
		return
	}
	r.s.relayed++
	r.end(func(l *leg) error {
		if l == over {
			return l.k.Close()
		}
		return l.k.Abort()
	})
}

func (r *relay) end(leave func(l *leg) error) {
	r.done = true
	r.s.open--
	for _, l := range r.legs {
		for _, f := range l.held {
			r.w.Stack().Release(f)
		}
		l.held = nil
		r.s.check(r.w, leave(l))
	}
}
