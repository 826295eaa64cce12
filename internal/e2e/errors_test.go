package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// refused runs the command on host a; it must end at once with the code, and one
// line that has all the words. Nothing may be left attached.
func refused(t *testing.T, l *lab.Lab, code int, want []string, words ...string) {
	t.Helper()
	p := start(t, l, words...)
	refusedBy(t, p, code, want)
}

func refusedBy(t *testing.T, p *process, code int, want []string) {
	t.Helper()
	for line := p.line(); line != ""; line = p.line() {
		t.Errorf("on standard output: %q", line)
	}
	stderr := strings.TrimSpace(p.end())
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	if strings.Contains(stderr, "\n") || stderr == "" {
		t.Errorf("not one line: %q", stderr)
	}
	for _, w := range want {
		if !strings.Contains(stderr, w) {
			t.Errorf("%q does not say %q", stderr, w)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	l := newLab(t)
	itf := l.Host("a").Interface()
	addr := itf.Stack4.String()
	file := filepath.Join(t.TempDir(), "run.yaml")
	if err := os.WriteFile(file, []byte("interface: xs0\naddr: [198.18.0.2/24]\nservices: [echo]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		code  int
		want  []string
		words []string
	}{
		{"no such interface", 6, []string{"nosuch0", "ip link"}, []string{"run", "-i", "nosuch0", "--addr", addr}},
		{"no interface", 2, []string{"-i"}, []string{"run", "--addr", addr}},
		{"no address", 2, []string{"no address"}, []string{"run", "-i", itf.Name}},
		{"not an address", 2, []string{"198.18.0.2", "prefix"}, []string{"run", "-i", itf.Name, "--addr", "198.18.0.2"}},
		{"unknown service", 2, []string{"ecko", "echo"}, []string{"run", "-i", itf.Name, "--addr", addr, "--service", "ecko"}},
		{"a service's address", 2, []string{"echo=:7"}, []string{"run", "-i", itf.Name, "--addr", addr, "--service", "echo=7"}},
		{"a service without its folder", 2, []string{"http=:80,FOLDER"}, []string{"run", "-i", itf.Name, "--addr", addr, "--service", "http=:80"}},
		{"a folder that is not there", 6, []string{"http", "no such file"}, []string{"run", "-i", itf.Name, "--addr", addr, "--service", "http=:80," + file + "x"}},
		{"two services on a port", 5, []string{"go-http", "address already in use"}, []string{"run", "-i", itf.Name, "--addr", addr,
			"--service", "http=:80," + filepath.Dir(file), "--service", "go-http=:80," + filepath.Dir(file)}},
		{"a service on an address that is not the stack's", 2, []string{"--addr"}, []string{"run", "-i", itf.Name, "--addr", addr, "--service", "echo=198.18.0.9:7"}},
		{"frames for the rings alone", 2, []string{"4096 at least"}, []string{"run", "-i", itf.Name, "--addr", addr, "--frames", "2048"}},
		{"more frames than memory", 2, []string{"take at most"}, []string{"run", "-i", itf.Name, "--addr", addr, "--frames", "1000000000"}},
		{"loopback", 2, []string{"127.0.0.1"}, []string{"run", "-i", itf.Name, "--addr", "127.0.0.1/8"}},
		{"a control socket in a file's place", 5, []string{"is no socket"}, []string{"run", "-i", itf.Name, "--addr", addr, "--control", file}},
		{"unknown mode", 2, []string{"fast", "zerocopy"}, []string{"run", "-i", itf.Name, "--addr", addr, "--mode", "fast"}},
		{"unknown poll", 2, []string{"lazy", "adaptive"}, []string{"run", "-i", itf.Name, "--addr", addr, "--poll", "lazy"}},
		{"unknown flag", 2, []string{"--adr", "--addr"}, []string{"run", "--adr", addr}},
		{"no such queue", 6, []string{"queue 7", "ethtool -L"}, []string{"run", "-i", itf.Name, "--addr", addr, "--queue", "7"}},
		{"gateway off link", 2, []string{"gateway", "198.19.0.1"}, []string{"run", "-i", itf.Name, "--addr", addr, "--gateway", "198.19.0.1"}},
		{"zero-copy on a veth", 4, []string{"zerocopy", "copy"}, []string{"run", "-i", itf.Name, "--addr", addr, "--mode", "zerocopy"}},
		{"the kernel's address", 5, []string{"ip addr del"}, []string{"run", "-i", itf.Name, "--addr", itf.Kernel4.String()}},
		{"the kernel's address of IPv6", 5, []string{"ip addr del"}, []string{"run", "-i", itf.Name, "--addr", itf.Kernel6.String()}},
		{"a neighbour's address", 5, []string{"in use", l.Host("b").Interface().MAC.String()}, []string{"run", "-i", itf.Name, "--addr", "198.18.0.1/24"}},
		{"a neighbour's address of IPv6", 5, []string{"in use", l.Host("b").Interface().MAC.String()}, []string{"run", "-i", itf.Name, "--addr", "2001:2::1/64"}},
		{"an unknown key", 2, []string{"line 3", "services"}, []string{"run", "-c", file}},
		{"no such file", 6, []string{"no such file"}, []string{"run", "-c", file + "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, l, c.code, c.want, c.words...)
			clean(t, l)
		})
	}
}

// TestASecondStackOnTheQueue is refused, and the first goes on.
func TestASecondStackOnTheQueue(t *testing.T) {
	l := newLab(t)
	p := run(t, l)
	itf := l.Host("a").Interface()
	refused(t, l, 5, []string{itf.Name}, "run", "-i", itf.Name, "--addr", "198.18.0.9/24")
	p.summary()
	clean(t, l)
}

// TestAForeignProgramStays: the interface carries somebody else's program.
func TestAForeignProgramStays(t *testing.T) {
	l := newLab(t)
	a := l.Host("a")
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "somebody", Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, // XDP_PASS
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	attached := func() (id uint32) {
		err := a.Do(func() error {
			link, err := netlink.LinkByName(a.Interface().Name)
			if err == nil && link.Attrs().Xdp != nil {
				id = link.Attrs().Xdp.ProgId
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	err = a.Do(func() error {
		link, err := netlink.LinkByName(a.Interface().Name)
		if err != nil {
			return err
		}
		return netlink.LinkSetXdpFd(link, prog.FD())
	})
	if err != nil {
		t.Fatal(err)
	}
	before := attached()
	refused(t, l, 5, []string{"somebody", "ip link set"}, "run", "-i", a.Interface().Name, "--addr", a.Interface().Stack4.String())
	if after := attached(); after != before || after == 0 {
		t.Errorf("program %d was attached, now %d", before, after)
	}
}

// TestWithoutRoot: the user nobody is told what is needed.
func TestWithoutRoot(t *testing.T) {
	l := newLab(t)
	path := command(t)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	itf := l.Host("a").Interface()
	p := startAs(t, l, &syscall.Credential{Uid: 65534, Gid: 65534}, "run", "-i", itf.Name, "--addr", itf.Stack4.String())
	refusedBy(t, p, 3, []string{"root"})
	clean(t, l)
}
