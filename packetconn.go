package xdpstack

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// packetConn is a datagram socket as package net has them: net.PacketConn, and
// net.Conn when it is connected. A socket that listens lives on every worker,
// since a datagram may arrive at any; one that was dialled lives on the worker
// that its port names.
type packetConn struct {
	host    *Host
	network string
	local   netip.AddrPort
	peer    netip.AddrPort // valid when connected
	lanes   []*lane

	readMu      sync.Mutex
	readable    signal
	readerWaits atomic.Bool
	readDue     *deadline
	nextLane    int // where the next look for a datagram begins

	writeMu     sync.Mutex
	writable    signal
	writerWaits atomic.Bool
	writeDue    *deadline

	pending   atomic.Uint32 // socket.Errno that the next call returns, as SO_ERROR
	closeOnce sync.Once
	closed    chan struct{}
}

func newPacketConn(h *Host, network string) *packetConn {
	return &packetConn{
		host: h, network: network,
		readable: newSignal(), writable: newSignal(),
		readDue: newDeadline(), writeDue: newDeadline(),
		closed: make(chan struct{}),
	}
}

// setError keeps err for the next call.
func (c *packetConn) setError(err error) {
	var e socket.Errno
	if errors.As(err, &e) {
		c.pending.Store(uint32(e))
	}
}

// takeError is the error of something sent before, once.
func (c *packetConn) takeError(call string) error {
	if c.pending.Load() == 0 {
		return nil
	}
	return sysError(call, socket.Errno(c.pending.Swap(0)).Err())
}

// state is why a call cannot go on: closed, or past its deadline.
func (c *packetConn) state(due *deadline) error {
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	if due.over() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// ReadFrom implements net.PacketConn. It copies the datagram once, out of the
// frame that it arrived in; what exceeds b is lost.
func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromAddrPort is ReadFrom without an allocation for the address.
func (c *packetConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	for {
		if err := c.state(c.readDue); err != nil {
			return 0, netip.AddrPort{}, c.opError("read", netip.AddrPort{}, err)
		}
		if err := c.takeError("recvfrom"); err != nil {
			return 0, netip.AddrPort{}, c.opError("read", netip.AddrPort{}, err)
		}
		if n, from, ok := c.readOne(b); ok {
			return n, from, nil
		}
		c.readerWaits.Store(true)
		if !c.anyInbound() && c.pending.Load() == 0 {
			c.park(c.readable, c.readDue)
		}
		c.readerWaits.Store(false)
	}
}

func (c *packetConn) readOne(b []byte) (int, netip.AddrPort, bool) {
	var in [1]inbound
	for i := range c.lanes {
		l := c.lanes[(c.nextLane+i)%len(c.lanes)]
		if l.in.Pop(in[:]) == 0 {
			continue
		}
		c.nextLane = (c.nextLane + i + 1) % len(c.lanes)
		n := in[0].frame.CopyTo(b)
		l.back.Push(in[0].frame) // has room: see laneBack
		l.touch()
		return n, in[0].src.Netip(), true
	}
	return 0, netip.AddrPort{}, false
}

func (c *packetConn) anyInbound() bool {
	for _, l := range c.lanes {
		if l.in.Len() > 0 {
			return true
		}
	}
	return false
}

// park waits for the worker, the deadline or Close.
func (c *packetConn) park(s signal, due *deadline) {
	select {
	case <-s:
	case <-due.wait():
	case <-c.closed:
	}
}

// WriteTo implements net.PacketConn. The datagram is copied into a frame and
// handed to a worker; it returns when that is done, waiting while the worker
// has no frame to spare. What befalls it later (no route, nobody there) is
// returned by a later call, as the kernel does with ICMP errors.
func (c *packetConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, err := addrPortOf(addr)
	if err != nil {
		return 0, c.opError("write", netip.AddrPort{}, err)
	}
	return c.WriteToAddrPort(b, to)
}

// WriteToAddrPort is WriteTo without an allocation for the address.
func (c *packetConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.peer.IsValid() {
		return 0, c.opError("write", to, net.ErrWriteToConnected)
	}
	return c.write(b, to)
}

func (c *packetConn) write(b []byte, to netip.AddrPort) (int, error) {
	if len(b) > c.host.maxDatagram(to.Addr()) {
		return 0, c.opError("write", to, sysError("sendto", socket.EMSGSIZE))
	}
	dst := socket.AddrFrom(to)
	l := c.laneTo(dst)
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	for {
		if err := c.state(c.writeDue); err != nil {
			return 0, c.opError("write", to, err)
		}
		if err := c.takeError("sendto"); err != nil {
			return 0, c.opError("write", to, err)
		}
		var f [1]*umem.Frame
		if l.stock.Pop(f[:]) == 1 {
			copy(f[0].Put(len(b)), b)
			l.out.Push(outbound{f[0], dst}) // has room for all that stock can hold
			l.touch()
			return len(b), nil
		}
		c.writerWaits.Store(true)
		if l.stock.Len() == 0 {
			c.park(c.writable, c.writeDue)
		}
		c.writerWaits.Store(false)
	}
}

// laneTo keeps what goes to one destination on one worker, and so in order.
func (c *packetConn) laneTo(dst socket.Addr) *lane {
	if len(c.lanes) == 1 {
		return c.lanes[0]
	}
	h := (dst.IP.Hi ^ dst.IP.Lo ^ uint64(dst.Port)) * 0x9e3779b97f4a7c15
	return c.lanes[(h>>32)*uint64(len(c.lanes))>>32]
}

// Read implements net.Conn, for connected sockets.
func (c *packetConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromAddrPort(b)
	return n, err
}

// Write implements net.Conn, for connected sockets.
func (c *packetConn) Write(b []byte) (int, error) { return c.write(b, c.peer) }

// LocalAddr implements net.PacketConn and net.Conn.
func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn; nil when the socket is not connected.
func (c *packetConn) RemoteAddr() net.Addr {
	if !c.peer.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.peer)
}

