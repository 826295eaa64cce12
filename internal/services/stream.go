package services

import (
	"errors"
	"syscall"

	"github.com/xdpstack/xdpstack"
)

// echoStream is RFC 862 over TCP.
func echoStream(*xdpstack.Stream) xdpstack.StreamHandler { return &echoer{} }

// echoer forwards each segment to the connection that it came on. What the send queue has no
// room for waits in its frames, its window shut.
type echoer struct {
	xdpstack.StreamEvents
	held  []xdpstack.Segment // in order, from first on
	first int
	ended bool // the peer sends no more
}

// Data implements xdpstack.StreamHandler.
func (e *echoer) Data(c *xdpstack.Stream, segs []xdpstack.Segment) {
	for i, g := range segs {
		if len(e.held) == 0 && !errors.Is(c.Forward(c, g), syscall.EAGAIN) {
			continue // given away, or the connection is over
		}
		for _, g := range segs[i:] {
			c.Retain(g)
		}
		e.held = append(e.held, segs[i:]...)
		return
	}
}

// Writable implements xdpstack.StreamHandler.
func (e *echoer) Writable(c *xdpstack.Stream) {
	for e.first < len(e.held) {
		if errors.Is(c.Forward(c, e.held[e.first]), syscall.EAGAIN) {
			return
		}
		e.first++
	}
	e.held, e.first = e.held[:0], 0
	if e.ended {
		_ = c.CloseWrite()
	}
}

// EOF implements xdpstack.StreamHandler: the echo ends with the last octet.
func (e *echoer) EOF(c *xdpstack.Stream) {
	if e.ended = true; len(e.held) == 0 {
		_ = c.CloseWrite()
	}
}

// Closed implements xdpstack.StreamHandler.
func (e *echoer) Closed(c *xdpstack.Stream, _ error) {
	for _, g := range e.held[e.first:] {
		c.Release(g)
	}
	e.held = nil
}

// discardStream is RFC 863 over TCP: StreamEvents does nothing with what comes.
func discardStream(*xdpstack.Stream) xdpstack.StreamHandler { return xdpstack.StreamEvents{} }

// chargenStream is RFC 864 over TCP.
func chargenStream(c *xdpstack.Stream) xdpstack.StreamHandler {
	g := &generator{c: c}
	g.more = func() {
		g.posted = false
		g.send()
	}
	return g
}

// generator sends characters until the peer has enough. What comes is discarded.
type generator struct {
	xdpstack.StreamEvents
	c      *xdpstack.Stream
	at     int // in lines
	more   func()
	posted bool
}

// perEvent bounds what one connection sends in one event, in octets.
const perEvent = 128 << 10

// Opened implements xdpstack.StreamHandler.
func (g *generator) Opened(*xdpstack.Stream) { g.send() }

// Writable implements xdpstack.StreamHandler.
func (g *generator) Writable(*xdpstack.Stream) { g.send() }

// Timeout implements xdpstack.StreamHandler.
func (g *generator) Timeout(*xdpstack.Stream) { g.send() }

// send fills the send queue; what exceeds the share of an event follows by Post.
func (g *generator) send() {
	for left := perEvent; left > 0; {
		part := lines[g.at:min(len(lines), g.at+left)]
		n, err := g.c.Send(part)
		g.at = (g.at + n) % len(lines)
		left -= n
		if n < len(part) || err != nil {
			return // Writable goes on, or Closed ends it
		}
	}
	if g.posted {
		return
	}
	if g.posted = g.c.Worker().Post(g.more); !g.posted { // too much is posted already
		g.c.SetTimeout(later)
	}
}
