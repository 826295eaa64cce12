package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/xdpstack/xdpstack/bench"
)

// TestBenchTCP asks the kernel's server on host b from the kernel of host a, and from the stack on it.
func TestBenchTCP(t *testing.T) {
	l, inA := benchLab(t)
	server := command(t, "lab", "exec", l.Name()+"/b", "--", "/proc/self/exe", "bench", "tcp-server")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if lines.Scan(); !strings.Contains(lines.Text(), "port 7") {
		t.Fatalf("%q", lines.Text())
	}
	for _, via := range []string{"kernel", "xdpstack -i xs0 --addr 198.18.0.2/24"} {
		for _, c := range []struct {
			words string
			port  int
		}{
			{"tcp-rr --connections 2 --size 100", 7}, {"tcp-stream", 9}, {"tcp-stream --direction in", 19}, {"tcp-crr --reset", 7},
		} {
			words := fmt.Sprintf("bench %s --to %s:%d --duration 200ms --interval 100ms --timeout 30s --stack %s --json", c.words, l.Host("b").Interface().KernelAddr(4), c.port, via)
			got := inA(strings.Fields(words)...)
			said := strings.Split(strings.TrimSpace(got.out), "\n")
			var v struct {
				Interval *bench.TCPInterval
				Result   *bench.TCPResult
			}
			if err := json.Unmarshal([]byte(said[len(said)-1]), &v); err != nil || got.code != exitOK || got.err != "" || v.Result == nil || v.Result.Octets == 0 {
				t.Errorf("%s: %+v: %v", words, got, err)
			}
		}
	}
	text := inA(strings.Fields(fmt.Sprintf("bench tcp-rr --to %s:7 --duration 200ms --interval 100ms --timeout 30s", l.Host("b").Interface().KernelAddr(4)))...)
	if text.code != exitOK || !strings.HasPrefix(text.out, bench.TCPHeader(false)) || !strings.Contains(text.out, "\nlatency ") {
		t.Errorf("%+v", text)
	}
	_ = server.Process.Signal(syscall.SIGINT)
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// TestBenchTCPServerInstead: --server is "bench tcp-server".
func TestBenchTCPServerInstead(t *testing.T) {
	_, inA := benchLab(t)
	wantLine(t, inA("bench", "tcp-rr", "--server", "--addr", "198.18.9.9"), exitUsage, "listening on TCP port 7")
}
