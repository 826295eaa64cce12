package xdpstack

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// streamSocket is what a Socket of the stream family is beside one of the others: a listener on
// every worker, or a connection on one. Its calls check their arguments and the state in the order
// of Linux's inet_stream_ops and tcp_prot (net/ipv4/af_inet.c and tcp.c, 6.18), and so
// give its errors.
type streamSocket struct {
	*Socket
	options SocketOptions
	peer    netip.AddrPort
	bound   netip.AddrPort // by Bind, not by Connect
	begun   bool           // a Connect has not told its outcome yet

	callMu  sync.Mutex // bind, listen, connect and accept, one at a time
	sendMu  sync.Mutex // one sender at a time
	changed signal     // for those who wait to send or to connect
	sends   atomic.Bool

	state    atomic.Uint32 // stream…
	placeMu  sync.Mutex
	home     int           // worker of a connection; of others any
	handle   socket.Handle // there
	nonblock atomic.Bool
	readShut atomic.Bool
	failed   atomic.Uint32 // socket.Errno with which a Connect that did not wait ended
	late     atomic.Uint32 // socket.Errno that cut a call short: the next one returns it
}

// States of a streamSocket.
const (
	streamFresh uint32 = iota
	streamListening
	streamConnecting
	streamConnected
	streamOver // it was connected: over, but for what is in the receive queue
)

func (c *streamSocket) init(s *Socket) {
	c.Socket = s
	if c.changed == nil {
		c.changed = newSignal()
	}
}

// place is where the connection is.
func (c *streamSocket) place() (home int, h socket.Handle) {
	c.placeMu.Lock()
	defer c.placeMu.Unlock()
	return c.home, c.handle
}

func (c *streamSocket) moveTo(home int, h socket.Handle) {
	c.placeMu.Lock()
	defer c.placeMu.Unlock()
	c.home, c.handle = home, h
}

// SetNonblock has Connect, Accept, SendMsg and RecvMsg of a stream not wait (O_NONBLOCK).
func (s *Socket) SetNonblock(on bool) { s.stream.nonblock.Store(on) }

// RemoteAddr is what a stream is connected to; the error is ENOTCONN.
func (s *Socket) RemoteAddr() (netip.AddrPort, error) {
	if s.family != FamilyStream || s.stream.state.Load() != streamConnected {
		return netip.AddrPort{}, sysError("getpeername", socket.ENOTCONN)
	}
	return s.stream.peer, nil
}

// Listen makes a stream socket a listener. backlog bounds the connections that wait for Accept
// on each worker; 0 takes the default. A socket without an address gets a port. The errors are
// EOPNOTSUPP for other families, EINVAL for a connection, EADDRINUSE.
func (s *Socket) Listen(backlog int) error {
	c := &s.stream
	c.callMu.Lock()
	defer c.callMu.Unlock()
	switch {
	case s.isClosed():
		return sysError("listen", socket.EBADF)
	case s.family != FamilyStream:
		return sysError("listen", socket.EOPNOTSUPP)
	case c.state.Load() == streamListening:
		return nil
	case c.state.Load() != streamFresh:
		return sysError("listen", socket.EINVAL)
	}
	if !s.local.IsValid() {
		if err := s.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), 0)); err != nil {
			return err
		}
	}
	err := s.host.each(s.handles, func(sh *shard, h socket.Handle) error {
		return sysError("listen", sh.stack.Listen(h, backlog))
	})
	if err == nil {
		c.state.Store(streamListening)
	}
	return err
}

// Accept waits for a connection to a listener, and takes it. The errors are EINVAL for a socket that
// does not listen, EOPNOTSUPP for other families, EAGAIN for a non-blocking one.
func (s *Socket) Accept() (*Socket, error) {
	c := &s.stream
	if s.isClosed() {
		return nil, sysError("accept", socket.EBADF)
	}
	if s.family != FamilyStream {
		return nil, sysError("accept", socket.EOPNOTSUPP)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if c.state.Load() != streamListening {
			return nil, sysError("accept", socket.EINVAL)
		}
		s.waits.Store(true)
		got, err := c.tryAccept()
		if got != nil || err != nil {
			return got, err
		}
		if c.nonblock.Load() {
			return nil, sysError("accept", socket.EAGAIN)
		}
		if !s.waitFor(s.arrived) {
			return nil, os.NewSyscallError("accept", net.ErrClosed)
		}
	}
}

// tryAccept looks at every worker's listener once: nil when no connection waits.
func (c *streamSocket) tryAccept() (got *Socket, err error) {
	for i := range c.handles {
		worker := (c.next + i) % len(c.handles)
		err = c.host.on(worker, func(sh *shard) {
			h, e := sh.stack.Accept(c.handles[worker])
			if e == nil {
				got = c.accepted(sh, h)
			} else if e != socket.EAGAIN.Err() {
				err = sysError("accept", e)
			}
		})
		if got != nil || err != nil {
			c.next = (worker + 1) % len(c.handles)
			break
		}
	}
	if got != nil {
		c.host.remember(got)
	}
	return got, err
}

// accepted is the socket of a connection that was accepted.
func (c *streamSocket) accepted(sh *shard, h socket.Handle) *Socket {
	n := &Socket{
		host: c.host, owner: c.owner, family: FamilyStream, arrived: newSignal(),
		closed: make(chan struct{}), handles: make([]socket.Handle, len(c.handles)),
	}
	n.stream.init(n)
	n.handles[sh.id] = h
	n.stream.moveTo(sh.id, h)
	n.stream.state.Store(streamConnected)
	local, _ := sh.stack.LocalAddr(h) // of a connection both are known
	peer, _ := sh.stack.Peer(h)
	n.local, n.stream.peer = local.Netip(), peer.Netip()
	sh.attachStream(h, &n.stream)
	return n
}