// SetDeadline implements net.PacketConn and net.Conn.
func (c *packetConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.PacketConn and net.Conn.
func (c *packetConn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.readDue, t) }

// SetWriteDeadline implements net.PacketConn and net.Conn.
func (c *packetConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.writeDue, t) }

func (c *packetConn) setDeadline(d *deadline, t time.Time) error {
	select {
	case <-c.closed:
		return c.opError("set", netip.AddrPort{}, net.ErrClosed)
	default:
	}
	d.set(t)
	return nil
}

// Dropped is how many datagrams found the socket's receive queue full.
func (c *packetConn) Dropped() (n uint64) {
	for _, l := range c.lanes {
		n += l.dropped.Load()
	}
	return n
}

// Close implements net.PacketConn and net.Conn. Calls that wait return
// net.ErrClosed; what was received and not read is dropped.
func (c *packetConn) Close() error {
	err := error(net.ErrClosed)
	c.closeOnce.Do(func() {
		close(c.closed)
		err = c.shut()
		c.host.forget(c)
	})
	if err != nil {
		return c.opError("close", netip.AddrPort{}, err)
	}
	return nil
}

// shut takes the lanes off their workers, once no goroutine is in them.
func (c *packetConn) shut() error {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	c.readDue.set(time.Time{})
	c.writeDue.set(time.Time{})
	for _, l := range c.lanes {
		if err := c.host.on(l.worker, l.close); err != nil {
			return err
		}
	}
	return nil
}

func (c *packetConn) opError(op string, to netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Err: err}
	switch {
	case to.IsValid():
		e.Addr = net.UDPAddrFromAddrPort(to)
	case c.peer.IsValid():
		e.Addr = c.RemoteAddr()
	default:
		e.Source, e.Addr = nil, c.LocalAddr()
	}
	return e
}

// addrPortOf reads a *net.UDPAddr, or anything that prints as one.
func addrPortOf(a net.Addr) (netip.AddrPort, error) {
	if u, ok := a.(*net.UDPAddr); ok && u != nil {
		ap := u.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	if a == nil {
		return netip.AddrPort{}, sysError("sendto", socket.EDESTADDRREQ)
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "not an address and a port", Addr: a.String()}
	}
	return ap, nil
}
