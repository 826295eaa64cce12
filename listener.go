package xdpstack

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/spsc"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// acceptQueue is how many connections of each worker are ready for Accept at once; the
// others wait in the stack's queue, as many as the backlog says. A power of two.
const acceptQueue = 64

// tcpListener is a listener as package net has it, on every worker.
type tcpListener struct {
	host    *Host
	network string
	local   netip.AddrPort
	parts   []*listenPart // by worker

	mu      sync.Mutex // one Accept at a time
	arrived signal
	waits   atomic.Bool
	due     connDeadline
	next    int // part to look at first
	closed  atomic.Bool
}

// listenPart is a listener on one worker.
type listenPart struct {
	listener *tcpListener
	worker   int
	handle   socket.Handle
	queue    *spsc.Ring[*tcpConn]
	held     atomic.Bool // the queue was full: the stack may have more
	node     engine.Node
	dirty    atomic.Bool
}

// Listen listens for connections: network is tcp, tcp4 or tcp6, and address as net.Listen
// has it, with an IP address or none, and port 0 for any. Connections stay on the worker
// where they arrive. They are net.Conn, with CloseRead, CloseWrite, SetLinger and
// SetNoDelay of net.TCPConn; addresses are *net.TCPAddr. The listener has SetDeadline
// of net.TCPListener.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	local, err := parseAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	l := &tcpListener{host: h, network: network, local: local, arrived: newSignal()}
	l.due.wakes = l.arrived
	l.parts = make([]*listenPart, len(h.shards))
	_, bound, err := h.openStreamListener(network, local, 0, socket.Options{NoDelay: true}, func(s *shard, k socket.Handle, _ netip.AddrPort) streamReceiver {
		p := &listenPart{listener: l, worker: s.id, handle: k, queue: newRing[*tcpConn](acceptQueue)}
		p.node.Value = p
		l.parts[s.id] = p
		return p
	})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: l.Addr(), Err: err}
	}
	l.local = bound
	h.remember(l)
	return l, nil
}

// Addr implements net.Listener: a *net.TCPAddr.
func (l *tcpListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// Accept implements net.Listener.
func (l *tcpListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.state(); err != nil {
			return nil, l.opError("accept", err)
		}
		if c := l.take(); c != nil {
			return l.hand(c)
		}
		l.waits.Store(true)
		if !l.any() && l.state() == nil {
			<-l.arrived
		}
		l.waits.Store(false)
	}
}

// state is why Accept cannot go on.
func (l *tcpListener) state() error {
	if l.closed.Load() {
		return net.ErrClosed
	}
	if l.due.passed.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// take is a connection of the next worker that has one.
func (l *tcpListener) take() *tcpConn {
	var c [1]*tcpConn
	for i := range l.parts {
		p := l.parts[(l.next+i)%len(l.parts)]
		if p.queue.Pop(c[:]) == 0 {
			continue
		}
		l.next = (l.next + i + 1) % len(l.parts)
		if p.held.Load() && p.queue.Len() <= acceptQueue/2 {
			p.touch()
		}
		return c[0]
	}
	return nil
}

func (l *tcpListener) any() bool {
	for _, p := range l.parts {
		if p.queue.Len() > 0 {
			return true
		}
	}
	return false
}

// hand gives a connection to the application, unless the host closes.
func (l *tcpListener) hand(c *tcpConn) (net.Conn, error) {
	l.host.remember(c)
	select {
	case <-l.host.closing:
		_ = c.Close() // nobody has it
		return nil, l.opError("accept", net.ErrClosed)
	default:
		return c, nil
	}
}

// SetDeadline sets when Accept fails with os.ErrDeadlineExceeded; the zero time is never.
func (l *tcpListener) SetDeadline(t time.Time) error {
	if l.closed.Load() {
		return l.opError("set", net.ErrClosed)
	}
	l.due.set(t)
	return nil
}

// Close implements net.Listener. When it returns the port is free; connections that were not
// accepted are reset.
func (l *tcpListener) Close() error {
	if l.closed.Swap(true) {
		return l.opError("close", net.ErrClosed)
	}
	l.arrived.wake()
	l.mu.Lock() // no Accept is in the queues from here on
	defer l.mu.Unlock()
	l.due.set(time.Time{})
	l.host.forget(l)
	var err error
	for _, p := range l.parts {
		err = errors.Join(err, l.host.on(p.worker, p.close))
	}
	if err != nil {
		return l.opError("close", err)
	}
	return nil
}

func (l *tcpListener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.network, Addr: l.Addr(), Err: err}
}

// touch tells the worker that there is room in the queue.
func (p *listenPart) touch() {
	if !p.dirty.Swap(true) {
		p.listener.host.post(p.worker, &p.node)
	}
}

// run implements posted.
func (p *listenPart) run(s *shard) {
	p.dirty.Store(false)
	if s.streamReceiver(p.handle) != nil {
		p.accept(s)
	}
}

// ready implements streamReceiver.
func (p *listenPart) ready(s *shard, e *stack.Event) {
	if e.Ready&stack.ReadyAccept != 0 {
		p.accept(s)
	}
}

// accept takes from the stack what there is room for.
func (p *listenPart) accept(s *shard) {
	more := false
	p.held.Store(true) // before looking for room: who makes some after that comes back
	for p.queue.Len() < acceptQueue {
		h, err := s.stack.Accept(p.handle)
		if err != nil {
			p.held.Store(false) // EAGAIN: ReadyAccept comes
			break
		}
		c := newTCPConn(p.listener.host, p.listener.network, p.worker)
		if s.attachConn(c, h) != nil {
			_ = s.stack.Close(h) // it has ended already
			continue
		}
		more = p.queue.Push(c)
		s.more = true // it may have data already
	}
	if more && p.listener.waits.Load() {
		s.wake(p.listener.arrived)
	}
}

// close takes the listener off the worker, while no Accept is in its queue.
func (p *listenPart) close(s *shard) {
	_ = s.detachStream(p.handle) // an error says that it was closed before
	var c [1]*tcpConn
	for p.queue.Pop(c[:]) == 1 {
		c[0].state.Or(connClosed)
		c[0].finish(s, true)
	}
}

// hostCloses is called when the host closes; Close came before, or comes and finds nothing.
func (p *listenPart) hostCloses(s *shard) { p.close(s) }
