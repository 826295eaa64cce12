package lab

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// helperEnv makes the test binary a process that can be killed, a maker of labs, and tells it where the journal is.
const helperEnv = "XDPSTACK_LAB_TEST_HELPER"

// helper makes the lab named by the first argument, saying each point that it passes; at the point given second it waits to be
// killed. A third argument makes the lab persistent.
func helper(args []string) int {
	cfg := Config{Name: args[0], Persistent: len(args) > 2}
	_, err := up(cfg, func(point string) {
		fmt.Println(point)
		if point == args[1] {
			io.Copy(io.Discard, os.Stdin) // until the end of the test, should nobody kill this
			os.Exit(9)
		}
	})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// maker is a helper process.
type maker struct {
	cmd    *exec.Cmd
	points *bufio.Scanner
	stdin  io.Closer
}

func startMaker(t *testing.T, args ...string) *maker {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+journalDir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &maker{cmd, bufio.NewScanner(out), in}
	t.Cleanup(m.kill)
	return m
}

// reach reads on until the helper says the point, and returns all points up to it; without a point, all there are.
func (m *maker) reach(t *testing.T, point string) []string {
	t.Helper()
	var passed []string
	for m.points.Scan() {
		passed = append(passed, m.points.Text())
		if m.points.Text() == point {
			return passed
		}
	}
	if point != "" {
		t.Fatalf("the helper did not reach %q: %q", point, passed)
	}
	return passed
}

// kill is kill -9, and waits for the end. A second call does nothing.
func (m *maker) kill() {
	m.cmd.Process.Kill()
	m.stdin.Close()
	m.cmd.Wait()
}

var labs atomic.Int64

// testName returns a lab name of this test's own, and removes what is there under it when the test ends.
func testName(t *testing.T) string {
	t.Helper()
	testenv.Root(t)
	name := fmt.Sprintf("l%d-%d", os.Getpid(), labs.Add(1))
	t.Cleanup(func() {
		Down(name)
		wantNothing(t, name)
	})
	return name
}

func testLab(t *testing.T, cfg Config) *Lab {
	t.Helper()
	cfg.Name = testName(t)
	l, err := Up(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// traces lists whatever is left of a lab: names, mounts, records.
func traces(name string) []string {
	found, _ := filepath.Glob(namespacePath(namespaceName(name, "*")))
	records, _ := filepath.Glob(recordFile(name) + "*")
	found = append(found, records...)
	if _, err := os.Stat(scratchFile()); err == nil {
		found = append(found, scratchFile())
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, namespaceName(name, "")) {
			found = append(found, "mount "+line)
		}
	}
	return found
}

func wantNothing(t *testing.T, name string) {
	t.Helper()
	if left := traces(name); len(left) > 0 {
		t.Errorf("left of lab %s: %q", name, left)
	}
}

// ownLinks lists the interfaces in the namespace of the tests.
func ownLinks(t *testing.T) []string {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, "xs") || strings.HasPrefix(l.Attrs().Name, "xp") {
			names = append(names, l.Attrs().Name)
		}
	}
	slices.Sort(names)
	return names
}
