package xdpstack

import (
	"net/netip"
	"testing"
)

// pingpong sends a message back as often as it is asked, and then says so.
type pingpong struct {
	StreamEvents
	left int
	msg  []byte
	c    *Stream
	done chan struct{}
}

func (p *pingpong) Opened(c *Stream) {
	p.c = c
	p.done <- struct{}{}
}

func (p *pingpong) Data(c *Stream, _ []Segment) {
	if p.left--; p.left > 0 {
		_, _ = c.Send(p.msg)
		return
	}
	p.done <- struct{}{}
}

// startPingpong connects a to an echo server on b, with the calls that a round needs made once.
func startPingpong(t testing.TB, a, b *Host, size int) (p *pingpong, round func(n int)) {
	srv, err := b.HandleStream("tcp4", "198.18.0.2:0", func(*Stream) StreamHandler { return &echoes{} })
	if err != nil {
		t.Fatal(err)
	}
	p = &pingpong{msg: make([]byte, size), done: make(chan struct{}, 1)}
	if err := a.DialStream(srv.Addr(), p); err != nil {
		t.Fatal(err)
	}
	<-p.done
	begin := func() { _, _ = p.c.Send(p.msg) }
	return p, func(n int) {
		p.left = n
		for !p.c.Worker().Post(begin) {
			t.Fatal("the worker takes no calls")
		}
		<-p.done
	}
}

// TestNoAllocsOnTheEventPath: an exchange between two handlers costs no memory, nor does Post.
func TestNoAllocsOnTheEventPath(t *testing.T) {
	for _, workers := range []int{1, 2} {
		a, b := pair(t, workers, func(c *Config) { c.LedgerEvery = defaultLedgerEvery }) // an audit allocates
		_, round := startPingpong(t, a, b, 64)
		round(1000)
		if n := testing.AllocsPerRun(20, func() { round(200) }); n > 0 {
			t.Errorf("%d workers: %v allocations in 200 exchanges", workers, n)
		}
	}
}

// BenchmarkStreamEcho is a request and its answer, 64 octets, between two hosts' workers.
func BenchmarkStreamEcho(b *testing.B) {
	x, y := pair(b, 1, func(c *Config) { c.LedgerEvery = defaultLedgerEvery })
	_, round := startPingpong(b, x, y, 64)
	round(1000)
	b.ReportAllocs()
	b.ResetTimer()
	round(b.N)
}

// BenchmarkStreamAccept is a connection that is opened, accepted and reset.
func BenchmarkStreamAccept(b *testing.B) {
	x, y := pair(b, 1, func(c *Config) { c.LedgerEvery = defaultLedgerEvery })
	srv, err := y.HandleStream("tcp4", "198.18.0.2:0", func(*Stream) StreamHandler { return &StreamEvents{} })
	if err != nil {
		b.Fatal(err)
	}
	d := &redials{to: srv.Addr(), left: b.N, done: make(chan struct{})}
	b.ReportAllocs()
	b.ResetTimer()
	x.Worker(0).Post(func() { d.dial(x.Worker(0)) })
	<-d.done
}

// redials opens one connection after the other.
type redials struct {
	StreamEvents
	to   netip.AddrPort
	left int
	done chan struct{}
}

func (d *redials) dial(w *Worker) {
	if _, err := w.Dial(d.to, d); err != nil {
		panic(err)
	}
}

func (d *redials) Opened(c *Stream) { _ = c.Abort() }

func (d *redials) Closed(c *Stream, _ error) {
	if d.left--; d.left > 0 {
		d.dial(c.Worker())
		return
	}
	close(d.done)
}
