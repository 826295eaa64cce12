package xdpstack

import (
	"context"
	"net"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// dialConn is DialContext for tcp, tcp4 and tcp6.
func (h *Host) dialConn(ctx context.Context, network, address string) (net.Conn, error) {
	peer, err := parseAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(peer), Err: err}
	}
	if !peer.Addr().IsValid() || peer.Addr().IsUnspecified() {
		return fail(&net.AddrError{Err: "missing host", Addr: address})
	}
	if ctx.Err() != nil {
		return fail(dialEnded(ctx))
	}
	c := newTCPConn(h, network, h.nextDialled())
	h.remember(c) // before it is one, so that Close of the host ends the wait
	if err = h.dialOn(c, func(s *shard) error { return c.dial(s, peer) }); err == nil {
		if err = c.awaitOpen(ctx); err == nil {
			return c, nil
		}
	}
	_ = c.Close() // err says what is wrong
	return fail(err)
}

// dialOn begins a connection on its worker.
func (h *Host) dialOn(c *tcpConn, dial func(s *shard) error) error {
	select {
	case <-h.closing:
		return net.ErrClosed
	default:
	}
	var failed error
	if err := h.on(c.worker, func(s *shard) { failed = dial(s) }); err != nil {
		return err
	}
	return sysError("connect", failed)
}

// awaitOpen waits for the handshake, or what ends it. It waits as a writer does, whom Close
// lets go first.
func (c *tcpConn) awaitOpen(ctx context.Context) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	for {
		switch end := c.writeEnd.Load(); {
		case c.did(connClosed):
			return net.ErrClosed
		case c.opened.Load(): // what ended it since, a read will say
			return nil
		case end != 0:
			return sysError("connect", socket.Errno(end).Err())
		}
		select {
		case <-c.writable:
		case <-ctx.Done():
			return dialEnded(ctx)
		}
	}
}

// dialEnded is the error of a dial whose context ended, as package net words it.
func dialEnded(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return dialTimeout{}
	}
	return dialCanceled{}
}

// dialTimeout is package net's error of a dial past its deadline.
type dialTimeout struct{}

func (dialTimeout) Error() string        { return "i/o timeout" }
func (dialTimeout) Timeout() bool        { return true }
func (dialTimeout) Temporary() bool      { return true }
func (dialTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

// dialCanceled is package net's error of a dial whose context was cancelled.
type dialCanceled struct{}

func (dialCanceled) Error() string        { return "operation was canceled" }
func (dialCanceled) Is(target error) bool { return target == context.Canceled }
