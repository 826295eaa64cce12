package xdpstack

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// tcpConn is a connection as package net has it: net.Conn, with CloseRead, CloseWrite,
// SetLinger and SetNoDelay of net.TCPConn. It lives on one worker; any goroutine may use it.
//
//	worker ──frames──▶ reader ──(the same ring)──▶ worker    rx: one copy, by the reader
//	writer ──octets──▶ worker                                tx: a write that fits returns at once
//	writer ──its own slice──▶ worker, and back               lend: one that does not; one copy, by the worker
//
// A goroutine that finds the connection clean posts it to the worker, once, however
// much it asks for until the worker comes (lane.touch has the same). Goroutines wait on
// their direction's signal, which the worker, the deadline and Close wake, and look again.
type tcpConn struct {
	host    *Host
	network string
	worker  int
	handle  socket.Handle
	local   netip.AddrPort
	peer    netip.AddrPort

	node  engine.Node
	dirty atomic.Bool
	asks  atomic.Uint32 // what goroutines want, beside data: ask…
	state atomic.Uint32 // what goroutines did: conn…

	readMu      sync.Mutex
	readable    signal
	readerWaits atomic.Bool
	readDue     connDeadline
	readEnd     atomic.Uint32 // what is behind the last of rx: see connEnd
	rx          frameRing

	writeMu  sync.Mutex
	writable signal
	writeDue connDeadline
	writeEnd atomic.Uint32 // why nothing can be sent any more: see connEnd
	opened   atomic.Bool   // a dial has come through
	tx       byteRing
	lend     atomic.Uint32 // who has lent: lend…
	lent     []byte        // the slice of a Write that waits
	lentSent int           // of it

	far connWorker
}

// What goroutines ask of the worker, besides taking from the rings.
const (
	askDeaf   uint32 = 1 << iota // drop what comes
	askFin                       // send FIN behind tx
	askClose                     // close behind tx
	askAbort                     // with askClose: reset
	askOption                    // the options have changed
)

// What goroutines did with the connection.
const (
	connClosed    uint32 = 1 << iota // Close
	connReadShut                     // CloseRead
	connWriteShut                    // CloseWrite
	connReset                        // SetLinger(0)
	connDelay                        // SetNoDelay(false)
)

// Who has the slice of a Write that waits.
const (
	lendNone    uint32 = iota // nobody: there is none
	lendOffered               // the writer, who may take it back, or the worker take it
	lendBusy                  // the worker copies from it
)

// endOfStream in readEnd is the peer's FIN. Other values there and in writeEnd are a
// socket.Errno, zero while the connection goes on.
const endOfStream = 1 << 8

// newTCPConn makes a connection that its worker is to attach.
func newTCPConn(h *Host, network string, worker int) *tcpConn {
	c := &tcpConn{host: h, network: network, worker: worker, readable: newSignal(), writable: newSignal()}
	c.readDue.wakes, c.writeDue.wakes = c.readable, c.writable
	c.node.Value = c
	return c
}

// touch tells the worker that there is something for it.
func (c *tcpConn) touch() {
	if !c.dirty.Swap(true) {
		c.host.post(c.worker, &c.node)
	}
}

// ask has the worker do what the bits say; it stays asked.
func (c *tcpConn) ask(bits uint32) {
	c.asks.Or(bits)
	c.touch()
}

func (c *tcpConn) did(bits uint32) bool { return c.state.Load()&bits != 0 }

// readState is why a call cannot read, whatever there is.
func (c *tcpConn) readState() error {
	switch {
	case c.did(connClosed):
		return net.ErrClosed
	case c.readDue.passed.Load():
		return os.ErrDeadlineExceeded
	case c.did(connReadShut):
		return io.EOF
	}
	return nil
}

// Read implements net.Conn. It copies out of the frames in which the data came; when
// there is some it does not wait for the worker. What came before the peer's reset is read
// first.
func (c *tcpConn) Read(b []byte) (int, error) {
	c.readMu.Lock()
	n, err := c.read(b)
	c.readMu.Unlock()
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

func (c *tcpConn) read(b []byte) (int, error) {
	for {
		if err := c.readState(); err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, nil
		}
		end := c.readEnd.Load() // before looking: what it is behind is in rx by then
		if n := c.rx.read(b); n > 0 {
			if c.rx.due() {
				c.touch()
			}
			return n, nil
		}
		if end != 0 {
			return 0, endError("read", end)
		}
		c.readerWaits.Store(true)
		if c.rx.empty() && c.readEnd.Load() == 0 && c.readState() == nil {
			<-c.readable
		}
		c.readerWaits.Store(false)
	}
}

// endError is what a value of readEnd or writeEnd tells the application.
func endError(call string, end uint32) error {
	if end == endOfStream {
		return io.EOF
	}
	return sysError(call, socket.Errno(end).Err())
}

// writeState is why a call cannot write.
func (c *tcpConn) writeState() error {
	switch {
	case c.did(connClosed):
		return net.ErrClosed
	case c.writeDue.passed.Load():
		return os.ErrDeadlineExceeded
	case c.did(connWriteShut):
		return os.NewSyscallError("write", syscall.EPIPE)
	}
	if end := c.writeEnd.Load(); end != 0 {
		return endError("write", end)
	}
	return nil
}

