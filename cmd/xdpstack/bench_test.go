package main

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
)

func TestWrongWordsOfBench(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"bench rxdorp", `did you mean "xdpstack bench rxdrop"?`},
		{"bench rxdrop", "-i eth1"},
		{"bench rxdrop -i lo --queues 1", "did you mean --queue?"},
		{"bench rxdrop -i lo --port dpdk", "there are afxdp and asavie"},
		{"bench rxdrop -i lo --mode fast", `"fast"`},
		{"bench rxdrop -i lo --poll never", `"never"`},
		{"bench rxdrop -i lo --scheduling mine", "dedicated and shared"},
		{"bench rxdrop -i lo --batch 0", "must not be 0"},
		{"bench rxdrop -i lo --batch 5000", "1 to 1024"},
		{"bench rxdrop -i lo --interval 1ms", "10 ms"},
		{"bench rxdrop -i lo --duration soon", `"soon"`},
		{"bench rxdrop -i lo --addr here", `"here"`},
		{"bench rxdrop -i lo -i xs0", "this benchmark takes 1"},
		{"bench rxdrop -i lo --size 64", "--size"},
		{"bench txonly -i lo --size 20", "the headers alone"},
		{"bench txonly -i lo --to 198.18.0.300", "--to"},
		{"bench txonly -i lo --from 198.18.0.1 --to 2001:2::1", "one family"},
		{"bench txonly -i lo --dst-mac 02:00", "--dst-mac"},
		{"bench txonly -i lo --flows 70000", "1 to 60000"},
		{"bench txonly -i lo --rate -1", "rate"},
		{"bench pktgen -i lo --via pigeon", "afxdp and live"},
		{"bench udp-echo", "--to IP:7"},
		{"bench udp-echo --to 198.18.0.1", "with its port"},
		{"bench udp-echo --to 198.18.0.1:7 --size 4", "16 to"},
		{"bench udp-echo --to 198.18.0.1:7 --outstanding 0", "must not be 0"},
		{"bench udp-echo -i lo --addr 198.18.0.2", "prefix length"},
		{"bench udp-echo -i lo --addr 198.18.0.2/24 --scheduling mine", "dedicated and shared"},
		{"bench tcp-rr", "say whom to ask"},
		{"bench tcp-rr --to 198.18.0.1", "with its port"},
		{"bench tcp-rr --to 198.18.0.1:7 --size 100000", "1 to 65536"},
		{"bench tcp-rr --to 198.18.0.1:7 --connections 0", "must not be 0"},
		{"bench tcp-rr --to 198.18.0.1:7 --stack mine", "kernel and xdpstack"},
		{"bench tcp-rr --to 198.18.0.1:7 -i lo", "--stack xdpstack"},
		{"bench tcp-rr --to 198.18.0.1:7 --stack xdpstack", "-i eth1"},
		{"bench tcp-crr --to 198.18.0.1:7 --size -1", "0 to 65536"},
		{"bench tcp-stream --to 198.18.0.1:9 --direction up", "out and in"},
		{"bench tcp-stream --to 198.18.0.1:9 --size 0", "must not be 0"},
		{"bench tcp-server --addr here", `"here"`},
		{"bench tcp-rr --server --addr 198.18.0.1 --addr 198.18.0.2", "one address"},
		{"bench table --rounds 0", "must not be 0"},
		{"bench table extra", "unknown command"},
	} {
		wantLine(t, inProcess(strings.Fields(c.words)...), exitUsage, "xdpstack: ", c.want)
	}
}

