package xdp

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// childVar makes the test binary a child of a test, with the role that it names.
const childVar = "XDP_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role := os.Getenv(childVar); role {
	case "":
		before := bpfDescriptors()
		code := m.Run()
		if after := bpfDescriptors(); after != before {
			fmt.Fprintf(os.Stderr, "descriptors of BPF and sockets: %d before the tests, %d after\n", before, after)
			code = 1
		}
		os.Exit(code)
	case "attach":
		childAttach()
	case "no-capabilities":
		childWithoutCapabilities()
	default:
		fmt.Fprintln(os.Stderr, "no such child:", role)
	}
}

// bpfDescriptors counts this process's open maps, programs, links and AF_XDP sockets.
func bpfDescriptors() (n int) {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		target, _ := os.Readlink(fd)
		if strings.Contains(target, "bpf") || strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// childAttach attaches to the device "xd0" of the namespace that is descriptor 3, says so, and
// stays until it is killed or its standard input ends.
func childAttach() {
	runtime.LockOSThread()
	if err := netns.Set(netns.NsHandle(3)); err != nil {
		fmt.Println(err)
		return
	}
	l, err := netlink.LinkByName("xd0")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := Load(Config{Queues: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := p.Attach(l.Attrs().Index, Native); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("attached")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func childWithoutCapabilities() {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		fmt.Println(err)
		return
	}
	_, err := Load(Config{Queues: 1})
	fmt.Println(err)
}

// child starts the test binary in a role and returns the first line that it prints.
func child(t *testing.T, role string, files ...*os.File) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+role)
	cmd.ExtraFiles = files
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child %s ended silently: %v", role, err)
	}
	return cmd, strings.TrimSpace(line)
}

// namespace moves the test into a network namespace of its own with a veth pair, "xd0" and
// "xd1", and returns their indices. It goes when the test ends, or its process.
func namespace(t testing.TB, queues int) (near, far int) {
	t.Helper()
	testenv.Root(t)
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	away, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = away.Close()
		// A thread that cannot go home ends with the test's goroutine, still locked to it.
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		_ = home.Close()
	})
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.NumRxQueues, attrs.NumTxQueues = "xd0", queues, queues
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "xd1",
		PeerNumRxQueues: uint32(queues), PeerNumTxQueues: uint32(queues)}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	return up(t, "xd0"), up(t, "xd1")
}

func up(t testing.TB, name string) int {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Index
}

// load is Load for tests, closed with the test.
func load(t testing.TB, cfg Config) *Program {
	t.Helper()
	testenv.Root(t)
	p, err := Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// socket is an AF_XDP socket bound to nothing: enough for the map, and for the program.
func socket(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}
