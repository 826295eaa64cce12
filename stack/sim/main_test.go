package sim

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// onlySeed runs one seed of a randomised test: what a failure prints.
var onlySeed = flag.Uint64("seed", 0, "run this seed alone")

// seeds are n seeds that follow each other, a tenth of them under the race detector;
// or the one that was asked for.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if *onlySeed != 0 {
		return []uint64{*onlySeed}
	}
	if raceDetector || testing.Short() {
		n = max(n/10, 3)
	}
	first := testenv.Seed(t) | 1
	list := make([]uint64, n)
	for i := range list {
		list[i] = first + uint64(i)
	}
	return list
}

// mustPass runs a scenario of datagrams.
func mustPass(t *testing.T, seed uint64, roomy bool) *scenario {
	t.Helper()
	return mustRun(t, seed, datagrams(roomy))
}

// builder makes the network of a seed, ready to run.
type builder[S interface{ run() error }] func(seed uint64, c *Capture) (S, error)

func datagrams(roomy bool) builder[*scenario] {
	return func(seed uint64, c *Capture) (*scenario, error) { return newScenario(seed, roomy, c) }
}

// mustRun runs what is built. When that fails it runs it again with a capture, which it
// names with the line that repeats the seed.
func mustRun[S interface{ run() error }](t *testing.T, seed uint64, build builder[S]) S {
	t.Helper()
	s, err := attempt(seed, build, nil)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, again(t, seed, build))
	}
	return s
}

// attempt builds and runs. A panic is a failure like others: its seed counts.
func attempt[S interface{ run() error }](seed uint64, build builder[S], c *Capture) (s S, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if s, err = build(seed, c); err != nil {
		return s, err
	}
	return s, s.run()
}

// again runs with a capture and says where that is.
func again[S interface{ run() error }](t *testing.T, seed uint64, build builder[S]) string {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	line := fmt.Sprintf("go test ./stack/sim -run '^%s$' -seed=%d", name, seed)
	f, err := os.CreateTemp("", "xdpstack-sim-*.pcapng")
	if err != nil {
		return line + "; no capture: " + err.Error()
	}
	c := NewCapture(f)
	_, _ = attempt(seed, build, c) // fails as it did before; the capture is what counts
	if err := f.Close(); err != nil || c.Err() != nil {
		return fmt.Sprintf("%s; no capture: %v, %v", line, err, c.Err())
	}
	return line + "; capture: " + f.Name()
}

// TestFailureNamesItsSeedAndCapture looks at what a failing scenario prints.
func TestFailureNamesItsSeedAndCapture(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	text := again(t, 42, datagrams(false))
	line, path, found := strings.Cut(text, "; capture: ")
	if !found || !strings.Contains(line, "-run '^TestFailureNamesItsSeedAndCapture$' -seed=42") {
		t.Fatalf("a failure prints %q", text)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 1000 || binary.LittleEndian.Uint32(b) != blockSection {
		t.Errorf("the capture has %d octets, %v", len(b), err)
	}
}
