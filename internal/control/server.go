package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack"
)

// Dir is where sockets are unless somebody says otherwise.
const Dir = "/run/xdpstack"

// Path is the socket of a process.
func Path(pid int) string { return filepath.Join(Dir, strconv.Itoa(pid)+suffix) }

const suffix = ".sock"

// Host is what is looked into: an *xdpstack.Host.
type Host interface {
	Stats() (xdpstack.Stats, error)
	Sockets() ([]xdpstack.SocketInfo, error)
}

// Server answers on one socket.
type Server struct {
	path string
	http http.Server
	done chan struct{}
}

// Bounds on those who ask: there are few, and they are quick.
const (
	askTimeout = 5 * time.Second
	dirMode    = 0o700
	fileMode   = 0o600
)

// ErrInUse means that the path is somebody else's: a process answers on it, or it is
// no socket.
var ErrInUse = errors.New("in use")

// Serve listens at path until Close. A socket that a dead process left there is
// replaced; one that somebody answers on is an error, and so is any other file.
func Serve(path string, h Host, log *slog.Logger) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("control: %w: %s is no socket; choose another path", ErrInUse, path)
	}
	if filepath.Dir(path) == Dir {
		_, _ = Find(Dir) // which removes what killed processes left
	}
	if alive(path) {
		return nil, fmt.Errorf("control: %w: another process answers on %s; choose another path", ErrInUse, path)
	}
	l, err := listen(path)
	if err != nil {
		return nil, err
	}
	s := &Server{path: path, done: make(chan struct{})}
	s.http = http.Server{
		Handler: handler(h), ReadHeaderTimeout: askTimeout, WriteTimeout: askTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(guarded{l, log}); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket", "error", err)
		}
	}()
	return s, nil
}

// listen makes the socket with its mode from the first moment on: bound under a name that
// nobody knows, made private, and then renamed.
func listen(path string) (*net.UnixListener, error) {
	fresh := path + "." + strconv.Itoa(os.Getpid())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if errors.Is(err, unix.EINVAL) { // unix(7): 108 bytes of sun_path
		return nil, fmt.Errorf("control: %s: %w: too long for a socket's path; choose one of at most 90 bytes", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(fresh, fileMode); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control: %w", err), l.Close(), os.Remove(fresh))
	}
	return l, nil
}

// Close ends the server and removes its socket.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return errors.Join(err, os.Remove(s.path))
}

// handler answers GET for the two things there are to see.
func handler(h Host) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/stats", func(w http.ResponseWriter, _ *http.Request) {
		v, err := h.Stats()
		answer(w, v, err)
	})
	mux.HandleFunc("GET /v1/sockets", func(w http.ResponseWriter, _ *http.Request) {
		v, err := h.Sockets()
		if v == nil {
			v = []xdpstack.SocketInfo{}
		}
		answer(w, v, err)
	})
	return mux
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // it fails when the other side went away
}

// guarded lets in only the server's own user and root.
type guarded struct {
	*net.UnixListener
	log *slog.Logger
}

// Accept implements net.Listener.
func (g guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		cred, err := peer(c)
		if err == nil && allowed(cred.Uid) {
			return c, nil
		}
		g.log.Warn("control socket: refused", "uid", cred.Uid, "pid", cred.Pid, "error", err)
		_ = c.Close()
	}
}

// allowed reports whether a user may look: root, and who runs the host.
func allowed(uid uint32) bool { return uid == 0 || uid == uint32(os.Geteuid()) }

// peer asks the kernel who is at the other end: unix(7), SO_PEERCRED.
func peer(c *net.UnixConn) (cred unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return cred, err
	}
	var got *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil {
		return cred, cerr
	}
	if err != nil {
		return cred, err
	}
	return *got, nil
}

// alive reports whether somebody listens at path. A socket that nobody listens on is
// removed.
func alive(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return true
	}
	// A file that is no socket refuses as well, and is somebody's.
	if info, lerr := os.Lstat(path); errors.Is(err, unix.ECONNREFUSED) && lerr == nil && info.Mode().Type() == os.ModeSocket {
		_ = os.Remove(path)
	}
	return errors.Is(err, unix.EAGAIN) // its queue of connections is full: it lives
}
