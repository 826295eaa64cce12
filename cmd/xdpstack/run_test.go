package main

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
)

// asker asks for the way of a packet, by SIGUSR1, while the first line is being
// written: what it asks is heard before Write returns, or never.
type asker struct {
	lines chan string
	asked bool
}

func (a *asker) Write(b []byte) (int, error) {
	if !a.asked {
		a.asked = true
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), syscall.SIGUSR1); err != nil {
			return 0, err
		}
	}
	a.lines <- string(b)
	return len(b), nil
}

// TestReadyMeansThatItListens: who reads that the stack is ready may send SIGUSR1 at
// once, and gets what the signal asks for.
func TestReadyMeansThatItListens(t *testing.T) {
	l := labtest.New(t, lab.Config{Queues: 1})
	itf := l.Host("a").Interface()
	ctx, cancel := context.WithCancel(t.Context())
	out, errOut := &asker{lines: make(chan string, 16)}, new(bytes.Buffer)
	root := newRootCmd(out, errOut)
	root.SetArgs([]string{"run", "--json", "-i", itf.Name, "--addr", itf.Stack4.String(), "--service", "echo"})
	ended := make(chan error, 1)
	go func() {
		ended <- l.Host("a").Do(func() error { return root.ExecuteContext(ctx) })
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%v: %s", err, errOut)
		}
	}()
	wantNext(t, out.lines, `"ready":true`, func() {})
	c, err := l.Host("b").Dial(t.Context(), "udp", itf.Stack4.Addr().String()+":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantNext(t, out.lines, `"stages"`, func() { _, _ = io.WriteString(c, "hello") })
}

// wantNext calls again, time after time, until there is a line; it must contain want.
func wantNext(t *testing.T, lines <-chan string, want string, again func()) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); ; {
		select {
		case line := <-lines:
			if !strings.Contains(line, want) {
				t.Fatalf("%q, want a line with %s", line, want)
			}
			return
		case <-tick.C:
			again()
		case <-limit:
			t.Fatalf("no line within 30 s, want one with %s", want)
		}
	}
}
