package xdpstack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine/mem"
)

// TestEchoByForwarding: every octet comes back, in order, both ends close in order, and
// no frame is copied on the way.
func TestEchoByForwarding(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers, func(c *Config) {
			if c.Addresses[0].Addr() == netip.MustParseAddr("198.18.0.2") {
				c.Limits.StreamSendBytes = 8 << 10 // it runs full
			}
		})
		ended := make(chan error, 16)
		srv := serve(t, b, network, bAddr, func(c *Stream) StreamHandler {
			e := &echoes{}
			return &script{
				data: e.Data, writable: e.Writable, eof: e.EOF,
				closed: func(c *Stream, err error) { e.Closed(c, err); ended <- err },
			}
		})
		for _, size := range []int{0, 1, 1000, 1 << 20} {
			p := newPours(size)
			dial(t, a, srv.Addr(), p)
			if err := within(t, "the client's end", p.done); err != nil {
				t.Fatalf("%d octets: %v", size, err)
			}
			if err := within(t, "the server's end", ended); err != nil {
				t.Fatalf("%d octets: the server: %v", size, err)
			}
			want := make([]byte, size)
			pattern(want, 0)
			if sum := sha256.Sum256(want); p.got != size || string(p.sum.Sum(nil)) != string(sum[:]) {
				t.Errorf("%d octets sent, %d came back, not the same", size, p.got)
			}
		}
	})
}

// TestDialErrors: a refused connection is told by Closed, an impossible one by Dial.
func TestDialErrors(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, _ := pair(t, workers)
		ended := make(chan error, 1)
		h := &script{
			opened: func(*Stream) { t.Error("it opened") },
			closed: func(_ *Stream, err error) { ended <- err },
		}
		dial(t, a, netip.AddrPortFrom(netip.MustParseAddr(bAddr), 9), h)
		if err := within(t, "refusal", ended); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		far := "203.0.113.1"
		if network == "tcp6" {
			far = "2001:db8::1"
		}
		err := a.DialStream(netip.AddrPortFrom(netip.MustParseAddr(far), 9), h)
		if !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("no route: %v", err)
		}
		if len(ended) != 0 {
			t.Error("Closed came for a Dial that returned an error")
		}
	})
}

// TestNoHandlerIsReset: accept returns nil.
func TestNoHandlerIsReset(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, b := pair(t, workers)
		srv := serve(t, b, network, bAddr, func(*Stream) StreamHandler { return nil })
		ended := make(chan error, 1)
		dial(t, a, srv.Addr(), &script{closed: func(_ *Stream, err error) { ended <- err }})
		if err := within(t, "reset", ended); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v, want ECONNRESET", err)
		}
	})
}

// TestHandleStreamErrors are the net package's.
func TestHandleStreamErrors(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, _ := pair(t, workers)
		none := func(*Stream) StreamHandler { return nil }
		srv := serve(t, a, network, aAddr, none)
		_, err := a.HandleStream(network, srv.Addr().String(), none)
		opError(t, "listening twice", err, syscall.EADDRINUSE)
		_, err = a.HandleStream(network, net.JoinHostPort(bAddr, "80"), none)
		opError(t, "somebody else's address", err, syscall.EADDRNOTAVAIL)
		if err := srv.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := a.HandleStream(network, srv.Addr().String(), none)
		if err != nil {
			t.Errorf("listening again: %v", err)
		} else if again.Addr() != srv.Addr() {
			t.Errorf("%v, want %v", again.Addr(), srv.Addr())
		}
		if _, err := a.HandleStream("tcp5", ":1", none); err == nil {
			t.Error("tcp5 is a network")
		}
	})
}

