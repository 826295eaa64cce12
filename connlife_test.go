package xdpstack

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// TestConnCloseUnblocks reads, writes and whoever waits behind them.
func TestConnCloseUnblocks(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		failed := make(chan error)
		for range 2 {
			go func() {
				_, err := a.Read(make([]byte, 10))
				failed <- err
			}()
			go func() {
				_, err := a.Write(make([]byte, 64<<20))
				failed <- err
			}()
		}
		for b.rx.pushed.Load() == 0 { // until writing has begun
			yield()
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			opError(t, "what waited", <-failed, net.ErrClosed)
		}
		opError(t, "closing twice", a.Close(), net.ErrClosed)
		opError(t, "a deadline", a.SetDeadline(time.Now()), net.ErrClosed)
		_, err := a.Read(nil)
		opError(t, "read", err, net.ErrClosed)
	})
}

// fill writes until nothing moves any more, and returns how much went.
func fill(t *testing.T, c *tcpConn) (sent int) {
	t.Helper()
	for still := 0; still < 3; still++ {
		_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		m, err := c.Write(make([]byte, 1000))
		if sent += m; m > 0 {
			still = 0
		} else {
			opError(t, "write into full queues", err, os.ErrDeadlineExceeded)
		}
	}
	return sent
}

// TestConnDoesNotLingerForEver: a closed connection whose peer reads nothing is reset when its time
// is up, and what the peer got before that it still reads.
func TestConnDoesNotLingerForEver(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		sent := fill(t, a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		for ctx, waits := patience(t), false; !waits; { // until the worker has heard of it
			if ctx.Err() != nil {
				t.Fatal("it does not linger")
			}
			err := n.a.on(a.worker, func(s *shard) {
				if waits = a.far.lingering; !waits {
					return
				}
				a.ready(s, &stack.Event{Ready: stack.ReadyTimer})
				if s.streamReceiver(a.handle) != nil {
					t.Error("its time is up, and it is still there")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(b)
		opError(t, "read", err, syscall.ECONNRESET)
		if len(got) == 0 || len(got) >= sent {
			t.Errorf("%d octets came of %d", len(got), sent)
		}
	})
}

// TestConnLingersWhileThePeerReads: a closed connection whose peer is slow is not reset, however long that takes.
func TestConnLingersWhileThePeerReads(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		sent := fill(t, a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		for ctx, waits := patience(t), false; !waits; { // until the worker has heard of it
			if ctx.Err() != nil {
				t.Fatal("it does not linger")
			}
			err := n.a.on(a.worker, func(s *shard) {
				if waits = a.far.lingering; !waits {
					return
				}
				a.far.room-- // an octet was taken meanwhile
				a.ready(s, &stack.Event{Ready: stack.ReadyTimer})
				if s.streamReceiver(a.handle) == nil {
					t.Error("the peer reads, and it was reset")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(b)
		if len(got) != sent || err != nil {
			t.Errorf("%d octets came of %d: %v", len(got), sent, err)
		}
	})
}

// TestConnEndsBeforeAReset that came in the same batch as the FIN: what was read is whole.
func TestConnEndsBeforeAReset(t *testing.T) {
	n := oneNet(t, 1)
	a, _ := n.pipe(t)()
	err := n.a.on(a.worker, func(s *shard) {
		a.ready(s, &stack.Event{Ready: stack.ReadyEOF | stack.ReadyClosed, Errno: socket.EPIPE})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v, want EOF", err)
	}
	_, err = a.Write([]byte("x"))
	opError(t, "write", err, syscall.EPIPE)
}

// TestConnClosedByItsHostIsNotPostedTwice: its node may wait in the worker's queue just then, and goroutines may ask
// again.
func TestConnClosedByItsHostIsNotPostedTwice(t *testing.T) {
	n := oneNet(t, 1)
	a, _ := n.pipe(t)()
	err := n.a.on(a.worker, func(s *shard) {
		a.touch()
		a.hostCloses(s)
		if !a.dirty.Load() {
			t.Error("it is in the queue, and could be posted again")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestConnDeadlines: a write that is cut short says how much went, and that is what comes.
func TestConnDeadlines(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		_ = a.SetDeadline(time.Now().Add(10 * time.Millisecond))
		sent, err := a.Write(make([]byte, 64<<20))
		opError(t, "write", err, os.ErrDeadlineExceeded)
		_, err = a.Read(make([]byte, 10))
		opError(t, "read", err, os.ErrDeadlineExceeded)
		_ = a.SetDeadline(time.Time{})
		go func() {
			if _, err := a.Write(make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			_ = a.CloseWrite()
		}()
		if m, err := io.Copy(io.Discard, b); m != int64(sent)+1000 || err != nil {
			t.Errorf("%d octets came of %d: %v", m, sent+1000, err)
		}
		_ = b.SetReadDeadline(time.Now().Add(-time.Hour))
		_, err = b.Read(make([]byte, 1))
		opError(t, "read past a deadline", err, os.ErrDeadlineExceeded)
		_ = b.SetReadDeadline(time.Time{})
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%v, want EOF", err)
		}
	})
}

// TestListenerErrors are the net package's.
func TestListenerErrors(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		l := n.listen(t).(*tcpListener)
		_, err := n.b.Listen(n.network, l.Addr().String())
		opError(t, "listening twice", err, syscall.EADDRINUSE)
		_, err = n.b.Listen(n.network, net.JoinHostPort(n.aAddr, "1"))
		opError(t, "somebody else's address", err, syscall.EADDRNOTAVAIL)
		_ = l.SetDeadline(time.Now().Add(time.Millisecond))
		_, err = l.Accept()
		opError(t, "nobody comes", err, os.ErrDeadlineExceeded)
		_ = l.SetDeadline(time.Time{})

		failed := make(chan error)
		go func() {
			_, err := l.Accept()
			failed <- err
		}()
		for !l.waits.Load() {
			yield()
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		opError(t, "closed while accepting", <-failed, net.ErrClosed)
		opError(t, "closing twice", l.Close(), net.ErrClosed)
		again, err := n.b.Listen(n.network, l.Addr().String())
		if err != nil {
			t.Fatalf("the port is not free: %v", err)
		}
		_ = again.Close()
		_, err = n.a.Dial(n.network, l.Addr().String())
		opError(t, "dialling what is closed", err, syscall.ECONNREFUSED)
	})
}

// TestListenerResetsWhatWasNotAccepted when it is closed.
func TestListenerResetsWhatWasNotAccepted(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		l := n.listen(t)
		var conns []net.Conn
		for range acceptQueue + 10 {
			c, err := n.a.Dial(n.network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			conns = append(conns, c)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range conns {
			_, err := c.Read(make([]byte, 1))
			opError(t, "read", err, syscall.ECONNRESET)
			_ = c.Close()
		}
	})
}

// TestListenerHoldsABacklog: more come than its queue takes before anybody accepts, and none
// is lost.
func TestListenerHoldsABacklog(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		const many = 3 * acceptQueue
		l := n.listen(t)
		for i := range many {
			c, err := n.a.Dial(n.network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(c, "%03d", i)
			_ = c.Close()
		}
		seen := make(map[string]bool)
		for range many {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || seen[string(got)] {
				t.Fatalf("%q, %v", got, err)
			}
			seen[string(got)] = true
			_ = c.Close()
		}
	})
}

// TestManyConnsAtOnce: 500 of them, each echoing.
func TestManyConnsAtOnce(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		const many = 500
		l := n.listen(t)
		go serveEcho(l)
		var wg, up sync.WaitGroup
		up.Add(many)
		for i := range many {
			wg.Go(func() {
				c, err := n.a.DialContext(patience(t), n.network, l.Addr().String())
				up.Done()
				if err != nil {
					t.Error(err)
					return
				}
				up.Wait() // all are open at once
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				want := fmt.Sprintf("connection %d", i)
				_, _ = c.Write([]byte(want))
				_ = c.(*tcpConn).CloseWrite()
				if got, err := io.ReadAll(c); string(got) != want || err != nil {
					t.Errorf("%q, %v; want %q", got, err, want)
				}
				_ = c.Close()
			})
		}
		wg.Wait()
		_ = l.Close()
	})
}

// serveEcho answers every connection until the listener is closed.
func serveEcho(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// TestHostCloseEndsConns: what is open, what waits to be accepted, and what is dialled just
// then.
func TestHostCloseEndsConns(t *testing.T) {
	n := oneNet(t, 2)
	a, _ := n.pipe(t)()
	l := n.listen(t)
	if _, err := n.a.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		failed <- err
	}()
	go func() {
		_, err := n.a.Dial("tcp", "198.18.0.77:1")
		failed <- err
	}()
	for {
		n.a.mu.Lock()
		open := len(n.a.open)
		n.a.mu.Unlock()
		if open == 3 {
			break
		}
		yield()
	}
	if err := n.a.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		opError(t, "what waited", <-failed, net.ErrClosed)
	}
	_, err := n.a.Dial("tcp", l.Addr().String())
	opError(t, "dialling from a closed host", err, net.ErrClosed)
	_, err = n.a.Listen("tcp", ":0")
	opError(t, "listening on a closed host", err, net.ErrClosed)
}

// TestNoAllocsPerReadAndWrite once a connection is warm, deadlines included.
func TestNoAllocsPerReadAndWrite(t *testing.T) {
	for _, size := range []int{64, 8 << 10, 40 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			n := oneNet(t, 1, func(c *Config) { c.LedgerEvery = defaultLedgerEvery }) // an audit allocates
			a, b := n.pipe(t)()
			out, in := make([]byte, size), make([]byte, size)
			half := func(from, to *tcpConn) {
				_ = from.SetWriteDeadline(time.Now().Add(time.Hour))
				_ = to.SetReadDeadline(time.Now().Add(time.Hour))
				if _, err := from.Write(out); err != nil {
					t.Fatal(err)
				}
				for got := 0; got < size; {
					m, err := to.Read(in[got:])
					if err != nil {
						t.Fatal(err)
					}
					got += m
				}
			}
			if n := testing.AllocsPerRun(300, func() { half(a, b); half(b, a) }); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// TestConnIsSmall: what a connection costs that does nothing, beside its slot in the stack: two
// channels and this.
func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(tcpConn{}); n > 896 {
		t.Errorf("a tcpConn has %d octets", n)
	} else {
		t.Logf("%d octets", n)
	}
}
