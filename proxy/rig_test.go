package proxy

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/internal/hosttest"
)

// TestMain fails when something outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a proxy on host a, and clients and backends on host b.
type rig struct {
	t    *testing.T
	a, b *xdpstack.Host
	tapA *tap // of the proxy's first worker
	tapB *tap
}

// newRig makes hosts; both ends of the first queue are tapped.
func newRig(t *testing.T, workers int, change ...func(c *xdpstack.Config)) *rig {
	t.Helper()
	da, db, err := mem.Cable(mem.CableConfig{Workers: workers, Frames: hosttest.Frames})
	if err != nil {
		t.Fatal(err)
	}
	ta, tb := newTapped(da), newTapped(db)
	return &rig{t: t, a: hosttest.New(t, 0, ta, change...), b: hosttest.New(t, 1, tb, change...), tapA: ta.taps[0], tapB: tb.taps[0]}
}

// families are addresses of the proxy and of the backends.
var families = []struct {
	name           string
	proxy, backend netip.Addr
}{
	{"4", hosttest.Addrs4[0], hosttest.Addrs4[1]},
	{"6", hosttest.Addrs6[0], hosttest.Addrs6[1]},
}

// listen makes a backend on host b.
func (r *rig) listen(addr netip.Addr) (net.Listener, netip.AddrPort) {
	r.t.Helper()
	l, err := r.b.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

// proxy starts one that listens on all addresses, and returns its port. It is closed
// when the test ends, and must have no session then that the test did not leave to it.
func (r *rig) proxy(cfg Config, to ...netip.AddrPort) (*Proxy, uint16) {
	r.t.Helper()
	if cfg.Listeners == nil {
		cfg.Listeners = []Listener{{}}
	}
	l := &cfg.Listeners[0]
	l.Address, l.Backends = ":0", to
	p, err := New(r.a, cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			r.t.Error(err)
		}
		if n := p.Stats().Active; n != 0 {
			r.t.Errorf("%d sessions after Close", n)
		}
	})
	return p, p.Addrs()[0].Port()
}

// dial makes a client.
func (r *rig) dial(addr netip.Addr, port uint16) *peer {
	r.t.Helper()
	c, err := r.b.DialContext(r.t.Context(), "tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		r.t.Fatal(err)
	}
	return r.manage(c)
}

// accept takes the next connection of a backend.
func (r *rig) accept(l net.Listener) *peer {
	r.t.Helper()
	type deadliner interface{ SetDeadline(time.Time) error }
	if d, ok := l.(deadliner); ok {
		_ = d.SetDeadline(time.Now().Add(patience))
	}
	c, err := l.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	return r.manage(c)
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// peer is a connection of ours with what net.TCPConn has besides.
type peer struct {
	net.Conn
	t *testing.T
}

func (r *rig) manage(c net.Conn) *peer {
	_ = c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { c.Close() })
	return &peer{c, r.t}
}

// closeWrite ends the sending half.
func (c *peer) closeWrite() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Error(err)
	}
}

// reset closes with a RST.
func (c *peer) reset() {
	c.t.Helper()
	if err := c.Conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		c.t.Error(err)
	}
	c.Close()
}

// say writes, from the test's goroutine or another.
func (c *peer) say(data []byte) {
	c.t.Helper()
	if _, err := c.Write(data); err != nil {
		c.t.Errorf("write: %v", err)
	}
}

// hear reads exactly what is wanted.
func (c *peer) hear(want string) {
	c.t.Helper()
	buf := make([]byte, len(want))
	if n, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		c.t.Errorf("heard %q, %v; want %q", buf[:n], err, want)
	}
}

// end reads EOF.
func (c *peer) end() {
	c.t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		c.t.Errorf("read: %d octets, %v; want EOF", n, err)
	}
}

// broken reads an error of the kind.
func (c *peer) broken(kind error) {
	c.t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, kind) {
		c.t.Errorf("read: %d octets, %v; want %v", n, err, kind)
	}
}

// sum reads to the end and returns the hash.
func (c *peer) sum() [sha256.Size]byte {
	c.t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, c); err != nil {
		c.t.Errorf("read: %v", err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// seeded returns the test's random source; TEST_SEED sets the seed, which is printed.
func seeded(t *testing.T) (*rand.Rand, uint64) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("TEST_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1)), seed
}

// octets are n random ones.
func octets(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// until waits for something that no event tells.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