// Write implements net.Conn. What fits into the connection's ring, 16 KiB, is copied
// there; else it waits until the worker has copied all of b into frames, or the deadline or Close
// takes the rest back.
func (c *tcpConn) Write(b []byte) (int, error) {
	c.writeMu.Lock()
	n, err := c.write(b)
	c.writeMu.Unlock()
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

func (c *tcpConn) write(b []byte) (int, error) {
	if err := c.writeState(); err != nil || len(b) == 0 {
		return 0, err
	}
	if c.tx.write(b) {
		c.touch()
		return len(b), nil
	}
	return c.writeLent(b)
}

// writeLent lends b to the worker until it is through with it.
func (c *tcpConn) writeLent(b []byte) (n int, err error) {
	c.lent, c.lentSent = b, 0
	c.lend.Store(lendOffered)
	c.touch()
	for c.lend.Load() != lendNone && err == nil {
		if err = c.writeState(); err == nil {
			<-c.writable
		}
	}
	c.takeBack()
	c.lent = nil
	if n = c.lentSent; n == len(b) {
		return n, nil
	}
	if err == nil {
		err = c.writeState()
	}
	return n, err
}

// takeBack ends lending. The worker may just be copying: for microseconds.
func (c *tcpConn) takeBack() {
	for c.lend.Load() != lendNone && !c.lend.CompareAndSwap(lendOffered, lendNone) {
		yield()
	}
}

// Close implements net.Conn. Calls that wait return net.ErrClosed. It does not wait: what was
// written is sent in the background, until the peer has taken none of it for a minute. When
// something that was received has not been read the connection is reset, as by Linux (RFC 2525,
// section 2.17).
func (c *tcpConn) Close() error {
	if c.state.Or(connClosed)&connClosed != 0 {
		return c.opError("close", net.ErrClosed)
	}
	c.release()
	asks := askClose
	if c.did(connReset) {
		asks |= askAbort
	}
	c.ask(asks)
	return nil
}

// release ends what goroutines have of the connection: when it returns none is in the rings.
func (c *tcpConn) release() {
	c.leave(&c.readMu, c.readable)
	c.leave(&c.writeMu, c.writable)
	c.readDue.set(time.Time{})
	c.writeDue.set(time.Time{})
	c.host.forget(c)
}

// leave waits until no goroutine is in a direction. Those that were in it see why.
func (c *tcpConn) leave(mu *sync.Mutex, s signal) {
	s.wake()
	mu.Lock()
	defer mu.Unlock()
	select { // the wake-up was for nobody, or for one who was awake
	case <-s:
	default:
	}
}

// CloseRead shuts down reading, as net.TCPConn's does: reads return io.EOF, and what comes is
// dropped.
func (c *tcpConn) CloseRead() error {
	if err := c.shut("close", connReadShut); err != nil {
		return err
	}
	c.leave(&c.readMu, c.readable)
	c.ask(askDeaf)
	return nil
}

// CloseWrite sends FIN behind what was written, as net.TCPConn's does; reading goes on.
func (c *tcpConn) CloseWrite() error {
	if err := c.shut("close", connWriteShut); err != nil {
		return err
	}
	c.leave(&c.writeMu, c.writable)
	c.ask(askFin)
	return nil
}

// shut notes what was done, unless the connection is closed or was lost before.
func (c *tcpConn) shut(op string, bit uint32) error {
	if c.did(connClosed) {
		return c.opError(op, net.ErrClosed)
	}
	if c.writeEnd.Load() != 0 {
		return c.opError(op, os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	c.state.Or(bit)
	return nil
}

// SetLinger says what Close does with what is not sent yet: sec 0 drops it and resets the
// connection; negative, the default, sends it in the background. Close never waits: a
// positive number is refused.
func (c *tcpConn) SetLinger(sec int) error {
	switch {
	case c.did(connClosed):
		return c.opError("set", net.ErrClosed)
	case sec > 0:
		return c.opError("set", os.NewSyscallError("setsockopt", syscall.ENOPROTOOPT))
	case sec == 0:
		c.state.Or(connReset)
	default:
		c.state.And(^connReset)
	}
	return nil
}

// SetNoDelay says whether small segments go out at once, the default, or wait for the
// acknowledgement of earlier ones (RFC 9293, section 3.7.4).
func (c *tcpConn) SetNoDelay(noDelay bool) error {
	if c.did(connClosed) {
		return c.opError("set", net.ErrClosed)
	}
	if noDelay {
		c.state.And(^connDelay)
	} else {
		c.state.Or(connDelay)
	}
	c.ask(askOption)
	return nil
}

// LocalAddr implements net.Conn: a *net.TCPAddr.
func (c *tcpConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn: a *net.TCPAddr.
func (c *tcpConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }

// SetDeadline implements net.Conn.
func (c *tcpConn) SetDeadline(t time.Time) error {
	return errors.Join(c.setDeadline(&c.readDue, t), c.setDeadline(&c.writeDue, t))
}

// SetReadDeadline implements net.Conn.
func (c *tcpConn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.readDue, t) }

// SetWriteDeadline implements net.Conn.
func (c *tcpConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writeDue, t) }

func (c *tcpConn) setDeadline(d *connDeadline, t time.Time) error {
	if c.did(connClosed) {
		return c.opError("set", net.ErrClosed)
	}
	d.set(t)
	return nil
}

func (c *tcpConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
