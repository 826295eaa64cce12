package xdpstack

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// eachWay runs a test for both families, on one worker and on two.
func eachWay(t *testing.T, f func(t *testing.T, network, aAddr, bAddr string, workers int)) {
	for _, fam := range families {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("IPv%s/%d workers", fam.name, workers), func(t *testing.T) {
				f(t, fam.network, fam.a, fam.b, workers)
			})
		}
	}
}

func listen(t testing.TB, h *Host, network, addr string) net.PacketConn {
	t.Helper()
	c, err := h.ListenPacket(network, net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPacketConns(t *testing.T) {
	eachWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers)
		ca, cb := listen(t, a, network, aAddr), listen(t, b, network, bAddr)
		buf := make([]byte, 2000)
		for i := range 200 {
			want := fmt.Sprintf("datagram %d", i)
			if _, err := ca.WriteTo([]byte(want), cb.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			n, from, err := cb.ReadFrom(buf)
			if err != nil || string(buf[:n]) != want || from.String() != ca.LocalAddr().String() {
				t.Fatalf("got %q from %v, %v; want %q from %v", buf[:n], from, err, want, ca.LocalAddr())
			}
			if _, err := cb.WriteTo(buf[:n], from); err != nil {
				t.Fatal(err)
			}
			if n, _, err = ca.ReadFrom(buf); err != nil || string(buf[:n]) != want {
				t.Fatalf("the answer is %q, %v", buf[:n], err)
			}
		}
	})
}

// TestDialledSocketHearsItsAnswers on both workers: an answer that arrives on
// the wrong one is handed to the one that the port names.
func TestDialledSocketHearsItsAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, b := pair(t, workers)
		srv, err := b.HandleDatagram(network, net.JoinHostPort(bAddr, "7"), func(d *Datagram) { _ = d.Reply() })
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 * workers {
			c, err := a.DialContext(patience(t), network, srv.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			buf := make([]byte, 100)
			for range 50 {
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				if n, err := c.Read(buf); err != nil || string(buf[:n]) != "hello" {
					t.Fatalf("socket %d: %q, %v", i, buf[:n], err)
				}
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHandlerAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers)
		_, err := b.HandleDatagram(network, net.JoinHostPort(bAddr, "9"), func(d *Datagram) {
			_ = d.Answer(fmt.Appendf(nil, "%d bytes from %s to %s", len(d.Data()), d.From(), d.To()))
		})
		if err != nil {
			t.Fatal(err)
		}
		c := listen(t, a, network, aAddr)
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(net.JoinHostPort(bAddr, "9")))
		if _, err := c.WriteTo(make([]byte, 1000), to); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 200)
		n, _, err := c.ReadFrom(buf)
		want := fmt.Sprintf("1000 bytes from %s to %s", c.LocalAddr(), to)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v; want %q", buf[:n], err, want)
		}
	})
}

