package engine_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain fails when a descriptor or a goroutine is left at the end.
func TestMain(m *testing.M) {
	startPoller()
	before := descriptors()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if after := descriptors(); code == 0 && len(after) > len(before) {
			fmt.Fprintf(os.Stderr, "engine: descriptors at the start %q, at the end %q\n", before, after)
			code = 1
		}
		os.Exit(code)
	}))
}

// startPoller makes Go's netpoller open what it keeps open.
func startPoller() {
	if r, w, err := os.Pipe(); err == nil {
		_ = r.SetReadDeadline(time.Now())
		_, _ = r.Read(make([]byte, 1))
		_ = r.Close()
		_ = w.Close()
	}
}

// descriptors says what the open ones are.
func descriptors() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open = append(open, link)
		}
	}
	return open
}
