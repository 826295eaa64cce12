package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack"
)

// ErrNone means that no host was found to ask.
var ErrNone = errors.New(`no running xdpstack found; start one with "xdpstack run", or name its control socket`)

// Find lists the control sockets in dir that somebody answers on.
func Find(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	var out []string
	foreign := "" // another user's
	for _, path := range all {
		switch {
		case unix.Access(path, unix.W_OK) == unix.EACCES:
			foreign = path
		case alive(path):
			out = append(out, path)
		}
	}
	if len(out) == 0 && foreign != "" {
		return nil, (&Client{path: foreign}).explain(unix.EACCES)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("control: %s: %w", dir, ErrNone)
	}
	return out, nil
}

// Client asks the server of one socket.
type Client struct {
	path string
	http http.Client
}

// NewClient makes a client of the socket at path.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http.Timeout = askTimeout
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}
	return c
}

// Name is what tells this server from others: the process's number, as a rule.
func (c *Client) Name() string { return strings.TrimSuffix(filepath.Base(c.path), suffix) }

// Stats asks for the host's counters.
func (c *Client) Stats(ctx context.Context) (st xdpstack.Stats, err error) {
	return st, c.get(ctx, "stats", &st)
}

// Sockets asks for the host's sockets.
func (c *Client) Sockets(ctx context.Context) (out []xdpstack.SocketInfo, err error) {
	return out, c.get(ctx, "sockets", &out)
}

// largestAnswer bounds what is read: some 300 octets for each of a million sockets.
const largestAnswer = 512 << 20

func (c *Client) get(ctx context.Context, what string, into any) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host/v1/"+what, nil)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	a, err := c.http.Do(q)
	if err != nil {
		return c.explain(err)
	}
	defer a.Body.Close()
	body := io.LimitReader(a.Body, largestAnswer)
	if a.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(body, 1024))
		return fmt.Errorf("control: %s: %s: %s", c.path, a.Status, strings.TrimSpace(string(text)))
	}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("control: %s: %w", c.path, err)
	}
	return nil
}

// explain says what to do about the usual reasons.
func (c *Client) explain(err error) error {
	var errno unix.Errno
	switch errors.As(err, &errno); {
	case errors.Is(errno, os.ErrPermission):
		return fmt.Errorf("control: %s: %w; only root and the user who runs the host may look", c.path, errno)
	case errors.Is(errno, os.ErrNotExist):
		return fmt.Errorf("control: %s: %w; \"xdpstack ss\" without --control finds those that run", c.path, errno)
	case errno == unix.ECONNREFUSED: // a file that a process left that was killed
		return fmt.Errorf("control: %s: %w", c.path, ErrNone)
	case errors.Is(err, io.EOF), errno == unix.ECONNRESET, errno == unix.EPIPE: // as a server does to strangers
		return fmt.Errorf("control: %s: %w: the server hung up; only root and the user who runs the host may look", c.path, unix.EACCES)
	}
	return fmt.Errorf("control: %w", err)
}