// benchLab is a lab of two queues; words run in host a of it.
func benchLab(t *testing.T) (l *lab.Lab, inA func(words ...string) said) {
	t.Helper()
	l = labtest.New(t, lab.Config{})
	return l, func(words ...string) said {
		var got said
		if err := l.Host("a").Do(func() error { got = inProcess(words...); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
}

func TestBenchOnWhatIsNotThere(t *testing.T) {
	_, inA := benchLab(t)
	wantLine(t, inA("bench", "rxdrop", "-i", "nix0"), exitNotFound, "nix0")
	wantLine(t, inA("bench", "rxdrop", "-i", "xs0", "--queue", "2"), exitNotFound, "ethtool -L")
	wantLine(t, inA("bench", "rxdrop", "-i", "xs0", "--mode", "zerocopy"), exitUnsupported, "zerocopy")
	wantLine(t, inA("bench", "rxdrop", "-i", "xs0", "--cpu", "0"), exitUsage, "2 workers")
	wantLine(t, inA("bench", "udp-echo", "-i", "nix0", "--addr", "198.18.0.2/24"), exitNotFound, "nix0")
	wantLine(t, inA("bench", "udp-echo", "-i", "xs0", "--addr", "198.18.0.3/24"), exitInUse, "198.18.0.3")
}

// TestBenchInUse: an interface that another run has is said to be so.
func TestBenchInUse(t *testing.T) {
	l, inA := benchLab(t)
	first := command(t, "lab", "exec", l.Name()+"/a", "--", "/proc/self/exe", "bench", "rxdrop", "-i", "xs0", "--interval", "50ms", "--duration", "0")
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // it measures
	wantLine(t, inA("bench", "txonly", "-i", "xs0"), exitInUse, "xs0")
	_ = first.Process.Signal(syscall.SIGINT)
	for lines.Scan() {
	}
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
}

func TestBenchForPeople(t *testing.T) {
	_, inA := benchLab(t)
	got := inA("bench", "txonly", "-i", "xs0", "--duration", "200ms", "--interval", "100ms", "--size", "100", "--flows", "4")
	lines := strings.Split(got.out, "\n")
	if got.code != exitOK || got.err != "" || len(lines) < 12 || lines[0] != bench.Header() || !strings.HasPrefix(lines[3], "[SUM]   0.00-0.10   sec") {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{"frames of 100 bytes", "bit/s", "cycles", "CPU 0", "CPU 1", "mode copy, XDP native"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	if !strings.Contains(got.out, "ns apart") && !strings.Contains(got.out, "they were too busy") {
		t.Errorf("no word on how far apart the cores are in\n%s", got.out)
	}
}

func TestBenchAsJSON(t *testing.T) {
	_, inA := benchLab(t)
	got := inA("bench", "rxdrop", "-i", "xs0", "--duration", "200ms", "--interval", "100ms", "--json", "--queue", "0", "--poll", "busy", "--batch", "32")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.code != exitOK || got.err != "" || len(lines) != 3 {
		t.Fatalf("%+v", got)
	}
	var v struct {
		Interval *bench.Interval
		Result   *bench.Result
	}
	for i, line := range lines {
		v.Interval, v.Result = nil, nil
		if err := json.Unmarshal([]byte(line), &v); err != nil || (v.Interval != nil) != (i < 2) || (v.Result != nil) != (i == 2) {
			t.Fatalf("line %d: %s: %v", i, line, err)
		}
	}
	if r := v.Result; r.Bench != "rxdrop" || r.Poll != "busy" || r.Batch != 32 || len(r.Parts) != 1 || r.Interrupted || r.Sum.Seconds < 0.2 {
		t.Errorf("%+v", r)
	}
}

// TestBenchEndsOnSignal: Ctrl-C ends a run with its summary, and a code that says that it was shorter than
// asked for; a run without end it just ends. On a machine of its own that takes a tenth of a second; the
// bound is for one whose cores other tests fill.
func TestBenchEndsOnSignal(t *testing.T) {
	l, _ := benchLab(t)
	for _, c := range []struct {
		words string
		code  int
	}{
		{"txonly -i xs0 --duration 1h", exitInterrupted},
		{"pktgen -i xs0", exitOK},
		{"pktgen -i xs0 --via live", exitOK},
		{"udp-echo -i xs0 --addr 198.18.0.2/24 --duration 0", exitOK},
	} {
		words := append([]string{"lab", "exec", l.Name() + "/a", "--", "/proc/self/exe", "bench"}, strings.Fields(c.words)...)
		cmd := command(t, append(words, "--interval", "50ms")...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan() // it measures
		var text strings.Builder
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
		}
		_ = cmd.Wait() // the code tells
		if took := time.Since(start); took > 30*time.Second || cmd.ProcessState.ExitCode() != c.code || !strings.Contains(text.String(), "\nrate ") {
			t.Errorf("%s: code %d after %v, want %d within 30 seconds, and a summary:\n%s", c.words, cmd.ProcessState.ExitCode(), took, c.code, text.String())
		}
	}
}

// TestBenchUDPEcho asks the kernel of host b through the stack of host a.
func TestBenchUDPEcho(t *testing.T) {
	l, inA := benchLab(t)
	to := netip.AddrPortFrom(l.Host("b").Interface().KernelAddr(4), bench.EchoPort).String()
	c, err := l.Host("b").ListenPacket("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		var buf [2048]byte
		for {
			n, from, err := c.ReadFrom(buf[:])
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	}()
	defer func() {
		_ = c.Close()
		<-stopped
	}()
	for _, words := range []string{"--to " + to, "-i xs0 --addr 198.18.0.2/24 --to " + to} {
		got := inA(strings.Fields("bench udp-echo --duration 200ms --interval 100ms --outstanding 2 --timeout 10s " + words)...)
		if got.code != exitOK || !strings.HasPrefix(got.out, bench.EchoHeader()) || !strings.Contains(got.out, "0 lost, 0 wrong") {
			t.Errorf("%s: %+v", words, got)
		}
	}
}
