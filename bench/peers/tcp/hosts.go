package tcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
)

// sinkAddr is where a stream goes.
var sinkAddr = netip.AddrPortFrom(serverAddr.Addr(), 9) // RFC 863

// hosts is a Pair of this project's hosts, with handlers on their event API. Each runs its worker
// as a goroutine; a task runs in the handlers, and the caller waits.
type hosts struct {
	near, far *xdpstack.Host
	asks      asker // of the connection that stays open
	opens     opener
	sends     sender
	sink      sink
	done      chan error // of the task
}

// NewHosts makes a pair of hosts, with connections.
func NewHosts() (Pair, error) {
	p := &hosts{done: make(chan error, 1)}
	a, b, err := mem.Cable(mem.CableConfig{Frames: frames})
	if err != nil {
		return nil, err
	}
	if p.near, err = newHost(netip.PrefixFrom(clientAddr, bits), a); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	p.far, err = newHost(netip.PrefixFrom(serverAddr.Addr(), bits), b)
	if err == nil {
		err = p.open()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func newHost(addr netip.Prefix, dev xdpstack.Device) (*xdpstack.Host, error) {
	return xdpstack.NewOn(context.Background(), xdpstack.Config{
		Interface: "wire", Addresses: []netip.Prefix{addr}, DAD: -1,
		Scheduling: engine.Shared, Poll: engine.Busy, Log: slog.New(slog.DiscardHandler),
	}, dev)
}

// open starts the servers, and opens the connections that stay open.
func (p *hosts) open() error {
	w := p.near.Worker(0)
	p.asks = asker{done: p.done, request: make([]byte, maxSize), in: make([]byte, 0, maxSize)}
	p.sends = sender{done: p.done, data: make([]byte, writeSize)}
	p.opens = opener{done: p.done, worker: w}
	p.sink.done = p.done
	_, err := p.far.HandleStream("tcp", serverAddr.String(), func(*xdpstack.Stream) xdpstack.StreamHandler { return answerer{} })
	_, err2 := p.far.HandleStream("tcp", sinkAddr.String(), func(*xdpstack.Stream) xdpstack.StreamHandler { return &p.sink })
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	return errors.Join(
		p.run(func() error { return dial(w, serverAddr, &p.asks) }),
		p.run(func() error { return dial(w, sinkAddr, &p.sends) }),
	)
}

func dial(w *xdpstack.Worker, to netip.AddrPort, h xdpstack.StreamHandler) error {
	_, err := w.Dial(to, h)
	return err
}

// run begins a task on the client's worker, and waits for its end.
func (p *hosts) run(begin func() error) error {
	if !p.near.Worker(0).Post(func() {
		if err := begin(); err != nil {
			p.done <- err
		}
	}) {
		return xdpstack.ErrClosed
	}
	return <-p.done
}

// RoundTrips implements Pair.
func (p *hosts) RoundTrips(n, size int) error {
	if err := checkSize(size); err != nil || n <= 0 {
		return err
	}
	return p.run(func() error {
		p.asks.left, p.asks.size = n, size
		return p.asks.ask()
	})
}

// Stream implements Pair.
func (p *hosts) Stream(n int) error {
	p.sink.due.Store(int64(n))
	return p.run(func() error {
		p.sends.left = n
		return p.sends.send()
	})
}

// Connections implements Pair.
func (p *hosts) Connections(n int) error {
	if n <= 0 {
		return nil
	}
	return p.run(func() error {
		p.opens.left = n
		return dial(p.opens.worker, serverAddr, &p.opens)
	})
}

// Close implements Pair. It fails when a frame is missing.
func (p *hosts) Close() (err error) {
	for _, h := range []*xdpstack.Host{p.near, p.far} {
		if h != nil {
			err = errors.Join(err, h.Close())
		}
	}
	return err
}

// asker is the client's handler for requests.
type asker struct {
	xdpstack.StreamEvents
	stream  *xdpstack.Stream
	done    chan<- error
	left    int
	size    int
	seq     uint64
	request []byte
	in      []byte
}

// Opened implements xdpstack.StreamHandler.
func (c *asker) Opened(s *xdpstack.Stream) {
	c.stream = s
	c.done <- nil
}

// ask sends a request.
func (c *asker) ask() error {
	mark(c.request, c.seq)
	c.in = c.in[:0]
	if n, err := c.stream.Send(c.request[:c.size]); err != nil || n != c.size {
		return fmt.Errorf("%w: %d octets of a request taken: %w", ErrAnswer, n, err)
	}
	return nil
}

// Data implements xdpstack.StreamHandler.
func (c *asker) Data(_ *xdpstack.Stream, segs []xdpstack.Segment) {
	for _, g := range segs {
		c.in = append(c.in, g.Bytes()...)
	}
	if len(c.in) < c.size {
		return
	}
	err := verify(c.in, c.size, c.seq)
	c.seq++
	if c.left--; err == nil && c.left > 0 {
		err = c.ask()
		if err == nil {
			return
		}
	}
	c.done <- err
}

// answerer is the server's, which sends back what it received.
type answerer struct{ xdpstack.StreamEvents }

// Data implements xdpstack.StreamHandler.
func (answerer) Data(s *xdpstack.Stream, segs []xdpstack.Segment) {
	for _, g := range segs {
		if n, err := s.Send(g.Bytes()); err != nil || n < g.Len() {
			_ = s.Abort() // the client hears of it
		}
	}
}

// sender is the client's handler for a stream.
type sender struct {
	xdpstack.StreamEvents
	stream *xdpstack.Stream
	done   chan<- error
	left   int
	data   []byte
}

// Opened implements xdpstack.StreamHandler.
func (c *sender) Opened(s *xdpstack.Stream) {
	c.stream = s
	c.done <- nil
}

// send sends what there is room for.
func (c *sender) send() error {
	for c.left > 0 {
		n, err := c.stream.Send(c.data[:min(len(c.data), c.left)])
		c.left -= n
		if errors.Is(err, syscall.EAGAIN) || err == nil && n < len(c.data) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Writable implements xdpstack.StreamHandler.
func (c *sender) Writable(*xdpstack.Stream) {
	if err := c.send(); err != nil {
		c.done <- err
	}
}

// sink is the server's, which counts what it received.
type sink struct {
	xdpstack.StreamEvents
	due  atomic.Int64
	done chan<- error
}

// Data implements xdpstack.StreamHandler.
func (k *sink) Data(_ *xdpstack.Stream, segs []xdpstack.Segment) {
	n := 0
	for _, g := range segs {
		n += g.Len()
	}
	if k.due.Add(-int64(n)) == 0 {
		k.done <- nil
	}
}

// opener is the client's handler for connections, one after the other.
type opener struct {
	xdpstack.StreamEvents
	worker *xdpstack.Worker
	left   int
	done   chan<- error
}

// Opened implements xdpstack.StreamHandler.
func (c *opener) Opened(s *xdpstack.Stream) { _ = s.CloseWrite() } // if it fails, Closed has the reason

// Closed implements xdpstack.StreamHandler.
func (c *opener) Closed(_ *xdpstack.Stream, err error) {
	if c.left--; err == nil && c.left > 0 {
		err = dial(c.worker, serverAddr, c)
		if err == nil {
			return
		}
	}
	c.done <- err
}
