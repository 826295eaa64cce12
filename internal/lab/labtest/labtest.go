package labtest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

var (
	sweep sync.Once
	count atomic.Int64
)

// New makes a lab for the duration of a test. An empty Name gets one that no other running test has.
func New(t testing.TB, cfg lab.Config) *lab.Lab {
	t.Helper()
	testenv.Root(t)
	sweep.Do(func() {
		if gone, err := lab.Sweep(); err != nil || len(gone) > 0 {
			t.Logf("removed labs %q of tests that were killed; error: %v", gone, err)
		}
	})
	if cfg.Name == "" {
		cfg.Name = Name()
	}
	l, err := lab.Up(cfg)
	if errors.Is(err, lab.ErrPermission) || errors.Is(err, lab.ErrKernel) {
		t.Skipf("left out: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Name returns a lab name that no other running test has.
func Name() string { return fmt.Sprintf("t%d-%d", os.Getpid(), count.Add(1)) }
