package xdpstack

import (
	"net/netip"
	"sync"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Worker is the core that handlers run on. But for ID and Post its methods are for what runs there:
// handlers, and what Post has called.
type Worker struct{ shard *shard }

// Worker is the host's worker of that number, below Workers.
func (h *Host) Worker(i int) *Worker { return &h.shards[i].self }

// ID is the worker's number, from 0.
func (w *Worker) ID() int { return w.shard.id }

// Now is the time of the worker's turn, monotonic.
func (w *Worker) Now() umem.Time { return w.shard.now }

// Dial opens a connection from this worker. handler hears Opened when the handshake is
// done, or Closed with the reason why it failed. An error is one of the call itself, such as
// no route or no port: then handler hears nothing.
func (w *Worker) Dial(to netip.AddrPort, handler StreamHandler) (*Stream, error) {
	s := w.shard
	h, err := s.stack.Open(socket.Stream, 0, s.host.owner)
	if err != nil {
		return nil, sysError("socket", err)
	}
	c := &Stream{worker: w, handler: handler, handle: h, peer: socket.AddrFrom(to)}
	err = s.stack.SetOptions(h, streamOptions)
	if err == nil {
		err = s.stack.Connect(h, to)
	}
	if err == nil || err == socket.EINPROGRESS.Err() {
		c.local, err = s.stack.LocalAddr(h)
	}
	if err != nil {
		_ = s.stack.Close(h)
		return nil, sysError("connect", err)
	}
	s.attachStream(h, c)
	return c, nil
}

// DialStream opens a connection from one worker after the other; see Worker.Dial. It does not
// wait for the handshake. It is for goroutines: a handler dials from its own worker.
func (h *Host) DialStream(to netip.AddrPort, handler StreamHandler) error {
	var failed error
	err := h.on(h.nextDialled(), func(s *shard) { _, failed = s.self.Dial(to, handler) })
	if err == nil {
		err = failed
	}
	return err
}

// Segment is an empty segment to fill with Put and to send with Stream.SendSegments, or to release
// by any Stream of the worker; false when the pool has none to spare.
func (w *Worker) Segment() (Segment, bool) {
	f := w.shard.stack.Get()
	if f == nil {
		return Segment{}, false
	}
	return Segment{f, noSlot}, true
}

// Release ends the loan of a segment, of whatever connection: see Stream.Release.
func (w *Worker) Release(g Segment) { w.shard.releaseSegment(g) }

// maxPosts bounds the calls that wait for a worker.
const maxPosts = 4096

// Post has run called on the worker, soon, from any goroutine, in the order of the calls. It does
// not wait. False: the host is closed, or 4096 calls wait already. What was accepted just before the
// host is closed may not be called.
func (w *Worker) Post(run func()) bool {
	s := w.shard
	if s.posts.Add(1) > maxPosts {
		s.posts.Add(-1)
		return false
	}
	p := postPool.Get().(*post)
	p.call = run
	if !s.host.post(s.id, &p.node) {
		s.posts.Add(-1)
		return false
	}
	return true
}

// post is a function on its way to a worker.
type post struct {
	node engine.Node
	call func()
}

var postPool = sync.Pool{New: func() any {
	p := &post{}
	p.node.Value = p
	return p
}}

// run implements posted.
func (p *post) run(s *shard) {
	call := p.call
	p.call = nil
	postPool.Put(p)
	s.posts.Add(-1)
	call()
}