// TestStaleStreamsTouchNothing: the methods of a connection that is over return net.ErrClosed, also
// when its place is another's.
func TestStaleStreamsTouchNothing(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, b := pair(t, workers)
		srv := serve(t, b, network, bAddr, func(*Stream) StreamHandler { return &echoes{} })
		opened, ended := make(chan *Stream, 2), make(chan error, 2)
		h := &script{
			opened: func(c *Stream) { opened <- c },
			closed: func(_ *Stream, err error) { ended <- err },
		}
		w := a.Worker(0)
		connect := func() (c *Stream) {
			if !w.Post(func() {
				if _, err := w.Dial(srv.Addr(), h); err != nil {
					t.Error(err)
				}
			}) {
				t.Fatal("Post says the host is closed")
			}
			return within(t, "Opened", opened)
		}
		old := connect()
		w.Post(func() {
			if err := old.Abort(); err != nil {
				t.Error(err)
			}
		})
		if err := within(t, "Closed", ended); err != nil {
			t.Errorf("an own Abort: %v", err)
		}
		fresh := connect()
		errs := make(chan map[string]error, 1)
		w.Post(func() {
			m := map[string]error{"Close": old.Close(), "Abort": old.Abort(), "CloseWrite": old.CloseWrite(), "Forward to it": nil}
			_, m["Send"] = old.Send([]byte("x"))
			_, m["SendSegments"] = old.SendSegments(nil)
			if g, ok := w.Segment(); ok {
				m["Forward to it"] = fresh.Forward(old, g)
			}
			old.Consume(1000)
			old.SetTimeout(1)
			if old.SendRoom() != 0 {
				t.Error("a closed connection has room")
			}
			errs <- m
		})
		for name, err := range within(t, "the verbs", errs) {
			if err != net.ErrClosed {
				t.Errorf("%s: %v, want net.ErrClosed", name, err)
			}
		}
		if len(ended) != 0 {
			t.Error("the other connection ended")
		}
		if !old.RemoteAddr().IsValid() || old.RemoteAddr() != srv.Addr() {
			t.Errorf("the peer was %v", old.RemoteAddr())
		}
	})
}

// TestRetainedWindow: what is retained and not consumed closes the window; Consume opens it, and Release
// does not.
func TestRetainedWindow(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, b := pair(t, workers, func(c *Config) { c.Limits.StreamRecvBytes = 64 << 10 })
		const size = 300 << 10
		var held []Segment
		var server *Stream
		var got atomic.Int64
		var free atomic.Bool
		srv := serve(t, b, network, bAddr, func(c *Stream) StreamHandler {
			server = c
			return &script{data: func(c *Stream, segs []Segment) {
				for _, g := range segs {
					got.Add(int64(g.Len()))
					if free.Load() {
						continue
					}
					c.Retain(g)
					held = append(held, g)
				}
			}}
		})
		p := newPours(size)
		dial(t, a, srv.Addr(), p)
		eventually(t, b, 0, "a full window", func(*shard) bool { return got.Load() >= 32<<10 })
		stalled := int64(0)
		for i := 0; i < 50 && stalled != got.Load(); i++ { // until nothing more comes
			stalled = got.Load()
			settled(t, a)
			settled(t, b)
		}
		if stalled > 80<<10 {
			t.Errorf("%d octets came through a window of 64 KiB", stalled)
		}
		server.Worker().Post(func() {
			free.Store(true)
			n := 0
			for _, g := range held {
				n += g.Len()
				server.Release(g)
			}
			server.Consume(n)
		})
		if err := within(t, "the end", p.done); err != nil || got.Load() != size {
			t.Errorf("%d of %d octets, %v", got.Load(), size, err)
		}
	})
}

// relay forwards what comes to a connection of its own, which it ends after a while.
type relay struct {
	StreamEvents
	to  *Stream
	got *atomic.Int64
	echoes
}

func (r *relay) Opened(c *Stream) { c.SetTimeout(300 * time.Millisecond) }

func (r *relay) Data(c *Stream, segs []Segment) {
	for _, g := range segs {
		r.got.Add(int64(g.Len()))
		if c.Forward(r.to, g) == syscall.EAGAIN {
			c.Retain(g)
			r.back = append(r.back, g)
		}
	}
}

