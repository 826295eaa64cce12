package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/control"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/tcp"
)

// sendLimit is what a stream has in its send queue at most: stack.Limits.StreamSendBytes.
const sendLimit = 1 << 20

// TestPeersThatNeverRead: their windows close, what waits for them is bounded, others go on; when they read after
// all, nothing is missing.
func TestPeersThatNeverRead(t *testing.T) {
	const peers = 100
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		var lazy []*net.TCPConn
		for range peers {
			lazy = append(lazy, dial(t, l, at(l, family, chargenPort)))
		}
		waiting := p.stalled(peers)
		for i := range waiting {
			if s := &waiting[i]; s.SendQueue > sendLimit {
				t.Errorf("%d octets wait for %s, more than %d", s.SendQueue, s.Peer, sendLimit)
			}
		}
		othersGoOn(t, l, p, family)
		for _, c := range lazy[:10] {
			if err := compare(io.LimitReader(c, 4*sendLimit), io.LimitReader(&pattern{}, 4*sendLimit)); err != nil {
				t.Errorf("who reads after all: %v", err)
			}
		}
		for _, c := range lazy {
			reset(c)
		}
		p.gone()
		p.summary()
	})
}

// TestPeersThatOnlyWrite to an echo, and read nothing of what comes back: they are not read from any more.
func TestPeersThatOnlyWrite(t *testing.T) {
	const peers = 100
	eachLabAtOnce(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		trace(t, l)
		early := dial(t, l, at(l, family, echoPort)) // a large window was promised to it
		wrote := make([]int, peers)
		conns := make([]*net.TCPConn, peers)
		for i, err := range crowd(t.Context(), l, peers, func(ctx context.Context, i int, opened func()) (err error) {
			if conns[i], err = dialed(ctx, l, at(l, family, echoPort)); err == nil {
				opened()
				wrote[i], err = fill(conns[i])
			}
			return err
		}, func() {}) {
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		sum := 0
		for _, n := range wrote {
			sum += n
		}
		if most := peers * 16 << 20; sum > most {
			t.Errorf("%d octets were taken of who reads nothing", sum)
		}
		t.Logf("%d octets were taken of them, %d of the first", sum, wrote[0])
		othersGoOn(t, l, p, family)
		began := time.Now()
		if err := exchange(early, 2<<20, testenv.Seed(t)); err != nil {
			t.Errorf("who was there before: %v", err)
		}
		t.Logf("who was there before: 2 MB each way in %v", time.Since(began))
		for _, c := range conns[1:] {
			reset(c)
		}
		began = time.Now()
		_ = conns[0].SetDeadline(time.Now().Add(4 * patience))
		if n, err := io.CopyN(io.Discard, conns[0], int64(wrote[0])); err != nil {
			t.Errorf("who reads after all gets %d octets of %d: %v", n, wrote[0], err)
		}
		t.Logf("who reads after all has it in %v", time.Since(began))
		reset(conns[0])
		p.gone()
		p.summary()
	})
}

// othersGoOn while memory is short.
func othersGoOn(t *testing.T, l *lab.Lab, p *process, family int) {
	t.Helper()
	began := time.Now()
	if err := exchange(dial(t, l, at(l, family, echoPort)), 10<<20, testenv.Seed(t)); err != nil {
		t.Errorf("beside them: %v", err)
	}
	st := p.stats()
	t.Logf("beside them 10 MB each way in %v; %d probes of windows", time.Since(began), st.TCP.TCPWinProbe)
	for i := range st.Workers {
		w := &st.Workers[i]
		t.Logf("worker %d: %d frames free, %d kept; no frame to send %d times", i, w.Frames.Free, w.Frames.Stack, w.Stack.TCP.NoSendFrame)
	}
}

// stalled waits until n connections have something to send and get nothing through.
func (p *process) stalled(n int) []xdpstack.SocketInfo {
	p.t.Helper()
	var now []xdpstack.SocketInfo
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		before := p.stats()
		now = p.sockets(func(s *xdpstack.SocketInfo) bool { return s.SendQueue > 0 && s.State == tcp.Established.String() })
		if after := p.stats(); len(now) == n && after.TCP.TCPWinProbe > 0 && sent(&after) <= sent(&before)+uint64(n) {
			return now
		}
	}
	p.t.Fatalf("%d connections have something to send, not %d", len(now), n)
	return nil
}

// sent is how many octets the workers sent.
func sent(st *xdpstack.Stats) (sum uint64) {
	for i := range st.Workers {
		sum += st.Workers[i].Port.TxBytes
	}
	return sum
}

// fill writes until nothing is taken any more for a moment.
func fill(c net.Conn) (n int, err error) {
	for b := make([]byte, 64<<10); ; {
		_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		m, err := c.Write(b)
		if n += m; err != nil && isTimeout(err) {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// TestKilledClients: nc in the middle of much data, and of none. The kernel says RST, or FIN, in their stead.
func TestKilledClients(t *testing.T) {
	nc := testenv.Tool(t, "nc")
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		for _, port := range []int{chargenPort, echoPort, discardPort} {
			host := at(l, family, 0).Addr().String()
			c := l.Host("b").Command(t.Context(), nc, host, fmt.Sprint(port))
			in, err := c.StdinPipe() // kept open: nc ends with it
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			p.open(1)
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
			var exit *exec.ExitError
			if err := c.Wait(); !errors.As(err, &exit) {
				t.Errorf("nc to port %d ended by itself: %v", port, err)
			}
			p.gone()
		}
		p.summary()
	})
}

// open waits until n connections are established.
func (p *process) open(n int) []xdpstack.SocketInfo {
	p.t.Helper()
	var got []xdpstack.SocketInfo
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		got = p.sockets(func(s *xdpstack.SocketInfo) bool { return s.State == tcp.Established.String() })
		if len(got) == n {
			return got
		}
	}
	p.t.Fatalf("%d connections are established, not %d", len(got), n)
	return nil
}

// TestKilledServer: kill -9 of ours. The peer gets no answer, but the host stays reachable; the next start
// knows nothing of the connection, and says so.
func TestKilledServer(t *testing.T) {
	eachLabAtOnce(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		c := dial(t, l, at(l, family, echoPort))
		if err := roundTrip(c, "hello"); err != nil {
			t.Fatal(err)
		}
		p.kill()
		_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Write([]byte("are you there?")); err != nil {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 100)); !isTimeout(err) {
			t.Errorf("after kill -9 came %d octets, %v; want no answer", n, err)
		}
		answers(t, l, l.Host("a").Interface().KernelAddr(family), "the kernel after kill -9")
		clean(t, l)
		left := control.Path(p.cmd.Process.Pid)
		p = serve(t, l)
		if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the next start leaves the control socket of the killed: %v", err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 100)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the next start came %d octets, %v; want ECONNRESET", n, err)
		}
		if err := exchange(dial(t, l, at(l, family, echoPort)), 1<<20, testenv.Seed(t)); err != nil {
			t.Error(err)
		}
		p.gone()
		p.summary()
	})
}
