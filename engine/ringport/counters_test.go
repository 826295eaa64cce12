package ringport_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// counter returns a function that runs this test binary as a program and counts its
// instructions in user space: by perf where it counts, otherwise by callgrind.
func counter(t *testing.T) func(program string, turns int) uint64 {
	t.Helper()
	for _, how := range []func(*testing.T, string) (uint64, error){byPerf, byCallgrind} {
		if _, err := how(t, programs[0]+" 1"); err != nil {
			t.Log(err)
			continue
		}
		return func(program string, turns int) uint64 {
			n, err := how(t, fmt.Sprintf("%s %d", program, turns))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Skip("neither perf nor valgrind counts instructions here: sudo make setup")
	return nil
}

// itself is a command that runs this binary as the program.
func itself(work string, by ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(by[0], append(by[1:], exe)...)
	// One P and no collector: nothing but the loop.
	c.Env = append(os.Environ(), countVar+"="+work, "GOMAXPROCS=1", "GOGC=off")
	return c, nil
}

func byPerf(_ *testing.T, work string) (uint64, error) {
	c, err := itself(work, "perf", "stat", "-x", ",", "-e", "instructions:u", "--")
	if err != nil {
		return 0, err
	}
	out, err := c.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("perf: %w: %s", err, bytes.TrimSpace(out))
	}
	for _, line := range strings.Split(string(out), "\n") {
		if value, rest, ok := strings.Cut(line, ","); ok && strings.Contains(rest, "instructions") {
			return strconv.ParseUint(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("perf: no count in %q", out)
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

func byCallgrind(t *testing.T, work string) (uint64, error) {
	out := filepath.Join(t.TempDir(), "callgrind")
	c, err := itself(work, "valgrind", "--tool=callgrind", "--callgrind-out-file="+out)
	if err != nil {
		return 0, err
	}
	text, err := c.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("valgrind: %w: %s", err, bytes.TrimSpace(text))
	}
	m := collected.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("valgrind: no count in %q", text)
	}
	return strconv.ParseUint(string(m[1]), 10, 64)
}

// readGolden reads lines of a name and a figure; "go" has the version that they are of.
func readGolden(t *testing.T) map[string]float64 {
	t.Helper()
	figures := map[string]float64{}
	if *update {
		return figures
	}
	f, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			figures[name] = n
		}
	}
	return figures
}
