package proxy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/hosttest"
)

// TestCarries: any family in and out, one worker or two, many at once; each
// direction is ended by itself.
func TestCarries(t *testing.T) {
	for _, workers := range []int{1, 2} {
		for _, in := range families {
			for _, out := range families {
				t.Run(fmt.Sprintf("IPv%s to IPv%s, %d workers", in.name, out.name, workers), func(t *testing.T) {
					carry(t, workers, in.proxy, out.backend)
				})
			}
		}
	}
}

// carry sends 20 requests of different sizes at once, and checks hashes at both ends.
func carry(t *testing.T, workers int, in, backend netip.Addr) {
	const clients, most = 20, 200_000
	r := newRig(t, workers)
	rng, _ := seeded(t)
	data := octets(rng, most)
	l, to := r.listen(backend)
	p, port := r.proxy(Config{}, to)
	var all sync.WaitGroup
	for i := range clients {
		size, back := rng.IntN(most), rng.IntN(most)
		client := r.dial(in, port)
		all.Go(func() {
			client.say([]byte{byte(i)})
			client.say(data[:size])
			client.closeWrite()
			if got := client.sum(); got != sha256.Sum256(data[:back]) {
				t.Errorf("client %d: not the %d octets that were sent", i, back)
			}
		})
		server := r.accept(l)
		all.Go(func() {
			if got := server.sum(); got != sha256.Sum256(append([]byte{byte(i)}, data[:size]...)) {
				t.Errorf("server %d: not the %d octets that were sent", i, size)
			}
			server.say(data[:back])
			server.closeWrite()
		})
	}
	all.Wait()
	until(t, "every session has ended", func() bool { return p.Stats().Active == 0 })
	st := p.Stats()
	if b := st.Listeners[0].Backends[0]; st.Accepted != clients || b.Connections != clients || b.Active != 0 || b.Failures != 0 || st.Resets != 0 {
		t.Errorf("%+v", st)
	}
}

// TestHalfClose: each end may be the first, and the other direction goes on.
func TestHalfClose(t *testing.T) {
	for _, f := range families {
		for _, first := range []string{"client", "backend"} {
			t.Run(first+" over IPv"+f.name, func(t *testing.T) {
				r := newRig(t, 1)
				l, to := r.listen(f.backend)
				p, port := r.proxy(Config{}, to)
				one := r.dial(f.proxy, port)
				one.say([]byte("hello"))
				other := r.accept(l)
				other.hear("hello")
				if first == "backend" {
					one, other = other, one
				}
				one.closeWrite()
				other.end()
				for range 3 {
					other.say([]byte("still here"))
					one.hear("still here")
				}
				other.closeWrite()
				one.end()
				until(t, "the session has ended", func() bool { return p.Stats().Active == 0 })
			})
		}
	}
}

