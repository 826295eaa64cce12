package xdpstack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/impair"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// eachTCP runs a test for both families, on one worker and on two.
func eachTCP(t *testing.T, f func(t *testing.T, n tcpNet)) {
	eachWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers)
		f(t, tcpNet{a: a, b: b, network: "tcp" + network[3:], aAddr: aAddr, bAddr: bAddr, workers: workers})
	})
}

// tcpNet is two hosts: a dials, b listens.
type tcpNet struct {
	a, b                  *Host
	network, aAddr, bAddr string
	workers               int
}

// oneNet is what a test needs that is the same everywhere.
func oneNet(t testing.TB, workers int, change ...func(*Config)) tcpNet {
	a, b := pair(t, workers, change...)
	return tcpNet{a: a, b: b, network: "tcp4", aAddr: families[0].a, bAddr: families[0].b, workers: workers}
}

func (n tcpNet) listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := n.b.Listen(n.network, net.JoinHostPort(n.bAddr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// pipe makes connections between the hosts, one after the other.
func (n tcpNet) pipe(t testing.TB) func() (a, b *tcpConn) {
	t.Helper()
	l := n.listen(t)
	return func() (a, b *tcpConn) {
		t.Helper()
		c, err := n.a.DialContext(patience(t), n.network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = l.(*tcpListener).SetDeadline(time.Now().Add(20 * time.Second))
		d, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		a, b = c.(*tcpConn), d.(*tcpConn)
		for _, c := range []*tcpConn{a, b} {
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		}
		return a, b
	}
}

// TestConnIsANetConn: the promises that package nettest checks.
func TestConnIsANetConn(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		next := n.pipe(t)
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
			a, b := next()
			_, _ = a.SetDeadline(time.Time{}), b.SetDeadline(time.Time{})
			return a, b, func() { _, _ = a.Close(), b.Close() }, nil
		})
	})
}

func TestConnAddresses(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		for _, c := range []struct {
			what      string
			got, want net.Addr
		}{{"the listener's side", a.RemoteAddr(), b.LocalAddr()}, {"the dialler's side", b.RemoteAddr(), a.LocalAddr()}} {
			if _, ok := c.got.(*net.TCPAddr); !ok || c.got.String() != c.want.String() || c.got.Network() != "tcp" {
				t.Errorf("%s is %v (%T), want %v", c.what, c.got, c.got, c.want)
			}
		}
		if got := a.local.Addr().String(); got != n.aAddr {
			t.Errorf("dialled from %s, want %s", got, n.aAddr)
		}
	})
}

// TestConnCarriesEverything, in writes and reads of every size, both ways at once.
func TestConnCarriesEverything(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) { carry(t, n, 3<<20) })
}

// TestConnOverABadWire: loss, reordering, duplicates and flipped bits are the stack's to mend.
func TestConnOverABadWire(t *testing.T) {
	for _, workers := range []int{1, 2} {
		n := oneNet(t, workers, func(c *Config) {
			c.Impair = impair.Config{Seed: testenv.Seed(t), Loss: 0.01, Reorder: 0.02, Duplicate: 0.01, Corrupt: 0.01}
			c.Limits.RTOMin = 5 * umem.Millisecond
		})
		carry(t, n, 300<<10)
	}
}

// TestConnsOfDedicatedWorkers: goroutines are woken by the dispatcher.
func TestConnsOfDedicatedWorkers(t *testing.T) {
	carry(t, oneNet(t, 1, func(c *Config) { c.Scheduling, c.CPUs = engine.Dedicated, []int{-1} }), 1<<20)
}

// TestConnToOneself: a host reaches its own listener.
func TestConnToOneself(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		n.a, n.aAddr = n.b, n.bAddr
		carry(t, n, 1<<20)
	})
}

// carry sends total octets each way on one connection.
func carry(t *testing.T, n tcpNet, total int) {
	seed := testenv.Seed(t)
	a, b := n.pipe(t)()
	var wg sync.WaitGroup
	for i, dir := range [][2]*tcpConn{{a, b}, {b, a}} {
		sent := sha256.New()
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for left := total; left > 0; {
				p := make([]byte, min(left, 1+r.IntN(1<<r.IntN(19))))
				fillRandom(r, p)
				sent.Write(p)
				if m, err := dir[0].Write(p); m != len(p) || err != nil {
					t.Errorf("wrote %d of %d: %v", m, len(p), err)
					return
				}
				left -= len(p)
			}
			if err := dir[0].CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			got, m := sha256.New(), 0
			r := rand.New(rand.NewPCG(seed, uint64(i)+2))
			for {
				p := make([]byte, 1+r.IntN(1<<r.IntN(18)))
				k, err := dir[1].Read(p)
				got.Write(p[:k])
				m += k
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Errorf("after %d octets: %v", m, err)
					return
				}
			}
			<-done
			if m != total || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
				t.Errorf("%d octets came, not those %d that were sent", m, total)
			}
		})
	}
	wg.Wait()
}