func (r *relay) Timeout(c *Stream) {
	_ = r.to.Abort()
	for _, g := range r.back {
		c.Consume(g.Len())
		c.Release(g)
	}
	r.back = nil
}

func (r *relay) EOF(c *Stream)               { _ = c.Close() }
func (r *relay) Writable(*Stream)            {}
func (r *relay) Closed(c *Stream, err error) { r.echoes.Closed(c, err) }

// hoards retains what comes, and consumes none of it.
func hoards() *script {
	var held []Segment
	return &script{
		data: func(c *Stream, segs []Segment) {
			for _, g := range segs {
				c.Retain(g)
				held = append(held, g)
			}
		},
		closed: func(c *Stream, _ error) {
			for _, g := range held {
				c.Release(g)
			}
		},
	}
}

// TestForwardedWindow: what is forwarded to a peer who does not read holds its source back; what
// cannot be forwarded any more does not.
func TestForwardedWindow(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers, func(c *Config) {
			c.Limits.StreamRecvBytes, c.Limits.StreamSendBytes = 64<<10, 256<<10
		})
		const size = 600 << 10
		sink := serve(t, a, network, aAddr, func(*Stream) StreamHandler { return hoards() })
		var got atomic.Int64
		srv := serve(t, b, network, bAddr, func(c *Stream) StreamHandler {
			to, err := c.Worker().Dial(sink.Addr(), &script{})
			if err != nil {
				t.Error(err)
				return nil
			}
			return &relay{to: to, got: &got}
		})
		p := newPours(size)
		dial(t, a, srv.Addr(), p)
		eventually(t, b, 0, "some data", func(*shard) bool { return got.Load() >= 64<<10 })
		before := int64(0)
		for i := 0; i < 50 && before != got.Load(); i++ { // until nothing more comes
			before = got.Load()
			settled(t, a)
			settled(t, b)
		}
		if before > 200<<10 { // the sink's window, and the source's
			t.Errorf("%d octets came while nobody read them", before)
		}
		if err := within(t, "the end", p.done); err != nil || got.Load() != size {
			t.Errorf("%d of %d octets, %v", got.Load(), size, err)
		}
	})
}

// TestForgottenReleaseIsFound when the host is closed.
func TestForgottenReleaseIsFound(t *testing.T) {
	da, db, err := mem.Cable(mem.CableConfig{})
	if err != nil {
		t.Fatal(err)
	}
	hosts := [2]*Host{}
	for i, d := range []Device{da, db} {
		hosts[i], err = NewOn(t.Context(), Config{
			Interface: "wire", DAD: -1, LedgerEvery: 1,
			Addresses: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("198.18.0.%d/24", i+1))},
		}, d)
		if err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	srv := serve(t, hosts[1], "tcp", "198.18.0.2", func(*Stream) StreamHandler {
		return &script{
			data:   func(c *Stream, segs []Segment) { c.Retain(segs[0]) },
			closed: func(_ *Stream, err error) { ended <- err },
		}
	})
	p := newPours(10)
	dial(t, hosts[0], srv.Addr(), p)
	within(t, "the end", p.done)
	within(t, "the server's end", ended)
	err = hosts[1].Close()
	if err == nil || !strings.Contains(err.Error(), "did not release") || !strings.Contains(err.Error(), "hold application") {
		t.Errorf("closing: %v; want the ledger to name the application", err)
	}
	_ = hosts[0].Close() // it checks the wire, and so the same
}

