package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/umem"
)

// Proxy carries connections of clients to backends. Its methods may be called
// from any goroutine but not by handlers.
type Proxy struct {
	host      *xdpstack.Host
	listeners []*listener
	workers   []worker
	max       int64
	grace     time.Duration

	connect, idle, halfClosed, pause umem.Time

	accepted  atomic.Uint64
	refused   atomic.Uint64
	noBackend atomic.Uint64
	timedOut  atomic.Uint64
	resets    atomic.Uint64
	active    atomic.Int64

	closing  atomic.Bool
	idled    chan struct{} // told when no session is left, while closing
	once     sync.Once
	closeErr error
}

// listener is an address that clients come to.
type listener struct {
	Listener
	proxy    *Proxy
	server   *xdpstack.StreamServer
	backends *backends
}

// worker is what the proxy has on one of the host's.
type worker struct {
	first *session // the list of all, the worker's own

	toBackends, toClients atomic.Uint64 // octets received
	spilled               atomic.Uint64

	_ [32]byte // to a cache line
}

func (w *worker) add(s *session) {
	if s.next = w.first; s.next != nil {
		s.next.prev = s
	}
	w.first = s
}

func (w *worker) remove(s *session) {
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		w.first = s.next
	}
}

// New listens on the host and begins to carry. An error leaves nothing listening.
func New(host *xdpstack.Host, cfg Config) (*Proxy, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	p := &Proxy{
		host: host, workers: make([]worker, host.Workers()),
		max: int64(cfg.MaxConnections), grace: cfg.Grace,
		connect: umem.Time(cfg.ConnectTimeout), idle: umem.Time(cfg.IdleTimeout),
		halfClosed: umem.Time(cfg.HalfClosedTimeout), pause: umem.Time(cfg.RetryAfter),
		idled: make(chan struct{}, 1),
	}
	for _, l := range cfg.Listeners {
		one := &listener{Listener: l, proxy: p, backends: newBackends(l.Backends)}
		server, err := host.HandleStream(l.Network, l.Address, one.accept)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("proxy: listening on %s: %w", l.Address, err), p.Close())
		}
		one.server = server
		p.listeners = append(p.listeners, one)
		if i := slices.IndexFunc(l.Backends, one.is); i >= 0 {
			return nil, errors.Join(fmt.Errorf("proxy: %w: listener %s: backend %s is the listener itself", ErrConfig, l.Address, l.Backends[i]), p.Close())
		}
	}
	return p, nil
}

// is reports whether what is sent to an address comes back to the listener.
func (l *listener) is(to netip.AddrPort) bool {
	at := l.server.Addr()
	own := func(a netip.Prefix) bool { return a.Addr() == to.Addr() }
	return at.Port() == to.Port() && (at.Addr() == to.Addr() || at.Addr().IsUnspecified() && slices.ContainsFunc(l.proxy.host.Addresses(), own))
}

// accept gives a client its handler; nil resets it.
func (l *listener) accept(c *xdpstack.Stream) xdpstack.StreamHandler {
	p := l.proxy
	if p.active.Add(1) > p.max {
		p.ended()
		p.refused.Add(1)
		return nil
	}
	p.accepted.Add(1)
	return &newSession(l, c).client
}

// ended: one session less.
func (p *Proxy) ended() {
	if p.active.Add(-1) == 0 && p.closing.Load() {
		select {
		case p.idled <- struct{}{}:
		default:
		}
	}
}

// Addrs are the addresses that the proxy listens on, in the order of the configuration.
func (p *Proxy) Addrs() []netip.AddrPort {
	out := make([]netip.AddrPort, len(p.listeners))
	for i, l := range p.listeners {
		out[i] = l.server.Addr()
	}
	return out
}

// Close ends listening, lets connections go on for Config.Grace, and resets those
// that are left then. When it returns there is none.
func (p *Proxy) Close() error {
	p.once.Do(func() { p.closeErr = p.shut() })
	return p.closeErr
}

// resetEvery is how often Close asks the workers again: they may not have had
// room to hear it.
const resetEvery = 10 * time.Millisecond

func (p *Proxy) shut() (err error) {
	p.closing.Store(true)
	for _, l := range p.listeners {
		if e := l.server.Close(); !errors.Is(e, net.ErrClosed) { // the host has gone first
			err = errors.Join(err, e)
		}
	}
	for wait := p.grace; p.active.Load() > 0; wait = resetEvery {
		if wait > 0 {
			select {
			case <-p.idled:
			case <-time.After(wait):
			}
		}
		for i := range p.workers {
			p.host.Worker(i).Post(func() { p.workers[i].abort() })
		}
	}
	return err
}

// abort resets all sessions of a worker, and runs there.
func (w *worker) abort() {
	for s := w.first; s != nil; s = s.next {
		if s.phase != ending {
			s.abort()
		}
	}
}
