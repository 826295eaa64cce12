package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
)

// talkTo sends a datagram from host b to a service and returns the answer, nil
// when none comes in time.
func talkTo(t *testing.T, l *lab.Lab, to netip.AddrPort, data string, wait time.Duration) []byte {
	t.Helper()
	c, err := l.Host("b").Dial(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	n, err := c.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// TestServices from a configuration file, whose words a flag overrules.
func TestServices(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "run.yaml")
	text := "interface: xs0\naddr:\n  - 198.18.0.2/24\n  - 2001:2::2/64\nservice: [echo, discard, chargen]\npoll: busy\nscheduling: shared\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, l, "run", "--json", "-c", file, "--poll", "interrupt")
	if line := p.line(); !strings.Contains(line, `"ready":true`) {
		t.Fatalf("%q; %s", line, p.end())
	}
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			at := func(port uint16) netip.AddrPort {
				return netip.AddrPortFrom(f.stack(l.Host("a").Interface()), port)
			}
			if got := talkTo(t, l, at(7), "hello", patience); string(got) != "hello" {
				t.Errorf("echo: %q", got)
			}
			if got := talkTo(t, l, at(9), "hello", 500*time.Millisecond); got != nil {
				t.Errorf("discard answered %q", got)
			}
			if got := talkTo(t, l, at(19), "hello", patience); len(got) == 0 || len(got) > 512 || got[0] != ' ' {
				t.Errorf("chargen: %d octets %q", len(got), got)
			}
		})
	}
	if s := p.summary(); len(s.Stats.Workers) != 2 {
		t.Errorf("%d workers", len(s.Stats.Workers))
	}
	clean(t, l)
}

// TestLifeOfAPacket: SIGUSR1 asks for it, traffic brings it.
func TestLifeOfAPacket(t *testing.T) {
	l := newLab(t)
	p := run(t, l, "--queue", "0", "--queue", "1")
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(l.Host("a").Interface().Stack4.Addr(), 7)
	for deadline := time.Now().Add(patience); len(p.lines) == 0 && time.Now().Before(deadline); {
		talkTo(t, l, to, "hello", time.Second)
	}
	var life struct {
		Bytes  int
		Stages []struct {
			Stage string
			At    int64 `json:"at_ns"`
		}
	}
	if err := json.Unmarshal([]byte(p.line()), &life); err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for _, s := range life.Stages {
		if s.At < last {
			t.Errorf("%s at %d ns comes before the stage before it", s.Stage, s.At)
		}
		last = s.At
	}
	if len(life.Stages) != 7 || last == 0 || life.Bytes == 0 {
		t.Errorf("%+v", life)
	}
}

// TestEndsAtOnce: after Ctrl-C the stack has printed its summary and is gone within a
// second. A busy machine may hold up one end, but not five.
func TestEndsAtOnce(t *testing.T) {
	l := newLab(t)
	const limit = time.Second
	best := patience
	for try := 0; try < 5 && best > limit; try++ {
		p := run(t, l)
		began := time.Now()
		p.summary()
		best = min(best, time.Since(began))
	}
	if best > limit {
		t.Errorf("ending took %v at best, want %v", best, limit)
	}
	clean(t, l)
}

// TestGateway: the stack answers somebody off its link through the gateway.
func TestGateway(t *testing.T) {
	l := newLab(t)
	b := l.Host("b")
	for i, f := range families {
		far := []string{"198.19.0.1/32", "2001:2:0:ffff::1/128"}[i]
		t.Run("IPv"+f.name, func(t *testing.T) {
			addr := netip.MustParsePrefix(far)
			err := b.Do(func() error {
				lo, err := netlink.LinkByName("lo")
				if err != nil {
					return err
				}
				a, err := netlink.ParseAddr(far)
				if err != nil {
					return err
				}
				a.Flags = syscall.IFA_F_NODAD
				return netlink.AddrAdd(lo, a)
			})
			if err != nil {
				t.Fatal(err)
			}
			gateway := f.kernel(b.Interface())
			p := run(t, l, "--gateway", gateway.String())
			defer p.summary()
			c, err := b.ListenPacket("udp", netip.AddrPortFrom(addr.Addr(), 0).String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.stack(l.Host("a").Interface()), 7))
			buf := make([]byte, 100)
			for try := range 5 {
				_ = c.SetDeadline(time.Now().Add(time.Second))
				if _, err := c.WriteTo([]byte("from afar"), to); err != nil {
					t.Fatal(err)
				}
				n, _, err := c.ReadFrom(buf)
				if err == nil && string(buf[:n]) == "from afar" {
					return
				}
				t.Logf("try %d: %q, %v", try, buf[:n], err)
			}
			t.Error("no answer through the gateway")
		})
	}
}

// TestDemo: everything that the demo shows is there, in half a minute, and
// nothing is left behind. The half minute is for a machine that does nothing else;
// here half of it is the most that its benchmarks may measure.
func TestDemo(t *testing.T) {
	path := command(t)
	if runtime.NumCPU() < 2 {
		t.Skip("left out: the demo's benchmarks need two cores")
	}
	l := labtest.New(t, lab.Config{}) // somewhere to start it from: it makes its own
	before := demoLabs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	demo := l.Host("b").Command(ctx, path, "demo", "--json")
	demo.Env = environment()
	var stderr bytes.Buffer
	demo.Stderr = &stderr
	out, err := demo.Output()
	if err != nil {
		t.Fatalf("%v: %s: %s", err, stderr.Bytes(), out)
	}
	var r struct {
		Ping    []struct{ Sent, Lost int }
		Echo    []struct{ Sent, Lost int } `json:"udp_echo"`
		Shares  []struct{ Received uint64 }
		Life    struct{ Stages []struct{} } `json:"life_of_a_packet"`
		Benches []struct {
			Sum struct {
				Packets uint64
				Seconds float64
			}
		} `json:"benchmarks"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(r.Ping) != 2 || len(r.Echo) != 2 || len(r.Shares) != 2 || len(r.Life.Stages) == 0 || len(r.Benches) < 3 {
		t.Errorf("something is missing: %s", out)
	}
	for _, p := range append(r.Ping, r.Echo...) {
		if p.Sent == 0 || p.Lost > 0 {
			t.Errorf("%d sent, %d lost", p.Sent, p.Lost)
		}
	}
	seconds := 0.0
	for i, b := range r.Benches {
		seconds += b.Sum.Seconds
		if b.Sum.Packets == 0 {
			t.Errorf("benchmark %d passed no packet", i)
		}
	}
	if seconds == 0 || seconds > 15 {
		t.Errorf("benchmarks of %g s in all", seconds)
	}
	for _, name := range demoLabs(t) {
		if !slices.Contains(before, name) {
			t.Errorf("lab %s is left", name)
		}
	}
}

// demoLabs are the labs that demos have made.
func demoLabs(t *testing.T) (names []string) {
	t.Helper()
	labs, err := lab.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range labs {
		if strings.HasPrefix(s.Name, "demo-") {
			names = append(names, s.Name)
		}
	}
	return names
}