// TestReset: a RST of one end is one to the other.
func TestReset(t *testing.T) {
	for _, f := range families {
		for _, first := range []string{"client", "backend"} {
			t.Run(first+" over IPv"+f.name, func(t *testing.T) {
				r := newRig(t, 1)
				l, to := r.listen(f.backend)
				p, port := r.proxy(Config{}, to)
				one := r.dial(f.proxy, port)
				one.say([]byte("hello"))
				other := r.accept(l)
				other.hear("hello")
				if first == "backend" {
					one, other = other, one
				}
				one.reset()
				other.broken(syscall.ECONNRESET)
				until(t, "the session has ended", func() bool { return p.Stats().Active == 0 })
				if st := p.Stats(); st.Resets != 1 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

// TestRefusedBackend: clients go to the one that answers; the other is not asked
// again before its pause is over, and then it is.
func TestRefusedBackend(t *testing.T) {
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			r := newRig(t, 1)
			gone, nobody := r.listen(f.backend)
			gone.Close()
			l, to := r.listen(f.backend)
			p, port := r.proxy(Config{RetryAfter: 300 * time.Millisecond}, nobody, to)
			for range 4 {
				client := r.dial(f.proxy, port)
				client.say([]byte("hello"))
				r.accept(l).hear("hello")
				client.Close()
			}
			bs := p.Stats().Listeners[0].Backends
			if bs[0].Failures != 1 || !bs[0].Down || bs[0].Connections != 0 || bs[1].Connections != 4 || bs[1].Down {
				t.Errorf("%+v", bs)
			}
			revived, err := r.b.Listen("tcp", nobody.String())
			if err != nil {
				t.Fatal(err)
			}
			defer revived.Close()
			until(t, "it is asked again", func() bool {
				client := r.dial(f.proxy, port)
				defer client.Close()
				client.say([]byte("hello"))
				until(t, "somebody was asked", func() bool {
					bs := p.Stats().Listeners[0].Backends
					return bs[0].Connections+bs[1].Connections > 4
				})
				return p.Stats().Listeners[0].Backends[0].Connections > 0
			})
			if p.Stats().Listeners[0].Backends[0].Down {
				t.Error("it answers, and is still said to be down")
			}
		})
	}
}

// TestNoBackend: with none left the client is reset, and counted.
func TestNoBackend(t *testing.T) {
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			r := newRig(t, 1)
			gone, nobody := r.listen(f.backend)
			gone.Close()
			p, port := r.proxy(Config{}, nobody, nobody)
			for range 2 { // refused at first, then known to be down
				r.dial(f.proxy, port).broken(syscall.ECONNRESET)
			}
			until(t, "the sessions have ended", func() bool { return p.Stats().Active == 0 })
			if st := p.Stats(); st.Unserved != 2 || st.Resets != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestSilentBackend: nobody has the address, or whoever has it does not answer. What the client has sent while it was
// waited for goes to the next, behind the header.
func TestSilentBackend(t *testing.T) {
	for _, f := range families {
		for _, there := range []bool{false, true} {
			t.Run(fmt.Sprintf("IPv%s, somebody is there: %v", f.name, there), func(t *testing.T) {
				r := newRig(t, 1)
				silent := nobody(f.backend)
				if there {
					_, silent = r.listen(f.backend)
					r.tapB.lose(0, 1, func(s *segment) bool { return s.dst == silent.Port() })
				}
				silentBackend(r, f.proxy, f.backend, f.name, silent)
			})
		}
	}
}

// nobody is an address next to a, which no host has.
func nobody(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a.Next().Next(), 80) }

func silentBackend(r *rig, at, backend netip.Addr, family string, silent netip.AddrPort) {
	t := r.t
	rng, _ := seeded(t)
	data := octets(rng, 20_000)
	l, to := r.listen(backend)
	p, port := r.proxy(Config{ConnectTimeout: 200 * time.Millisecond, Listeners: []Listener{{Header: HeaderV1}}}, silent, to)
	client := r.dial(at, port)
	client.say(data)
	client.closeWrite()
	server := r.accept(l)
	server.hear(wantV1(client, family))
	if server.sum() != sha256.Sum256(data) {
		t.Error("not what was sent")
	}
	bs := p.Stats().Listeners[0].Backends
	if bs[0].Failures != 1 || bs[1].Connections != 1 {
		t.Errorf("%+v", bs)
	}
}

// wantV1 is the header of a client's connection.
func wantV1(c *peer, family string) string {
	src := netip.MustParseAddrPort(c.LocalAddr().String())
	dst := netip.MustParseAddrPort(c.RemoteAddr().String())
	return fmt.Sprintf("PROXY TCP%s %s %s %d %d\r\n", family, src.Addr().Unmap(), dst.Addr().Unmap(), src.Port(), dst.Port())
}

// TestGoneWhileConnecting: a client that resets before there is a backend leaves nothing of what it
// sent: the host's end counts every frame.
func TestGoneWhileConnecting(t *testing.T) {
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			r := newRig(t, 1)
			p, port := r.proxy(Config{ConnectTimeout: time.Hour}, nobody(f.backend))
			client := r.dial(f.proxy, port)
			client.say(make([]byte, 20_000))
			until(t, "the proxy has it", func() bool { return p.Stats().ToBackends == 20_000 })
			client.reset()
			until(t, "the session has ended", func() bool { return p.Stats().Active == 0 })
			if n := held(t, r); n != 0 {
				t.Errorf("%d frames are held", n)
			}
		})
	}
}

// TestHeaderFirst: the first octets are the header's, whoever speaks first, and of
// whatever family the backend is.
func TestHeaderFirst(t *testing.T) {
	for _, in := range families {
		for _, out := range families {
			for _, h := range []Header{HeaderV1, HeaderV2} {
				t.Run(fmt.Sprintf("%s, IPv%s to IPv%s", h, in.name, out.name), func(t *testing.T) {
					r := newRig(t, 1)
					l, to := r.listen(out.backend)
					_, port := r.proxy(Config{Listeners: []Listener{{Header: h}}}, to)
					client := r.dial(in.proxy, port)
					server := r.accept(l)
					want := wantV1(client, in.name)
					if h == HeaderV2 {
						want = string(appendV2(nil, unmap(netip.MustParseAddrPort(client.LocalAddr().String())),
							unmap(netip.MustParseAddrPort(client.RemoteAddr().String()))))
					}
					server.hear(want)
					client.say([]byte("hello"))
					server.hear("hello")
					server.say([]byte("you"))
					client.hear("you")
				})
			}
		}
	}
}

