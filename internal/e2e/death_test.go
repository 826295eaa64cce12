package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/probe"
)

// flood keeps both queues busy with datagrams until stop is called: bursts of
// 128 each millisecond from each of two goroutines. Each rests at least as long as
// its burst took, which leaves the cores, two for everybody, time to answer pings.
func flood(t testing.TB, l *lab.Lab) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	to := netip.AddrPortFrom(l.Host("a").Interface().Stack4.Addr(), 7)
	var wg sync.WaitGroup
	for range 2 {
		var conns []net.Conn
		for range 8 {
			c, err := l.Host("b").Dial(ctx, "udp", to.String())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		wg.Go(func() {
			data := make([]byte, 64)
			for ctx.Err() == nil {
				began := time.Now()
				for i := range 128 {
					_, _ = conns[i%len(conns)].Write(data) // refused once the stack is dead
				}
				took := time.Since(began)
				<-time.After(max(took, time.Millisecond-took))
			}
			for _, c := range conns {
				_ = c.Close()
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// answers returns how long it took until addr answered a ping; the test fails when
// it does not. In full traffic one or the other may be lost, or be late.
func answers(t *testing.T, l *lab.Lab, addr netip.Addr, who string) time.Duration {
	t.Helper()
	ping, err := probe.NewPinger(l.Host("b"), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ping.Close()
	began := time.Now()
	for wait := 100 * time.Millisecond; time.Since(began) < patience; wait += wait / 2 {
		if _, err = ping.Echo(56, wait); err == nil {
			return time.Since(began)
		}
	}
	t.Errorf("%s: %v", who, err)
	return patience
}

// TestKillInFullTraffic: after kill -9 the kernel answers within a second, on
// its own address, and the next start works at once. Each kill must be survived; the
// best of three is held to the second.
func TestKillInFullTraffic(t *testing.T) {
	l := newLab(t)
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			p := run(t, l)
			stop := flood(t, l)
			defer stop()
			kernel, stack := patience, patience
			for range 3 {
				p.kill()
				kernel = min(kernel, answers(t, l, f.kernel(l.Host("a").Interface()), "the kernel after kill -9"))
				clean(t, l)
				p = run(t, l)
				stack = min(stack, answers(t, l, f.stack(l.Host("a").Interface()), "the stack after its next start"))
			}
			if kernel > time.Second || stack > time.Second {
				t.Errorf("answers came after %v from the kernel, %v from the stack, at best", kernel, stack)
			}
			stop()
			p.summary()
		})
	}
}

// TestTheHostStaysReachable: a TCP connection to the kernel of host a, over the
// interface that the stack uses, goes on while the stack starts, works, and is
// killed.
func TestTheHostStaysReachable(t *testing.T) {
	l := newLab(t)
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			conn := echoOverTCP(t, l, f.kernel(l.Host("a").Interface()))
			beat := func(when string) {
				t.Helper()
				for i := range 50 {
					if err := roundTrip(conn, fmt.Sprintf("%s %d;", when, i)); err != nil {
						t.Fatalf("%s: %v", when, err)
					}
				}
			}
			beat("before the stack")
			p := run(t, l)
			beat("beside the stack")
			stop := flood(t, l)
			beat("beside the stack in full traffic")
			p.kill()
			beat("after kill -9")
			p = run(t, l)
			beat("after the next start")
			stop()
			p.summary()
			beat("after its end")
		})
	}
}

// echoOverTCP connects host b to a TCP echo of host a's kernel.
func echoOverTCP(t *testing.T, l *lab.Lab, addr netip.Addr) net.Conn {
	t.Helper()
	ln, err := l.Host("a").Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	conn, err := l.Host("b").Dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func roundTrip(c net.Conn, text string) error {
	err := c.SetDeadline(time.Now().Add(patience))
	if _, werr := c.Write([]byte(text)); err == nil {
		err = werr
	}
	back := make([]byte, len(text))
	if _, rerr := io.ReadFull(c, back); err == nil {
		err = rerr
	}
	if err == nil && string(back) != text {
		err = errors.New("other bytes came back")
	}
	return err
}

// TestTheInterfaceVanishes while the workers sleep: the stack ends, and says why.
func TestTheInterfaceVanishes(t *testing.T) {
	l := newLab(t)
	p := run(t, l)
	a := l.Host("a")
	err := a.Do(func() error {
		link, err := netlink.LinkByName(a.Interface().Name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	if err != nil {
		t.Fatal(err)
	}
	refusedBy(t, p, 6, []string{"gone"})
}
