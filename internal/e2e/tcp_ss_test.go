package e2e

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/tcp"
)

// kernelSocket is a line of the kernel's ss on host b.
type kernelSocket struct {
	state       string
	recv, send  int
	local, peer netip.AddrPort
}

// kernelSockets are host b's connections to the stack.
func kernelSockets(t *testing.T, l *lab.Lab) (out []kernelSocket) {
	t.Helper()
	text, err := l.Host("b").Exec(t.Context(), testenv.Tool(t, "ss"), "-tanH")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] == "LISTEN" {
			continue
		}
		s := kernelSocket{state: f[0]}
		s.recv, err = strconv.Atoi(f[1])
		if err == nil {
			s.send, err = strconv.Atoi(f[2])
		}
		if err == nil {
			s.local, err = netip.ParseAddrPort(f[3])
		}
		if err == nil {
			s.peer, err = netip.ParseAddrPort(f[4])
		}
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, s)
	}
	return out
}

// theOtherEnd are the states that a connection may be in when the other end is in one of the kernel's.
var theOtherEnd = map[string][]tcp.State{
	"ESTAB":      {tcp.Established},
	"FIN-WAIT-2": {tcp.CloseWait, tcp.LastAck}, // LAST-ACK with data before the FIN
	"CLOSE-WAIT": {tcp.FinWait2},
}

// TestSSShowsWhatTheKernelSees: of each connection the same ends, states that go together, and in the queues what the other side
// has not read.
func TestSSShowsWhatTheKernelSees(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		idle := dial(t, l, at(l, family, echoPort))
		unread := dial(t, l, at(l, family, chargenPort))
		half := dial(t, l, at(l, family, chargenPort)) // unread, too
		p.stalled(2)
		if err := half.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := roundTrip(idle, "once"); err != nil {
			t.Fatal(err)
		}
		var theirs []kernelSocket
		var ours []xdpstack.SocketInfo
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
			theirs = kernelSockets(t, l)
			ours = p.sockets(connections)
			if slices.ContainsFunc(theirs, func(s kernelSocket) bool { return s.state == "FIN-WAIT-2" }) {
				break
			}
		}
		if len(theirs) != 3 || len(ours) != 3 {
			t.Fatalf("the kernel has %+v, the stack %+v", theirs, ours)
		}
		for _, k := range theirs {
			i := slices.IndexFunc(ours, func(s xdpstack.SocketInfo) bool { return s.Local == k.peer && s.Peer == k.local })
			if i < 0 {
				t.Errorf("the stack does not show %+v", k)
				continue
			}
			s := &ours[i]
			if !slices.ContainsFunc(theOtherEnd[k.state], func(want tcp.State) bool { return want.String() == s.State }) {
				t.Errorf("the kernel's end is in %s, the stack's in %s", k.state, s.State)
			}
			quiet := k.local == addrPort(idle.LocalAddr())
			if quiet != (s.SendQueue == 0) || quiet != (k.recv == 0) || s.RecvQueue != 0 {
				t.Errorf("the kernel shows %+v, the stack %+v", k, *s)
			}
			if s.Owner.PID != uint32(p.cmd.Process.Pid) || s.Owner.UID != 0 || s.MSS == 0 || s.RTO == 0 || s.Worker >= len(l.Host("a").Interfaces())*2 {
				t.Errorf("%+v", *s)
			}
		}
		for _, c := range []*net.TCPConn{idle, unread, half} {
			reset(c)
		}
		p.gone()
		listening(t, p)
		p.summary()
	})
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// listening checks that each worker has each listener, and nothing else but TIME-WAIT.
func listening(t *testing.T, p *process) {
	t.Helper()
	seen := map[[2]int]int{}
	for _, s := range p.sockets(func(s *xdpstack.SocketInfo) bool { return s.State == tcp.Listen.String() }) {
		seen[[2]int{s.Worker, int(s.Local.Port())}]++
		if s.Peer.Port() != 0 || s.RecvQueue != 0 || s.SendQueue == 0 {
			t.Errorf("a listener is shown as %+v", s)
		}
	}
	workers := len(p.stats().Workers)
	for w := range workers {
		for _, port := range []int{echoPort, discardPort, chargenPort} {
			if n := seen[[2]int{w, port}]; n != 1 {
				t.Errorf("worker %d listens %d times on port %d", w, n, port)
			}
		}
	}
}

// runOn runs the command on host a to its end.
func runOn(t *testing.T, l *lab.Lab, words ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	c := l.Host("a").Command(t.Context(), append([]string{command(t)}, words...)...)
	c.Env, c.Stderr = environment(), &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", words, err, &stderr)
	}
	return string(out)
}

// TestControlSocket: ss and stats as a user has them, and who may not.
func TestControlSocket(t *testing.T) {
	l := newLab(t)
	dir, err := os.MkdirTemp("", "xdpstack-e2e-") // t.TempDir's parents are private
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(command(t)), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "it.sock")
	p := serve(t, l, "--control", path)
	c := dial(t, l, at(l, 4, echoPort))
	if err := roundTrip(c, "hello"); err != nil {
		t.Fatal(err)
	}

	shown := runOn(t, l, "ss", "-ti", "--control", path)
	for _, want := range []string{"ESTABLISHED", c.LocalAddr().String(), c.RemoteAddr().String(), "pid=" + strconv.Itoa(p.cmd.Process.Pid), "LISTEN", "mss:1460"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	counted := strings.Fields(runOn(t, l, "stats", "--control", path))
	if i := slices.Index(counted, "stack.TCP.PassiveOpens"); i < 0 || counted[i+1] != "1" {
		t.Errorf("%q", counted)
	}

	refused(t, l, 6, []string{path + "x", "without --control"}, "ss", "--control", path+"x")
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	refusedBy(t, startAs(t, l, nobody, "ss", "--control", path), 3, []string{path, "root"})
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	refusedBy(t, startAs(t, l, nobody, "stats", "--control", path), 3, []string{path, "root"})

	p.kill()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("kill -9 left no file: %v", err)
	}
	refused(t, l, 6, []string{path, "no running xdpstack"}, "ss", "--control", path)
	p = serve(t, l, "--control", path) // takes the dead one's place
	runOn(t, l, "stats", "--control", path)
	p.summary()
	if _, err := os.Stat(path); err == nil {
		t.Error("the control socket is left")
	}
	clean(t, l)
}
