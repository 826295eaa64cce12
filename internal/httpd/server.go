package httpd

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/xdpstack/xdpstack"
)

// Config is what a server can be told. A zero field takes the default.
type Config struct {
	Network string // tcp (default), tcp4 or tcp6
	Address string // default ":80"
	Dir     string // whose files are served

	MaxBody int64 // octets of a body, beyond which 413 is answered; default 4 GiB

	HeadTimeout   time.Duration // for a request's head, from its first octet, and for the first request; default 10 s
	IdleTimeout   time.Duration // from a response to the next request; default 75 s
	StallTimeout  time.Duration // in which StallOctets must move of a body or a response; default 20 s
	StallOctets   int64         // default 4 KiB
	LingerTimeout time.Duration // from our FIN to the peer's; default 2 s
}

func (c *Config) complete() {
	fill(&c.Network, "tcp")
	fill(&c.Address, ":80")
	fill(&c.MaxBody, 4<<30)
	fill(&c.HeadTimeout, 10*time.Second)
	fill(&c.IdleTimeout, 75*time.Second)
	fill(&c.StallTimeout, 20*time.Second)
	fill(&c.StallOctets, 4<<10)
	fill(&c.LingerTimeout, 2*time.Second)
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server serves files on every worker of a host.
type Server struct {
	cfg      Config
	host     *xdpstack.Host
	disk     *disk
	workers  []*worker
	listener *xdpstack.StreamServer
	closing  chan struct{}
	once     sync.Once
	closeErr error
}

// Start listens and serves until Close. The errors are those of os.OpenRoot and of
// Host.HandleStream.
func Start(host *xdpstack.Host, cfg Config) (*Server, error) {
	cfg.complete()
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	s := &Server{cfg: cfg, host: host, disk: newDisk(root), closing: make(chan struct{})}
	for range host.Workers() {
		s.workers = append(s.workers, newWorker(&s.cfg, s.disk))
	}
	s.listener, err = host.HandleStream(cfg.Network, cfg.Address, s.accept)
	if err != nil {
		return nil, errors.Join(err, s.disk.close())
	}
	return s, nil
}

// accept runs on the worker of the new connection.
func (s *Server) accept(c *xdpstack.Stream) xdpstack.StreamHandler {
	w := s.workers[c.Worker().ID()]
	if w.closed {
		return nil
	}
	return newHandler(s, w, c)
}

// Addr is the address that the server listens on.
func (s *Server) Addr() netip.AddrPort { return s.listener.Addr() }

// post has run called on the worker. It waits while too much is posted there already;
// false: the server is closed.
func (s *Server) post(w *xdpstack.Worker, run func()) bool {
	for !w.Post(run) {
		select {
		case <-s.closing:
			return false
		case <-time.After(later):
		}
	}
	return true
}

// shutTime is how long Close waits for a worker, which may have ended meanwhile.
const shutTime = time.Second

// Close ends listening and resets the connections that there are.
func (s *Server) Close() error {
	s.once.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Server) close() error {
	close(s.closing)
	err := s.listener.Close()
	for i, w := range s.workers {
		done := make(chan struct{})
		posted := s.host.Worker(i).Post(func() {
			w.shut()
			close(done)
		})
		if !posted {
			continue
		}
		select {
		case <-done:
		case <-time.After(shutTime):
		}
	}
	return errors.Join(err, s.disk.close())
}
