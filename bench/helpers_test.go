package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
)

// patience bounds every wait of these tests; short is how long a benchmark runs in them. Tests of other
// packages may fill both cores of a machine at the same time: what takes a tenth of a second alone was seen to
// take ten seconds then.
const (
	patience = 60 * time.Second
	short    = 300 * time.Millisecond
	// noise is how many packets the kernels of a lab may send of their own accord meanwhile:
	// router solicitations and multicast reports.
	noise = 50
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// tidyLab makes a lab, and checks when the test ends that nothing of a benchmark is left.
func tidyLab(t testing.TB, cfg lab.Config) *lab.Lab {
	t.Helper()
	l := labtest.New(t, cfg)
	before := descriptors(t)
	t.Cleanup(func() {
		for _, h := range l.Hosts() {
			for _, i := range h.Interfaces() {
				if id := attached(t, h, i.Name); id != 0 {
					t.Errorf("%s of %s still has XDP program %d", i.Name, h.Name(), id)
				}
			}
		}
		if after := descriptors(t); after != before {
			t.Errorf("open BPF objects, AF_XDP sockets and counters: %d before, %d after", before, after)
		}
	})
	return l
}

// descriptors counts those of the kinds that benchmarks open.
func descriptors(t testing.TB) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		for _, kind := range []string{"bpf", "perf_event", "memfd", "eventfd", "net:["} {
			if strings.Contains(target, kind) && !strings.Contains(target, "[eventpoll]") {
				n++
			}
		}
	}
	return n
}

func attached(t testing.TB, h *lab.Host, name string) (id uint32) {
	t.Helper()
	err := h.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err == nil && l.Attrs().Xdp != nil {
			id = l.Attrs().Xdp.ProgId
		}
		return err
	})
	if err != nil && !strings.Contains(err.Error(), "not found") {
		t.Fatal(err)
	}
	return id
}

// on runs a benchmark in a host.
func on(h *lab.Host, run func(context.Context, Config) (Result, error), ctx context.Context, cfg Config) (res Result, err error) {
	if cfg.Interfaces == nil {
		cfg.Interfaces = []string{h.Interface().Name}
	}
	if cfg.Log == nil {
		cfg.Log = quiet()
	}
	err = h.Do(func() (err error) {
		res, err = run(ctx, cfg)
		return err
	})
	return res, err
}

// bounded is a context that fails the test instead of hanging it.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// consistent checks what every result must hold to.
func consistent(t *testing.T, r *Result, duration time.Duration) {
	t.Helper()
	var packets, bytes, lost uint64
	share := 0.0
	for i, p := range r.Parts {
		packets, bytes, share = packets+p.Rate.Packets, bytes+p.Rate.Bytes, share+p.Share
		if p.Worker != i || p.Rate.Seconds < duration.Seconds()/2 {
			t.Errorf("worker %d of %d: %+v", i, len(r.Parts), p.Rate)
		}
	}
	for _, d := range r.Drops {
		lost += d.Packets
	}
	if packets != r.Sum.Packets || bytes != r.Sum.Bytes || lost != r.Dropped {
		t.Errorf("sums: %d packets of %d, %d bytes of %d, %d dropped of %d", packets, r.Sum.Packets, bytes, r.Sum.Bytes, lost, r.Dropped)
	}
	if packets > 0 && (share < 0.999 || share > 1.001) {
		t.Errorf("shares sum up to %g", share)
	}
	if r.Sum.Seconds < duration.Seconds() || r.Interrupted || r.Distance.Tag == "" {
		t.Errorf("%g s, interrupted %v, distance %+v", r.Sum.Seconds, r.Interrupted, r.Distance)
	}
	if c := &r.Cost; packets > 0 && c.CountersMissing == "" && (*c.Cycles <= 0 || *c.UserInstructions > *c.Instructions) {
		t.Errorf("cost: %+v", c)
	}
}

// countUDP counts datagrams at an address of a host's kernel, which has checked their checksums, by source port.
type countUDP struct {
	conn    *net.UDPConn
	total   atomic.Uint64
	flows   map[uint16]int
	wrong   int // of another length
	stopped chan struct{}
}

func newCountUDP(t *testing.T, h *lab.Host, at netip.AddrPort, size int) *countUDP {
	t.Helper()
	c, err := h.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	u := &countUDP{conn: c.(*net.UDPConn), flows: map[uint16]int{}, stopped: make(chan struct{})}
	if err := u.conn.SetReadBuffer(64 << 20); err != nil {
		t.Log(err)
	}
	go func() {
		defer close(u.stopped)
		buf := make([]byte, 4096)
		for {
			n, from, err := u.conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if n != size {
				u.wrong++
			}
			u.flows[from.Port()]++
			u.total.Add(1)
		}
	}()
	t.Cleanup(u.stop)
	return u
}

func (u *countUDP) stop() {
	_ = u.conn.Close() // a second time: fails, and that is all
	<-u.stopped
}

// until waits for a condition.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// echoServer is one of a host's kernel. change says what becomes of the n-th datagram: nil for no answer.
func kernelEcho(t *testing.T, h *lab.Host, at string, change func(n int, b []byte) []byte) {
	t.Helper()
	c, err := h.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		buf := make([]byte, 65536)
		for n := 0; ; n++ {
			size, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := change(n, buf[:size]); answer != nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-stopped
	})
}

func asItIs(_ int, b []byte) []byte { return b }

var families = []int{4, 6}

func familyName(family int) string { return fmt.Sprint("IPv", family) }