func fillRandom(r *rand.Rand, p []byte) {
	var word [8]byte
	for n := 0; n < len(p); n += 8 {
		binary.LittleEndian.PutUint64(word[:], r.Uint64())
		copy(p[n:], word[:])
	}
}

// TestConnRefused: nobody listens.
func TestConnRefused(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		for range 2 * n.workers {
			_, err := n.a.Dial(n.network, net.JoinHostPort(n.bAddr, "5"))
			opError(t, "dialling", err, syscall.ECONNREFUSED)
			if sys := (*os.SyscallError)(nil); !errors.As(err, &sys) || sys.Syscall != "connect" {
				t.Errorf("%v is no error of connect", err)
			}
		}
	})
}

// TestConnDialEndsWithItsContext, when nobody answers.
func TestConnDialEndsWithItsContext(t *testing.T) {
	n := oneNet(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := n.a.DialContext(ctx, "tcp", "198.18.0.77:80")
	opError(t, "past its deadline", err, context.DeadlineExceeded)
	if e := (net.Error)(nil); !errors.As(err, &e) || !e.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err = n.a.DialContext(ctx, "tcp", "198.18.0.77:80")
	opError(t, "cancelled", err, context.Canceled)
	_, err = n.a.DialContext(ctx, "tcp", "198.18.0.2:80")
	opError(t, "cancelled before", err, context.Canceled)
	_, err = n.a.Dial("tcp", ":80")
	opError(t, "no host", err, err)
	_, err = n.a.Dial("tcp4", "[2001:2::2]:80")
	opError(t, "the wrong family", err, err)
}

// TestConnDialToNobody: a neighbour that does not answer is an error, as the kernel has it.
func TestConnDialToNobody(t *testing.T) {
	n := oneNet(t, 1)
	_, err := n.a.DialContext(patience(t), "tcp", "198.18.0.77:80")
	opError(t, "dialling", err, syscall.EHOSTUNREACH)
}

// TestConnResetMidRead: what came before the reset is read first.
func TestConnResetMidRead(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		next := n.pipe(t)
		a, b := next()
		failed := make(chan error)
		go func() {
			_, err := b.Read(make([]byte, 10))
			failed <- err
		}()
		_, _ = a.SetLinger(0), a.Close()
		opError(t, "read", <-failed, syscall.ECONNRESET)
		_, err := b.Write([]byte("x"))
		opError(t, "write", err, syscall.ECONNRESET)
		if err := b.Close(); err != nil {
			t.Error(err)
		}

		a, b = next()
		if _, err := a.Write([]byte("last words")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		if m, err := io.ReadFull(b, buf); m != 4 || err != nil {
			t.Fatal(m, err)
		}
		_, _ = a.SetLinger(0), a.Close()
		rest, err := io.ReadAll(b)
		if string(rest) != " words" {
			t.Errorf("read %q", rest)
		}
		opError(t, "read", err, syscall.ECONNRESET)
	})
}

// TestConnClosedWithUnreadDataIsReset, as by Linux (RFC 2525, section 2.17).
func TestConnClosedWithUnreadDataIsReset(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		if _, err := a.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		_ = b.Close()
		_, err := a.Read(make([]byte, 10))
		opError(t, "read", err, syscall.ECONNRESET)
	})
}

// TestConnHalfClose: one side ends, the other goes on.
func TestConnHalfClose(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		go func() {
			got, err := io.ReadAll(b)
			if err == nil {
				_, err = fmt.Fprintf(b, "%d octets", len(got))
			}
			if err = errors.Join(err, b.Close()); err != nil {
				t.Error(err)
			}
		}()
		if _, err := a.Write(make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		if err := a.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, err := a.Write([]byte("more"))
		opError(t, "write after CloseWrite", err, syscall.EPIPE)
		if got, err := io.ReadAll(a); string(got) != "100000 octets" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestConnCloseRead: what comes is dropped, and the peer is not held up.
func TestConnCloseRead(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		ended := make(chan error)
		go func() {
			_, err := b.Read(make([]byte, 10))
			ended <- err
		}()
		if err := b.CloseRead(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != io.EOF {
			t.Errorf("a read that waits: %v, want EOF", err)
		}
		if _, err := a.Write(make([]byte, 8<<20)); err != nil {
			t.Error(err)
		}
		if _, err := b.Write([]byte("goes on")); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 7)
		if _, err := io.ReadFull(a, buf); string(buf) != "goes on" || err != nil {
			t.Errorf("%q, %v", buf, err)
		}
	})
}

// TestConnCloseSendsWhatWasWritten, though nobody reads yet when it is closed.
func TestConnCloseSendsWhatWasWritten(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		sent := fill(t, a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); len(got) != sent || err != nil {
			t.Errorf("%d octets came of %d: %v", len(got), sent, err)
		}
	})
}
