package httpd

import (
	"time"

	"github.com/xdpstack/xdpstack"
)

// handler is a connection at the event API. It feeds a conn, and holds back the
// segments that conn does not take yet: their frames stay where they are, and the
// receive window stays shut for them.
type handler struct {
	conn
	c      *xdpstack.Stream
	server *Server
	worker *xdpstack.Worker

	held   []xdpstack.Segment // in order, from first on
	first  int
	offset int    // octets of the first that are done with
	ended  bool   // the peer sends no more
	posted bool   // resume is under way
	resume func() // goOn, once it was needed

	before, after *handler // in the worker's list
}

// newHandler joins a connection to its worker.
func newHandler(s *Server, w *worker, c *xdpstack.Stream) *handler {
	h := &handler{conn: conn{stream: c, w: w}, c: c, server: s, worker: c.Worker()}
	h.back = h
	w.join(h)
	return h
}

// Opened implements xdpstack.StreamHandler.
func (h *handler) Opened(*xdpstack.Stream) {
	h.w.begin(h.worker.Now())
	h.open()
}

// Data implements xdpstack.StreamHandler.
func (h *handler) Data(_ *xdpstack.Stream, segs []xdpstack.Segment) {
	h.w.begin(h.worker.Now())
	if len(h.held) > 0 {
		h.feed()
	}
	for i, g := range segs {
		n := 0
		if len(h.held) == 0 {
			b := g.Bytes()
			if n = h.input(b); n == len(b) {
				continue
			}
		}
		h.hold(segs[i:], n)
		break
	}
	h.settle()
}

// hold keeps segments for later; of the first, n octets are done with.
func (h *handler) hold(segs []xdpstack.Segment, n int) {
	if len(h.held) == 0 {
		h.offset = n
	}
	for _, g := range segs {
		h.c.Retain(g)
	}
	h.held = append(h.held, segs...)
}

// feed gives what is held to conn.
func (h *handler) feed() {
	for h.first < len(h.held) {
		g := h.held[h.first]
		b := g.Bytes()
		if h.offset += h.input(b[h.offset:]); h.offset < len(b) {
			break
		}
		h.c.Release(g)
		h.c.Consume(len(b))
		h.first, h.offset = h.first+1, 0
	}
	// The front is given up when it is half of it: that moves every segment twice at most.
	if 2*h.first >= len(h.held) {
		n := copy(h.held, h.held[h.first:])
		clear(h.held[n:])
		h.held, h.first = h.held[:n], 0
	}
}

// settle ends an event: what could go on but for the event's bound goes on by Post.
func (h *handler) settle() {
	if len(h.held) == 0 {
		if h.ended {
			h.inputEnded()
		}
		return
	}
	if h.posted || h.phase != reading && h.phase != receiving {
		return
	}
	if h.resume == nil {
		h.resume = h.goOn
	}
	if h.posted = h.worker.Post(h.resume); !h.posted { // too much is posted already
		h.c.SetTimeout(later)
	}
}

// later is when to try again what could not be posted.
const later = time.Millisecond

// goOn is resume.
func (h *handler) goOn() {
	h.posted = false
	h.event()
}

// event is one in which something other than data came.
func (h *handler) event() {
	h.w.begin(h.worker.Now())
	h.feed()
	h.settle()
}

// jobDone implements returner.
func (h *handler) jobDone() bool { return h.server.post(h.worker, h.jobBack) }

// jobBack runs when the disk has done what it was asked for.
func (h *handler) jobBack() {
	h.w.begin(h.worker.Now())
	h.finished()
	h.feed()
	h.settle()
}

// EOF implements xdpstack.StreamHandler.
func (h *handler) EOF(*xdpstack.Stream) {
	h.ended = true
	h.event()
}

// Writable implements xdpstack.StreamHandler.
func (h *handler) Writable(*xdpstack.Stream) {
	h.w.begin(h.worker.Now())
	h.pump()
	h.feed()
	h.settle()
}

// Timeout implements xdpstack.StreamHandler.
func (h *handler) Timeout(*xdpstack.Stream) {
	h.w.begin(h.worker.Now())
	h.timeout()
	h.feed()
	h.settle()
}

// Closed implements xdpstack.StreamHandler.
func (h *handler) Closed(*xdpstack.Stream, error) {
	h.abandon()
	for _, g := range h.held[h.first:] {
		h.c.Release(g)
	}
	h.held, h.first = nil, 0
	h.w.leave(h)
}

// join enters a connection in the worker's list.
func (w *worker) join(h *handler) {
	h.after = w.first
	if w.first != nil {
		w.first.before = h
	}
	w.first = h
}

func (w *worker) leave(h *handler) {
	if h.before != nil {
		h.before.after = h.after
	} else if w.first == h {
		w.first = h.after
	}
	if h.after != nil {
		h.after.before = h.before
	}
	h.before, h.after = nil, nil
}

// shut ends all connections of the worker.
func (w *worker) shut() {
	w.closed = true
	for h := w.first; h != nil; {
		next := h.after
		h.finish(h.c.Abort)
		h = next
	}
}
