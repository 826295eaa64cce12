package control

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// dialEnv makes the test binary a client of the socket that it names: the tests run
// it again as another user.
const dialEnv = "XDPSTACK_TEST_DIAL"

// findEnv makes it look for sockets in the folder that it names.
const findEnv = "XDPSTACK_TEST_FIND"

func TestMain(m *testing.M) {
	if dir := os.Getenv(findEnv); dir != "" {
		if _, err := Find(dir); errors.Is(err, os.ErrPermission) {
			os.Exit(5)
		}
		os.Exit(1)
	}
	if path := os.Getenv(dialEnv); path != "" {
		os.Exit(dialOnce(path))
	}
	goleak.VerifyTestMain(m)
}

// dialOnce connects and asks; what it returns is the process's exit code.
func dialOnce(path string) int {
	c, err := net.Dial("unix", path)
	if err != nil {
		return 3
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /v1/stats HTTP/1.0\r\n\r\n")
	if all, _ := io.ReadAll(c); len(all) == 0 {
		return 4
	}
	return 0
}

type fakeHost struct {
	err     error
	sockets []xdpstack.SocketInfo
}

func (f *fakeHost) Stats() (xdpstack.Stats, error) {
	return xdpstack.Stats{Interface: "fake0", Workers: make([]xdpstack.WorkerStats, 2)}, f.err
}
func (f *fakeHost) Sockets() ([]xdpstack.SocketInfo, error) { return f.sockets, f.err }

var quiet = slog.New(slog.DiscardHandler)

func serve(t *testing.T, path string, h Host) *Server {
	t.Helper()
	s, err := Serve(path, h, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAnswers: what the host says is what a client hears, and the file is private.
func TestAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host", "7.sock")
	h := &fakeHost{sockets: []xdpstack.SocketInfo{{
		Worker: 1, Network: "tcp", State: "ESTABLISHED", RecvQueue: 5, SendQueue: 7, MSS: 1448,
		Local: netip.MustParseAddrPort("198.18.0.2:80"), Peer: netip.MustParseAddrPort("198.18.0.1:4000"),
		Owner: xdpstack.Owner{UID: 1, GID: 2, PID: 3},
	}}}
	s := serve(t, path, h)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("%v, %v; want mode %o", info, err, fileMode)
	}
	c := NewClient(path)
	got, err := c.Sockets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h.sockets, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	st, err := c.Stats(t.Context())
	if err != nil || st.Interface != "fake0" || len(st.Workers) != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	if found, err := Find(filepath.Dir(path)); err != nil || len(found) != 1 || found[0] != path {
		t.Errorf("found %v, %v", found, err)
	}
	h.err = xdpstack.ErrClosed
	if _, err := c.Stats(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a host that is closed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if _, err := c.Stats(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a server that is gone: %v", err)
	}
}

// TestDeadSocketIsReplaced: a killed process leaves its file; a living one keeps it.
func TestDeadSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "1.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir); !errors.Is(err, ErrNone) {
		t.Errorf("a dead socket was found: %v", err)
	}
	s := serve(t, path, &fakeHost{})
	if _, err := Serve(path, &fakeHost{}, quiet); !errors.Is(err, ErrInUse) {
		t.Error("two servers on one path")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLongPath: the kernel's "invalid argument" does not say that it is the length.
func TestLongPath(t *testing.T) {
	if _, err := Serve(filepath.Join(t.TempDir(), strings.Repeat("x", 120)), &fakeHost{}, quiet); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

// TestFilesAreNotReplaced: a path given by mistake costs nobody a file.
func TestFilesAreNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "1.sock")
	if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(path, &fakeHost{}, quiet); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("served in a file's place: %v", err)
	}
	if _, err := Find(dir); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); string(text) != "notes" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

// TestOthersAreRefused: another user gets no answer, even when the file would let him.
func TestOthersAreRefused(t *testing.T) {
	testenv.Root(t)
	dir, err := os.MkdirTemp("", "xdpstack-control-") // of t.TempDir the parents are private
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "1.sock")
	s := serve(t, path, &fakeHost{})
	binary := filepath.Join(dir, "client")
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(binary, text, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	ask := func(uid uint32, env ...string) int {
		cmd := exec.CommandContext(t.Context(), binary)
		cmd.Env = append(env, dialEnv+"="+path)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	}
	const stranger = 65534
	if code := ask(stranger); code != 3 {
		t.Errorf("a stranger connected to a private socket: %d", code)
	}
	if code := ask(stranger, findEnv+"="+dir); code != 5 {
		t.Errorf("a stranger who looks for hosts is not told whose they are: %d", code)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if code := ask(stranger); code != 4 {
		t.Errorf("a stranger was answered: %d", code)
	}
	if code := ask(0); code != 0 {
		t.Errorf("root was not answered: %d", code)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