// connect is inet_stream_connect.
func (c *streamSocket) connect(peer netip.AddrPort) error {
	c.callMu.Lock()
	defer c.callMu.Unlock()
	if c.isClosed() {
		return sysError("connect", socket.EBADF)
	}
	switch c.state.Load() {
	case streamListening, streamOver:
		return sysError("connect", socket.EISCONN)
	case streamConnected:
		if !c.begun {
			return sysError("connect", socket.EISCONN)
		}
	case streamConnecting:
		if c.nonblock.Load() && c.failed.Load() == 0 {
			return sysError("connect", socket.EALREADY)
		}
	default:
		if err := c.begin(peer); err != nil {
			return err
		}
		if c.nonblock.Load() {
			return sysError("connect", socket.EINPROGRESS)
		}
	}
	return c.finish()
}

// begin starts the handshake, on one worker, and gives the socket up on the others.
func (c *streamSocket) begin(peer netip.AddrPort) (err error) {
	home := c.host.nextDialled()
	c.peer, c.begun = peer, true
	c.readShut.Store(false)
	c.state.Store(streamConnecting)
	failed := c.host.on(home, func(sh *shard) {
		if err = sh.stack.Connect(c.handles[home], peer); err == socket.EINPROGRESS.Err() {
			err = nil
		}
		if local, e := sh.stack.LocalAddr(c.handles[home]); err == nil && e == nil {
			c.local = local.Netip()
		}
	})
	if failed == nil {
		failed = sysError("connect", err)
	}
	if failed != nil {
		c.state.Store(streamFresh)
		return failed
	}
	c.moveTo(home, c.handles[home])
	for i, h := range c.handles {
		if i != home {
			c.handles[i] = socket.Handle{}
			_ = c.host.on(i, func(sh *shard) { _ = sh.detachStream(h) })
		}
	}
	return nil
}

// finish waits for the handshake's end.
func (c *streamSocket) finish() error {
	for {
		c.sends.Store(true)
		if s := c.state.Load(); s == streamConnected || s == streamOver {
			c.begun = false
			return nil
		}
		if e := socket.Errno(c.failed.Swap(0)); e != 0 {
			if err := c.renew(); err != nil {
				return err
			}
			return sysError("connect", e)
		}
		if !c.waitFor(c.changed) {
			return os.NewSyscallError("connect", net.ErrClosed)
		}
	}
}

// renew makes the socket of an attempt that failed, or of a listener that was shut down, a fresh
// one, as the kernel's is then (tcp_disconnect).
func (c *streamSocket) renew() error {
	c.begun = false
	c.detach()
	clear(c.handles)
	c.state.Store(streamFresh)
	if err := c.open(0); err != nil {
		return err
	}
	if err := c.SetOptions(c.options); err != nil {
		return err
	}
	c.local = netip.AddrPort{}
	if c.bound.IsValid() {
		return c.Bind(c.bound)
	}
	return nil
}

// Shutdown ends a direction of a connection: syscall.SHUT_RD, SHUT_WR or SHUT_RDWR. Sending ends with a
// FIN behind what waits to be sent. The errors are ENOTCONN and EINVAL.
func (s *Socket) Shutdown(how int) error {
	c := &s.stream
	switch {
	case s.isClosed():
		return sysError("shutdown", socket.EBADF)
	case how != syscall.SHUT_RD && how != syscall.SHUT_WR && how != syscall.SHUT_RDWR:
		return sysError("shutdown", socket.EINVAL)
	case c.state.Load() == streamListening:
		return c.stopListening(how)
	case s.family != FamilyStream || c.state.Load() != streamConnected:
		return sysError("shutdown", socket.ENOTCONN)
	}
	var failed error
	if how != syscall.SHUT_RD {
		home, h := c.place()
		err := s.host.on(home, func(sh *shard) { failed = sh.stack.Shutdown(h) })
		if err != nil {
			return err
		}
	}
	if how != syscall.SHUT_WR {
		c.readShut.Store(true)
		s.arrived.wake()
	}
	return sysError("shutdown", failed)
}

// stopListening: a listener only receives. What called Accept is EINVAL.
func (c *streamSocket) stopListening(how int) error {
	if how == syscall.SHUT_WR {
		return nil
	}
	c.callMu.Lock()
	defer c.callMu.Unlock()
	err := c.renew()
	c.arrived.wake()
	return err
}

// waitFor waits for a signal from a worker; false: the socket was closed.
func (s *Socket) waitFor(sig signal) bool {
	select {
	case <-sig:
		return true
	case <-s.closed:
		return false
	}
}

func (s *Socket) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// ready implements streamReceiver.
func (c *streamSocket) ready(sh *shard, e *stack.Event) {
	if e.Ready&stack.ReadyConnected != 0 {
		c.state.Store(streamConnected)
	}
	if e.Ready&stack.ReadyClosed != 0 && !c.state.CompareAndSwap(streamConnected, streamOver) {
		c.failed.Store(uint32(e.Errno))
	}
	if c.waits.Load() && !sh.waker.add(c.arrived) {
		c.arrived.wake()
	}
	if c.sends.Load() && !sh.waker.add(c.changed) {
		c.changed.wake()
	}
}