// TestTimeouts: of a connection on which nothing comes, and of one half of which has
// ended.
func TestTimeouts(t *testing.T) {
	const short, long = 400 * time.Millisecond, time.Hour
	for _, c := range []struct {
		name string
		cfg  Config
		half bool
	}{
		{"idle", Config{IdleTimeout: short, HalfClosedTimeout: long}, false},
		{"half closed", Config{IdleTimeout: long, HalfClosedTimeout: short}, true},
	} {
		for _, f := range families {
			t.Run(c.name+" over IPv"+f.name, func(t *testing.T) {
				r := newRig(t, 1)
				l, to := r.listen(f.backend)
				p, port := r.proxy(c.cfg, to)
				client := r.dial(f.proxy, port)
				server := r.accept(l)
				began, last := time.Now(), time.Now()
				for time.Since(began) < 2*short { // what comes keeps it alive
					last = time.Now()
					client.say([]byte("x"))
					server.hear("x")
				}
				if c.half {
					client.closeWrite()
				}
				server.end()
				client.end()
				until(t, "it has ended", func() bool { return p.Stats().Active == 0 })
				if took := time.Since(last); took < short || p.Stats().TimedOut != 1 {
					t.Errorf("%v after the last octet: %+v", took, p.Stats())
				}
			})
		}
	}
}

// TestMaxConnections: those beyond it are reset, until one has ended.
func TestMaxConnections(t *testing.T) {
	r := newRig(t, 1)
	f := families[0]
	l, to := r.listen(f.backend)
	p, port := r.proxy(Config{MaxConnections: 2}, to)
	first := r.dial(f.proxy, port)
	server := r.accept(l)
	r.dial(f.proxy, port)
	r.accept(l)
	r.dial(f.proxy, port).broken(syscall.ECONNRESET)
	if st := p.Stats(); st.Refused != 1 || st.Accepted != 2 || st.Active != 2 {
		t.Errorf("%+v", st)
	}
	first.Close()
	server.end()
	server.Close()
	until(t, "the first has ended", func() bool { return p.Stats().Active == 1 })
	r.dial(f.proxy, port).say([]byte("x"))
	r.accept(l).hear("x")
}

// TestClose: what is under way may end within the grace, and is reset after it; nobody
// new is let in.
func TestClose(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			r := newRig(t, workers)
			f := families[1]
			l, to := r.listen(f.backend)
			p, port := r.proxy(Config{Grace: 300 * time.Millisecond}, to)
			soon, late := r.dial(f.proxy, port), r.dial(f.proxy, port)
			servers := [2]*peer{r.accept(l), r.accept(l)}
			closed := make(chan error)
			go func() { closed <- p.Close() }()
			until(t, "it is no more let in", func() bool {
				c, err := r.b.Dial("tcp", netip.AddrPortFrom(f.proxy, port).String())
				if err == nil {
					c.Close()
				}
				return err != nil
			})
			soon.say([]byte("x"))
			soon.closeWrite()
			for _, s := range servers {
				go func() {
					if n, _ := s.Read(make([]byte, 1)); n == 1 {
						s.Close()
					}
				}()
			}
			soon.end()
			late.broken(syscall.ECONNRESET)
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if n := p.Stats().Active; n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// TestPortInUse: the second proxy is refused, and leaves nothing.
func TestPortInUse(t *testing.T) {
	r := newRig(t, 2)
	_, to := r.listen(families[0].backend)
	_, port := r.proxy(Config{}, to)
	at := fmt.Sprintf(":%d", port)
	free := Listener{Address: "198.18.0.1:8080", Backends: []netip.AddrPort{to}}
	for range 2 { // the second time fails as the first: port 8080 is free again
		_, err := New(r.a, Config{Listeners: []Listener{free, {Address: at, Backends: free.Backends}}})
		if err == nil || !strings.Contains(err.Error(), at) || strings.Contains(err.Error(), "8080") {
			t.Errorf("%v", err)
		}
	}
}

// TestLoop: a proxy that is its own backend would carry one client until there is no more room.
func TestLoop(t *testing.T) {
	r := newRig(t, 1)
	own := netip.AddrPortFrom(hosttest.Addrs4[0], 8080)
	for _, address := range []string{":8080", own.String()} {
		_, err := New(r.a, Config{Listeners: []Listener{{Address: address, Backends: []netip.AddrPort{own}}}})
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "is the listener itself") {
			t.Errorf("%s: %v", address, err)
		}
	}
	next := Config{Listeners: []Listener{{Address: ":8081", Backends: []netip.AddrPort{own}}}}
	p, err := New(r.a, next) // another port of the same host is a backend like others
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestHostGoesFirst: its end is the sessions' too, also of one that waits with what its client sent; no frame is left.
func TestHostGoesFirst(t *testing.T) {
	r := newRig(t, 1)
	f := families[0]
	l, to := r.listen(f.backend)
	p, port := r.proxy(Config{}, to)
	r.dial(f.proxy, port)
	r.accept(l)
	waits, other := r.proxy(Config{ConnectTimeout: time.Hour}, nobody(f.backend))
	r.dial(f.proxy, other).say(make([]byte, 20_000))
	until(t, "the proxy has it", func() bool { return waits.Stats().ToBackends == 20_000 })
	if err := r.a.Close(); err != nil {
		t.Error(err)
	}
	if n, m := p.Stats().Active, waits.Stats().Active; n+m != 0 {
		t.Errorf("%d and %d sessions are left", n, m)
	}
}
