package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// patience is how long a test waits for what must come, on a machine however slow or
// busy. What must come soon is held to that by the best of several tries.
const patience = 30 * time.Second

// built is the folder of the binary, once it is.
var built string

// binary builds the command once, as the README says, and returns its path.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "xdpstack-e2e-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "xdpstack")
	build := exec.Command("go", "build", "-o", path, "github.com/xdpstack/xdpstack/cmd/xdpstack")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// command is the path of the command under test.
func command(t testing.TB) string {
	t.Helper()
	testenv.Root(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is an xdpstack that runs in host a.
type process struct {
	t      testing.TB
	cmd    *lab.Cmd
	lines  chan string // of standard output, closed at its end
	stderr *bytes.Buffer
	ended  bool
}

// start starts the command on host a; it is killed when the test ends.
func start(t testing.TB, l *lab.Lab, words ...string) *process {
	t.Helper()
	return startAs(t, l, nil, words...)
}

// startAs is start as another user.
func startAs(t testing.TB, l *lab.Lab, user *syscall.Credential, words ...string) *process {
	t.Helper()
	p := &process{t: t, lines: make(chan string, 256), stderr: new(bytes.Buffer)}
	p.cmd = l.Host("a").Command(context.Background(), append([]string{command(t)}, words...)...)
	if user != nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	}
	p.cmd.Env, p.cmd.Stderr = environment(), p.stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		if !p.ended {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// environment is ours but for GOMAXPROCS: the command warns, in a line of its own, of
// one that its machine does not suit.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
}

// run starts "xdpstack run" with both families' addresses, and waits until it
// is ready.
func run(t testing.TB, l *lab.Lab, words ...string) *process {
	t.Helper()
	itf := l.Host("a").Interface()
	p := start(t, l, append([]string{
		"run", "--json", "-i", itf.Name, "--addr", itf.Stack4.String(), "--addr", itf.Stack6.String(),
		"--service", "echo",
	}, words...)...)
	if line := p.line(); !strings.Contains(line, `"ready":true`) {
		t.Fatalf("instead of being ready it says %q; standard error: %s", line, p.end())
	}
	return p
}

// line is the next line of standard output; empty when there is no more.
func (p *process) line() string {
	p.t.Helper()
	select {
	case s := <-p.lines:
		return s
	case <-time.After(patience):
		p.t.Fatalf("no line within %v", patience)
		return ""
	}
}

// end waits for the process and returns its standard error.
func (p *process) end() string {
	p.ended = true
	_ = p.cmd.Wait()
	return p.stderr.String()
}

// summary interrupts the process as Ctrl-C does and returns what it prints.
func (p *process) summary() (s struct {
	Seconds float64
	Stats   struct {
		Workers []struct {
			Port struct {
				RxPackets uint64 `json:"rx_packets"`
				TxPackets uint64 `json:"tx_packets"`
			}
			Drops []struct {
				Reason  string
				Packets uint64
			}
		}
	}
}) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	line := p.line()
	stderr := p.end()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("ended with %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		p.t.Fatalf("the summary is %q: %v", line, err)
	}
	return s
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.end()
}

// families are the two that every test is a table over.
var families = []struct {
	name          string
	stack, kernel func(*lab.Interface) netip.Addr
}{
	{"4", func(i *lab.Interface) netip.Addr { return i.Stack4.Addr() }, func(i *lab.Interface) netip.Addr { return i.Kernel4.Addr() }},
	{"6", func(i *lab.Interface) netip.Addr { return i.Stack6.Addr() }, func(i *lab.Interface) netip.Addr { return i.Kernel6.Addr() }},
}

// clean fails the test when a program is attached to the interface of host a.
func clean(t testing.TB, l *lab.Lab) {
	t.Helper()
	a := l.Host("a")
	err := a.Do(func() error {
		link, err := netlink.LinkByName(a.Interface().Name)
		if err != nil {
			return err
		}
		if x := link.Attrs().Xdp; x != nil && x.Attached {
			return fmt.Errorf("XDP program %d is still attached to %s", x.ProgId, a.Interface().Name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func newLab(t testing.TB) *lab.Lab { return labtest.New(t, lab.Config{}) }
