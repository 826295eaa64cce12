package contender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/proxy"
)

// The proxies. What they serve is a backend's.
const (
	Proxy   ServerKind = "proxy"   // this project's
	HAProxy ServerKind = "haproxy" // Debian's, on the kernel's sockets
)

// stackRouter is where the stack's way to other links begins, in a lab whose hub routes.
var stackRouter = netip.MustParseAddr("198.18.0.3")

// ServeProxy starts a proxy in host h, on core cpu alone, that sends all who come to HTTPPort to one
// backend. dir is for files of its own. It does not wait until it serves.
func ServeProxy(ctx context.Context, h *lab.Host, kind ServerKind, dir string, backend netip.AddrPort, cpu int) (*Process, error) {
	if kind == HAProxy {
		return haproxy(ctx, h, dir, backend, cpu)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("contender: %w", err)
	}
	return start(ctx, h, string(kind), self, childWord, string(kind), backend.String(), h.Interface().Name, strconv.Itoa(cpu))
}

// serveProxy is Proxy; backend takes the place of a directory.
func serveProxy(ctx context.Context, backend, name string, cpu int) (err error) {
	to, err := netip.ParseAddrPort(backend)
	if err != nil {
		return fmt.Errorf("%w: backend %q", ErrUsage, backend)
	}
	h, err := xdpstack.New(ctx, xdpstack.Config{
		Interface: name, Addresses: []netip.Prefix{stackPrefix}, Gateways: []netip.Addr{stackRouter}, CPUs: []int{cpu},
		Scheduling: engine.Dedicated, Poll: engine.Adaptive, Log: quiet(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	p, err := proxy.New(h, proxy.Config{Listeners: []proxy.Listener{
		{Address: fmt.Sprint(":", HTTPPort), Backends: []netip.AddrPort{to}},
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return h.Wait(ctx)
}

// haproxyConfig is for speed: one thread, no log, octets carried as they are. Its arguments are the port
// and the backend.
const haproxyConfig = `
global
	nbthread 1
	maxconn 4096
defaults
	mode tcp
	timeout connect 3s
	timeout client 5m
	timeout server 5m
listen http
	bind :%d
	server one %s
`

// haproxy starts HAProxy, with its configuration in dir.
func haproxy(ctx context.Context, h *lab.Host, dir string, backend netip.AddrPort, cpu int) (*Process, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, haproxyConfig, HTTPPort, backend), 0o644); err != nil {
		return nil, fmt.Errorf("contender: haproxy: %w", err)
	}
	return start(ctx, h, string(HAProxy), "taskset", "-c", strconv.Itoa(cpu), "haproxy", "-db", "-q", "-f", file)
}
