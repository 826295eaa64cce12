package proxy

import (
	"errors"
	"net"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/umem"
)

// phase is how far a session has come.
type phase uint8

const (
	connecting phase = iota // the client is here, a backend is being dialled
	joined                  // both are here
	ending                  // both have been closed or reset by us: Closed of each is to come
)

// session is a client and its backend, on one worker, from accept to the last of
// their two Closed.
type session struct {
	proxy    *Proxy
	listener *listener
	worker   *worker
	at       *xdpstack.Worker

	phase   phase
	client  side
	server  side
	backend *backend
	tries   int
	last    umem.Time // when something came from either side

	prev, next *session // the worker's list
}

func newSession(l *listener, c *xdpstack.Stream) *session {
	w := c.Worker()
	s := &session{proxy: l.proxy, listener: l, worker: &l.proxy.workers[w.ID()], at: w}
	s.client = side{session: s, peer: &s.server, c: c}
	s.server = side{session: s, peer: &s.client, over: true}
	s.worker.add(s)
	return s
}

// dial tries one backend after the other until a connection is under way. When
// there is none left the client is reset.
func (s *session) dial() {
	p := s.proxy
	for ; s.tries < len(s.listener.backends.all); s.tries++ {
		b := s.listener.backends.pick(s.at.Now(), p.pause)
		if b == nil {
			break
		}
		c, err := s.at.Dial(b.addr, &s.server)
		if err != nil { // ours, such as no route or no port: it says nothing about the backend
			b.failures.Add(1)
			continue
		}
		s.backend, s.server.c, s.server.over = b, c, false
		s.tries++
		s.last = s.at.Now()
		s.arm(p.connect)
		return
	}
	p.noBackend.Add(1)
	s.abort()
}

// connected: the backend has answered. What the client has sent meanwhile follows the
// header.
func (s *session) connected() {
	s.backend.answered()
	s.backend.connections.Add(1)
	s.backend.active.Add(1)
	s.phase = joined
	s.last = s.at.Now()
	s.arm(s.limit())
	if h := s.listener.Header; h != NoHeader {
		s.client.head = h.append(nil, s.client.c.RemoteAddr(), s.client.c.LocalAddr())
	}
	s.client.flush()
}

// failed: the backend has not answered, or has refused.
func (s *session) failed() {
	s.backend.failed(s.at.Now(), s.proxy.pause)
	s.dial()
}

// arm sets the one timer of the session, on whichever connection is there.
func (s *session) arm(after umem.Time) {
	c := s.client.c
	if s.client.over {
		c = s.server.c
	}
	c.SetTimeout(time.Duration(after))
}

// limit is how long nothing may come.
func (s *session) limit() umem.Time {
	switch {
	case s.phase == connecting:
		return s.proxy.connect
	case s.client.eof || s.server.eof:
		return s.proxy.halfClosed
	}
	return s.proxy.idle
}

// timeout: the timer is not moved for each packet, so what came since counts now.
func (s *session) timeout() {
	if left := s.last + s.limit() - s.at.Now(); left > 0 {
		s.arm(left)
		return
	}
	switch {
	case s.phase == connecting:
		_ = s.server.c.Abort() // its Closed tries the next
	case s.client.waiting() || s.server.waiting():
		s.proxy.timedOut.Add(1)
		s.abort() // somebody has not read for so long
	default:
		s.proxy.timedOut.Add(1)
		s.close()
	}
}

// close ends both connections in order.
func (s *session) close() {
	s.phase = ending
	for _, a := range s.sides() {
		if !a.over {
			_ = a.c.Close()
		}
	}
}

// abort resets both connections, and lets go of what waits.
func (s *session) abort() {
	s.phase = ending
	for _, a := range s.sides() {
		a.drop()
		if !a.over {
			_ = a.c.Abort()
		}
	}
}

func (s *session) sides() [2]*side { return [2]*side{&s.client, &s.server} }

// closed: a connection is over, for the reason given.
func (s *session) closed(a *side, err error) {
	switch {
	case s.phase == ending:
	case errors.Is(err, net.ErrClosed): // the host ends
		s.abort()
	case s.phase == connecting && a == &s.server:
		s.failed()
	case s.phase == connecting: // the client has gone: so may the backend
		s.abort()
	case err != nil:
		s.proxy.resets.Add(1)
		s.abort()
	default: // in order; the other side may still be sent what waits
		if !a.peer.over {
			s.arm(s.limit())
		}
	}
	if s.client.over && s.server.over {
		s.end()
	}
}

// end is the session's last.
func (s *session) end() {
	for _, a := range s.sides() {
		a.drop()
	}
	if s.server.open {
		s.backend.active.Add(-1)
	}
	s.worker.remove(s)
	s.proxy.ended()
}
