package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/control"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/stack/tcp"
)

// The ports of RFC 862 to 864.
const (
	echoPort    = 7
	discardPort = 9
	chargenPort = 19
)

// eachLab runs a test in labs of one queue, and so of one worker, and of two, with both families in each.
func eachLab(t *testing.T, test func(t *testing.T, l *lab.Lab, family int)) {
	for queues := 1; queues <= 2; queues++ {
		l := labtest.New(t, lab.Config{Queues: queues})
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("IPv%d, workers %d", family, queues), func(t *testing.T) { test(t, l, family) })
		}
		clean(t, l)
	}
}

// eachLabAtOnce is eachLab with a lab for each, all at the same time.
func eachLabAtOnce(t *testing.T, test func(t *testing.T, l *lab.Lab, family int)) {
	command(t)
	for queues := 1; queues <= 2; queues++ {
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("IPv%d, workers %d", family, queues), func(t *testing.T) {
				t.Parallel()
				l := labtest.New(t, lab.Config{Queues: queues})
				test(t, l, family)
				clean(t, l)
			})
		}
	}
}

// serve runs the stack on host a with the small services over TCP and UDP.
func serve(t testing.TB, l *lab.Lab, words ...string) *process {
	t.Helper()
	return run(t, l, append([]string{"--service", "discard", "--service", "chargen"}, words...)...)
}

// at is a port of the stack on host a.
func at(l *lab.Lab, family int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(l.Host("a").Interface().StackAddr(family), port)
}

// dial connects the kernel of host b to the stack; the connection is closed when the test ends, if not before.
func dial(t testing.TB, l *lab.Lab, to netip.AddrPort) *net.TCPConn {
	t.Helper()
	c, err := dialed(t.Context(), l, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialed is dial for goroutines other than the test's. All that is done on the connection must be over in time.
func dialed(ctx context.Context, l *lab.Lab, to netip.AddrPort) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := l.Host("b").Dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(4 * patience))
}

// random are octets without end that a seed determines.
func random(seed uint64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

// halfCloser is a net.Conn whose directions end apart: the kernel's and ours.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// exchange sends n octets to an echo, ends the direction, and reads until the echo ends its own: octet by octet
// what was sent.
func exchange(c halfCloser, n int64, seed uint64) error {
	wrote := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{c}, io.LimitReader(random(seed), n), make([]byte, 128<<10))
		wrote <- errors.Join(err, c.CloseWrite())
	}()
	err := compare(c, io.LimitReader(random(seed), n))
	if err != nil {
		_ = c.Close() // or the writer would wait for ever
	}
	return errors.Join(err, <-wrote)
}

// compare reads both to their ends.
func compare(got, want io.Reader) error {
	g, w := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := int64(0); ; {
		n, err := got.Read(g)
		if _, werr := io.ReadFull(want, w[:n]); werr != nil {
			return fmt.Errorf("more came than was sent: %d octets at %d", n, off)
		}
		if !bytes.Equal(g[:n], w[:n]) {
			i := 0
			for g[i] == w[i] {
				i++
			}
			return fmt.Errorf("octet %d is %#x, not %#x", off+int64(i), g[i], w[i])
		}
		off += int64(n)
		switch {
		case err == io.EOF:
			if n, _ := want.Read(w); n > 0 {
				return fmt.Errorf("the end comes after %d octets, too early", off)
			}
			return nil
		case err != nil:
			return fmt.Errorf("after %d octets: %w", off, err)
		}
	}
}

// control looks into the process by its control socket.
func (p *process) control() *control.Client {
	return control.NewClient(control.Path(p.cmd.Process.Pid))
}

// sockets are the process's TCP sockets that keep has nothing against.
func (p *process) sockets(keep func(*xdpstack.SocketInfo) bool) []xdpstack.SocketInfo {
	p.t.Helper()
	all, err := p.control().Sockets(p.t.Context())
	if err != nil {
		p.t.Fatalf("%v; %s", err, p.stderr)
	}
	return slices.DeleteFunc(all, func(s xdpstack.SocketInfo) bool { return s.Network != "tcp" || !keep(&s) })
}

// connections are the sockets that something still happens on: neither listeners nor those that only wait until old segments
// have died out.
func connections(s *xdpstack.SocketInfo) bool {
	return s.State != tcp.Listen.String() && s.State != tcp.TimeWait.String()
}

// gone waits until the process has no connection any more.
func (p *process) gone() {
	p.t.Helper()
	var left []xdpstack.SocketInfo
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if left = p.sockets(connections); len(left) == 0 {
			return
		}
	}
	p.t.Errorf("%d connections are left: %+v", len(left), left[:min(len(left), 4)])
}

// stats are the process's counters now.
func (p *process) stats() xdpstack.Stats {
	p.t.Helper()
	st, err := p.control().Stats(p.t.Context())
	if err != nil {
		p.t.Fatalf("%v; %s", err, p.stderr)
	}
	return st
}

// reset closes a connection without leaving its port in TIME-WAIT.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// trace has tcpdump write what host b's interface sees into a file named by the environment, for who looks for an error.
func trace(t testing.TB, l *lab.Lab) {
	dir := os.Getenv("XDPSTACK_TEST_PCAP")
	if dir == "" {
		return
	}
	name := dir + "/" + strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()) + ".pcap"
	ctx, cancel := context.WithCancel(context.Background())
	c := l.Host("b").Command(ctx, "tcpdump", "-i", l.Host("b").Interface().Name, "-s", "100", "-U", "-w", name)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
	})
}
