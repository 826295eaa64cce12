package xdpstack

import (
	"crypto/sha256"
	"hash"
	"net"
	"net/netip"
	"testing"
	"time"
)

// script is a handler made of functions; those that are nil do what StreamEvents does.
type script struct {
	StreamEvents
	opened, eof, writable, timeout func(c *Stream)
	data                           func(c *Stream, segs []Segment)
	closed                         func(c *Stream, err error)
}

func (h *script) Opened(c *Stream) {
	if h.opened != nil {
		h.opened(c)
	}
}

func (h *script) Data(c *Stream, segs []Segment) {
	if h.data != nil {
		h.data(c, segs)
	}
}

func (h *script) EOF(c *Stream) {
	if h.eof == nil {
		h.StreamEvents.EOF(c)
		return
	}
	h.eof(c)
}

func (h *script) Writable(c *Stream) {
	if h.writable != nil {
		h.writable(c)
	}
}

func (h *script) Timeout(c *Stream) {
	if h.timeout != nil {
		h.timeout(c)
	}
}

func (h *script) Closed(c *Stream, err error) {
	if h.closed != nil {
		h.closed(c, err)
	}
}

// eachStreamWay is eachWay with the names of TCP's networks.
func eachStreamWay(t *testing.T, f func(t *testing.T, network, aAddr, bAddr string, workers int)) {
	eachWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		f(t, "tcp"+network[3:], aAddr, bAddr, workers)
	})
}

// within waits for something on a channel.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("it never came: %s", what)
		panic("unreachable: Fatalf ends the goroutine")
	}
}

func serve(t *testing.T, h *Host, network, addr string, accept func(c *Stream) StreamHandler) *StreamServer {
	t.Helper()
	srv, err := h.HandleStream(network, net.JoinHostPort(addr, "0"), accept)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func dial(t *testing.T, h *Host, to netip.AddrPort, handler StreamHandler) {
	t.Helper()
	if err := h.DialStream(to, handler); err != nil {
		t.Fatal(err)
	}
}

// echoes sends back what comes, in the frames that it came in.
type echoes struct {
	StreamEvents
	back  []Segment // for which there was no room yet
	ended bool
}

func (e *echoes) Data(c *Stream, segs []Segment) {
	for _, g := range segs {
		if len(e.back) == 0 && c.Forward(c, g) == nil {
			continue
		}
		c.Retain(g)
		e.back = append(e.back, g)
	}
}

func (e *echoes) Writable(c *Stream) {
	for len(e.back) > 0 && c.Forward(c, e.back[0]) == nil {
		e.back = e.back[1:]
	}
	e.finish(c)
}

func (e *echoes) EOF(c *Stream) {
	e.ended = true
	e.finish(c)
}

func (e *echoes) finish(c *Stream) {
	if e.ended && len(e.back) == 0 {
		_ = c.CloseWrite()
	}
}

func (e *echoes) Closed(c *Stream, _ error) {
	for _, g := range e.back {
		c.Release(g)
	}
}

// pours sends octets of a pattern, and hashes what comes back.
type pours struct {
	StreamEvents
	left, got int
	at        byte
	sum       hash.Hash
	buf       [4000]byte
	done      chan error
}

func newPours(n int) *pours { return &pours{left: n, sum: sha256.New(), done: make(chan error, 1)} }

// pattern is the octets that follow after at of them.
func pattern(b []byte, at byte) {
	for i := range b {
		b[i] = at + byte(i)
	}
}

func (p *pours) Opened(c *Stream) { p.Writable(c) }

func (p *pours) Writable(c *Stream) {
	for p.left > 0 {
		b := p.buf[:min(p.left, len(p.buf))]
		pattern(b, p.at)
		n, err := c.Send(b)
		if err != nil || n == 0 {
			return
		}
		p.left -= n
		p.at += byte(n)
	}
	_ = c.CloseWrite()
}

func (p *pours) Data(_ *Stream, segs []Segment) {
	for _, g := range segs {
		p.got += g.Len()
		p.sum.Write(g.Bytes())
	}
}

func (p *pours) EOF(*Stream) {}

func (p *pours) Closed(_ *Stream, err error) { p.done <- err }