// TestTimeout comes once, and not when it was stopped.
func TestTimeout(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, b := pair(t, workers)
		srv := serve(t, b, network, bAddr, func(*Stream) StreamHandler { return &echoes{} })
		ended, times := make(chan error, 1), 0
		dial(t, a, srv.Addr(), &script{
			opened: func(c *Stream) {
				c.SetTimeout(time.Hour)
				c.SetTimeout(time.Millisecond)
			},
			timeout: func(c *Stream) {
				if times++; times < 3 {
					c.SetTimeout(time.Millisecond)
					return
				}
				c.SetTimeout(time.Millisecond)
				c.SetTimeout(0)
				_, _ = c.Send([]byte("now the end"))
				_ = c.CloseWrite()
			},
			eof:    func(c *Stream) { _ = c.Close() },
			closed: func(_ *Stream, err error) { ended <- err },
		})
		if err := within(t, "the end", ended); err != nil || times != 3 {
			t.Errorf("%d timeouts, %v", times, err)
		}
	})
}

// TestHostCloseEndsConnections: every handler hears Closed, with net.ErrClosed, and the peers a reset.
func TestHostCloseEndsConnections(t *testing.T) {
	eachStreamWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, b := pair(t, workers)
		const n = 10
		ends := map[string]chan error{"accepted": make(chan error, n), "dialled": make(chan error, n)}
		opened := make(chan struct{}, 2*n)
		h := func(name string) *script {
			return &script{
				opened: func(*Stream) { opened <- struct{}{} },
				closed: func(_ *Stream, err error) { ends[name] <- err },
			}
		}
		srv := serve(t, b, network, bAddr, func(*Stream) StreamHandler { return h("accepted") })
		for range n {
			dial(t, a, srv.Addr(), h("dialled"))
		}
		for range 2 * n {
			within(t, "Opened", opened)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		for range n {
			if err := within(t, "Closed of accepted ones", ends["accepted"]); err != net.ErrClosed {
				t.Errorf("accepted: %v", err)
			}
			if err := within(t, "Closed of dialled ones", ends["dialled"]); err != syscall.ECONNRESET {
				t.Errorf("dialled: %v", err)
			}
		}
		if b.Worker(0).Post(func() {}) {
			t.Error("a closed host takes calls")
		}
		if err := b.DialStream(srv.Addr(), h("dialled")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialling from a closed host: %v", err)
		}
	})
}

// TestPostKeepsOrder of one goroutine's calls.
func TestPostKeepsOrder(t *testing.T) {
	a, _ := pair(t, 1)
	w, next := a.Worker(0), 0
	done := make(chan struct{})
	for i := range 2000 {
		for !w.Post(func() {
			if next != i {
				t.Errorf("call %d came when %d was due", i, next)
			}
			if next++; next == 2000 {
				close(done)
			}
		}) {
			within(t, "room", time.After(time.Millisecond))
		}
	}
	within(t, "the last call", done)
}

// TestSlowStreamHandlersAreNamed by the listener's address, or the peer that was dialled.
func TestSlowStreamHandlersAreNamed(t *testing.T) {
	a, b := pair(t, 1)
	slow := func(c *Stream, _ []Segment) {
		for start := time.Now(); time.Since(start) < time.Millisecond; {
		}
		_, _ = c.Send([]byte("x"))
	}
	srv := serve(t, b, "tcp4", "198.18.0.2", func(*Stream) StreamHandler { return &script{data: slow} })
	times, done := 0, make(chan error, 1)
	dial(t, a, srv.Addr(), &script{
		opened: func(c *Stream) { _, _ = c.Send([]byte("x")) },
		data: func(c *Stream, g []Segment) {
			slow(c, g)
			if times++; times == 3 {
				_ = c.Close()
			}
		},
		closed: func(_ *Stream, err error) { done <- err },
	})
	within(t, "the end", done)
	for h, name := range map[*Host]string{a: "tcp to " + srv.Addr().String(), b: "tcp4 " + srv.Addr().String()} {
		st, err := h.Stats()
		if err != nil {
			t.Fatal(err)
		}
		slow := st.Workers[0].Slow
		if len(slow) != 1 || slow[0].Name != name || slow[0].Calls < 2 || slow[0].Longest < int64(time.Millisecond) {
			t.Errorf("slow handlers: %+v, want %s", slow, name)
		}
	}
}