// warm exchanges a datagram, so that the neighbours know each other: of what waits
// for an address only a few datagrams are kept.
func warm(t testing.TB, h *Host, network, addr string, to net.Addr) {
	t.Helper()
	c := listen(t, h, network, addr)
	if _, err := c.WriteTo([]byte("warm"), to); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadFrom(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
}

// TestManyGoroutines: every datagram of a closed loop comes back, whoever sends
// and reads.
func TestManyGoroutines(t *testing.T) {
	eachWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers)
		srv := listen(t, b, network, bAddr)
		go func() {
			buf := make([]byte, 100)
			for {
				n, from, err := srv.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = srv.WriteTo(buf[:n], from)
			}
		}()
		warm(t, a, network, aAddr, srv.LocalAddr())
		var wg sync.WaitGroup
		for g := range 8 {
			c := listen(t, a, network, aAddr)
			wg.Go(func() {
				buf := make([]byte, 100)
				for i := range 100 {
					want := fmt.Sprintf("%d of %d", i, g)
					if _, err := c.WriteTo([]byte(want), srv.LocalAddr()); err != nil {
						t.Error(err)
						return
					}
					if n, _, err := c.ReadFrom(buf); err != nil || string(buf[:n]) != want {
						t.Errorf("%q, %v; want %q", buf[:n], err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// opError fails the test unless err is a *net.OpError about want.
func opError(t *testing.T, what string, err, want error) {
	t.Helper()
	var op *net.OpError
	if !errors.As(err, &op) || !errors.Is(err, want) {
		t.Errorf("%s: %v (%T), want a *net.OpError with %v", what, err, err, want)
	}
}

func TestErrorsAreTheNetPackages(t *testing.T) {
	eachWay(t, func(t *testing.T, network, aAddr, bAddr string, workers int) {
		a, _ := pair(t, workers)
		c := listen(t, a, network, aAddr)
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(net.JoinHostPort(bAddr, "5")))

		_, err := a.ListenPacket(network, c.LocalAddr().String())
		opError(t, "listening twice", err, syscall.EADDRINUSE)
		_, err = a.ListenPacket(network, net.JoinHostPort(bAddr, "1"))
		opError(t, "somebody else's address", err, syscall.EADDRNOTAVAIL)
		_, err = c.WriteTo(make([]byte, 1500), to)
		opError(t, "too long", err, syscall.EMSGSIZE)

		_ = c.SetReadDeadline(time.Now().Add(-time.Second))
		_, _, err = c.ReadFrom(make([]byte, 10))
		opError(t, "past deadline", err, os.ErrDeadlineExceeded)
		if e := (net.Error)(nil); !errors.As(err, &e) || !e.Timeout() {
			t.Errorf("%v is no timeout", err)
		}

		d, err := a.Dial(network, to.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = d.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := d.Write([]byte("anybody?")); err != nil {
			t.Fatal(err)
		}
		_, err = d.Read(make([]byte, 10))
		opError(t, "nobody listens", err, syscall.ECONNREFUSED)
	})
}

func TestCloseUnblocks(t *testing.T) {
	a, _ := pair(t, 2)
	c, err := a.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, _, err := c.ReadFrom(make([]byte, 10))
		failed <- err
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	opError(t, "read from what is closed meanwhile", <-failed, net.ErrClosed)
	_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(198, 18, 0, 2), Port: 7})
	opError(t, "write to what is closed", err, net.ErrClosed)
	opError(t, "closing twice", c.Close(), net.ErrClosed)
}

// TestDeadlineUnblocks: a deadline set while a read waits ends it.
func TestDeadlineUnblocks(t *testing.T) {
	a, _ := pair(t, 1)
	c, err := a.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, _, err := c.ReadFrom(make([]byte, 10))
		failed <- err
	}()
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	opError(t, "read", <-failed, os.ErrDeadlineExceeded)
	_ = c.SetReadDeadline(time.Time{})
	if _, err := c.WriteTo([]byte("self"), c.LocalAddr()); err == nil {
		t.Log("an unspecified destination is this host, as with the kernel")
	}
}

// TestHandlersThatTakeLongAreNamed in the statistics.
func TestHandlersThatTakeLongAreNamed(t *testing.T) {
	a, b := pair(t, 1)
	srv, err := b.HandleDatagram("udp4", "198.18.0.2:99", func(d *Datagram) {
		for start := time.Now(); time.Since(start) < time.Millisecond; {
		}
		_ = d.Reply()
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Dial("udp4", srv.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	st, err := b.Stats()
	if err != nil {
		t.Fatal(err)
	}
	slow := st.Workers[0].Slow
	if len(slow) != 1 || slow[0].Name != "udp4 198.18.0.2:99" || slow[0].Calls != 1 || slow[0].Longest < int64(time.Millisecond) {
		t.Errorf("slow handlers: %+v", slow)
	}
}

func TestSendMsgChecksInOrder(t *testing.T) {
	eachWay(t, func(t *testing.T, _, aAddr, bAddr string, workers int) {
		a, _ := pair(t, workers)
		s, err := a.Socket(FamilyDatagram, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		to := socket.AddrFrom(netip.MustParseAddrPort(net.JoinHostPort(bAddr, "7")))
		for name, c := range map[string]struct {
			m    Msg
			want error
		}{
			"bad buffer":     {Msg{Len: 10, Addr: to}, syscall.EFAULT},
			"too long":       {Msg{Data: make([]byte, 1500), Len: 1500, Addr: to}, syscall.EMSGSIZE},
			"no destination": {Msg{Data: []byte("x"), Len: 1}, syscall.EDESTADDRREQ},
		} {
			if _, err := s.SendMsg(&c.m); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		m := Msg{Data: make([]byte, 10), Flags: socket.DontWait}
		if _, err := s.RecvMsg(&m); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("nothing there: %v, want EAGAIN", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SendMsg(&Msg{Data: []byte("x"), Len: 1, Addr: to}); !errors.Is(err, syscall.EBADF) {
			t.Errorf("a closed socket: %v, want EBADF", err)
		}
	})
}

// TestCredentialsOnTheSameHost: the owner of the sending socket is attached, and
// a receiver on this host sees it; one on another host does not.
func TestCredentialsOnTheSameHost(t *testing.T) {
	eachWay(t, func(t *testing.T, _, aAddr, bAddr string, workers int) {
		a, b := pair(t, workers)
		owner := Owner{UID: 1001, GID: 1002, PID: 4242}
		from, err := a.Socket(FamilyDatagram, 0, &owner)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range []struct {
			host *Host
			addr string
		}{{a, aAddr}, {b, bAddr}} {
			to, err := h.host.Socket(FamilyDatagram, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			dst := netip.MustParseAddrPort(net.JoinHostPort(h.addr, "4000"))
			if err := to.Bind(dst); err != nil {
				t.Fatal(err)
			}
			m := Msg{Data: []byte("who am I"), Len: 8, Addr: socket.AddrFrom(dst)}
			if n, err := from.SendMsg(&m); n != 8 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			got := Msg{Data: make([]byte, 100)}
			n, err := to.RecvMsg(&got)
			if err != nil || string(got.Data[:n]) != "who am I" {
				t.Fatalf("%q, %v", got.Data[:n], err)
			}
			local := h.host == a
			if (got.Flags&socket.Local != 0) != local || local && got.Cred != owner {
				t.Errorf("same host %v: flags %b, credentials %+v", local, got.Flags, got.Cred)
			}
		}
	})
}

func TestBadConfigurations(t *testing.T) {
	good := func() Config {
		return Config{Interface: "wire", Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/24")}}
	}
	for name, change := range map[string]func(c *Config){
		"no interface":       func(c *Config) { c.Interface = "" },
		"no address":         func(c *Config) { c.Addresses = nil },
		"a group":            func(c *Config) { c.Addresses[0] = netip.MustParsePrefix("224.0.0.1/4") },
		"an address twice":   func(c *Config) { c.Addresses = append(c.Addresses, c.Addresses[0]) },
		"gateway elsewhere":  func(c *Config) { c.Gateways = []netip.Addr{netip.MustParseAddr("198.19.0.1")} },
		"gateway is oneself": func(c *Config) { c.Gateways = []netip.Addr{netip.MustParseAddr("198.18.0.1")} },
		"two of one family": func(c *Config) {
			c.Gateways = []netip.Addr{netip.MustParseAddr("198.18.0.8"), netip.MustParseAddr("198.18.0.9")}
		},
		"no such family link": func(c *Config) { c.Gateways = []netip.Addr{netip.MustParseAddr("2001:2::1")} },
	} {
		c := good()
		change(&c)
		if _, err := New(t.Context(), c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDedicatedWorkers own their threads, and wake goroutines by a dispatcher.
func TestDedicatedWorkers(t *testing.T) {
	a, b := pair(t, 1, func(c *Config) { c.Scheduling, c.CPUs = engine.Dedicated, []int{-1} })
	ca, cb := listen(t, a, "udp4", "198.18.0.1"), listen(t, b, "udp4", "198.18.0.2")
	buf := make([]byte, 100)
	for range 200 {
		if _, err := ca.WriteTo([]byte("there"), cb.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		n, from, err := cb.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cb.WriteTo(buf[:n], from); err != nil {
			t.Fatal(err)
		}
		if n, _, err = ca.ReadFrom(buf); err != nil || string(buf[:n]) != "there" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
	}
}

// TestDedicatedWorkersNeedACoreEach: two on one are refused, and nothing is left.
func TestDedicatedWorkersNeedACoreEach(t *testing.T) {
	w, far := newWire(t, 2, 1), newWire(t, 2, 2)
	for i := range 2 {
		a, b, err := mem.Pair(w.pools[i], far.pools[i], mem.Config{Slots: framesEach / 2})
		if err != nil {
			t.Fatal(err)
		}
		w.ends, far.ends = append(w.ends, a), append(far.ends, b)
	}
	cfg := Config{
		Interface: "wire", Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/24")}, DAD: -1,
		Scheduling: engine.Dedicated, CPUs: []int{0, 0}, Log: slog.New(slog.DiscardHandler),
	}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := newHost(t.Context(), cfg, w); !errors.Is(err, engine.ErrCores) {
		t.Errorf("%v, want engine.ErrCores", err)
	}
	if err := errors.Join(w.cut(), far.cut()); err != nil {
		t.Error(err)
	}
}
