package httpd

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asker is a client on the event API that sends a request, waits for its response, and sends it again.
type asker struct {
	xdpstack.StreamEvents
	request []byte
	expect  int // octets of a response, once known
	got     int
	left    int
	done    chan error
}

func (a *asker) Opened(c *xdpstack.Stream) { a.ask(c) }

func (a *asker) ask(c *xdpstack.Stream) {
	a.got = 0
	if n, err := c.Send(a.request); err != nil || n < len(a.request) {
		a.end(fmt.Errorf("sent %d of %d: %w", n, len(a.request), err))
	}
}

func (a *asker) Data(c *xdpstack.Stream, segs []xdpstack.Segment) {
	for _, g := range segs {
		a.got += g.Len()
	}
	switch {
	case a.got < a.expect:
	case a.left == 0:
		_ = c.Close()
		a.end(nil)
	default:
		a.left--
		a.ask(c)
	}
}

func (a *asker) Closed(_ *xdpstack.Stream, err error) { a.end(err) }

func (a *asker) end(err error) {
	select {
	case a.done <- err:
	default:
	}
}

// askMany runs n requests on one connection.
func askMany(t testing.TB, h *xdpstack.Host, to netip.AddrPort, request string, expect, n int) {
	t.Helper()
	a := &asker{request: []byte(request), expect: expect, left: n - 1, done: make(chan error, 1)}
	if err := h.DialStream(to, a); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-a.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%d requests are left", a.left)
	}
}

// started has the server on host b. change alters the hosts' configuration.
func started(t testing.TB, cfg Config, change ...func(*xdpstack.Config)) (a *xdpstack.Host, to netip.AddrPort) {
	t.Helper()
	a, b := hosttest.Pair(t, 1, change...)
	cfg.Dir = folder(t)
	s, err := Start(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, netip.AddrPortFrom(hosttest.Addrs4[1], s.Addr().Port())
}

// TestTimeoutsOverHosts: the timers reach the connections.
func TestTimeoutsOverHosts(t *testing.T) {
	const soon = 400 * time.Millisecond
	a, to := started(t, Config{HeadTimeout: soon, IdleTimeout: soon, StallTimeout: soon, LingerTimeout: soon})
	for _, c := range []struct{ said, want string }{
		{"", ""}, {"GET /", "HTTP/1.1 408"}, {get("/a.txt"), "HTTP/1.1 200"}, {upload("hello")[:55], "HTTP/1.1 408"},
		{"nonsense\r\n\r\n", "HTTP/1.1 400"},
	} {
		conn, err := a.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, c.said); err != nil {
			t.Error(err)
		}
		got, err := io.ReadAll(conn) // the server ends it, though the client does not
		if err != nil || !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%q: %q, %v", c.said, got, err)
		}
		_ = conn.Close()
	}
}

// responseLength is that of a plain GET of a file.
func responseLength(t testing.TB, name string) int {
	t.Helper()
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	r.say(get(name))
	if !bytes.HasPrefix(r.s.out, []byte("HTTP/1.1 200 OK\r\n")) {
		t.Fatalf("%q", r.s.out)
	}
	return len(r.s.out)
}

// seldom: checking the ledger allocates.
func seldom(c *xdpstack.Config) { c.LedgerEvery = 0 }

// TestRequestsDoNotAllocate on their whole way: stack, server, stack; but once a second
// the file is looked at again.
func TestRequestsDoNotAllocate(t *testing.T) {
	a, to := started(t, Config{}, seldom)
	length := responseLength(t, "/a.txt")
	askMany(t, a, to, get("/a.txt"), length, 100)
	const n = 5000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	askMany(t, a, to, get("/a.txt"), length, n)
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / n; each > 0.1 {
		t.Errorf("%.2f allocations a request", each)
	}
}

func BenchmarkKeepAliveInMemory(b *testing.B) {
	a, to := started(b, Config{}, seldom)
	length := responseLength(b, "/a.txt")
	b.ReportAllocs()
	b.ResetTimer()
	askMany(b, a, to, get("/a.txt"), length, b.N)
}
