package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Ports of the services that the benchmarks over TCP ask, besides EchoPort.
const (
	DiscardPort = 9  // RFC 863
	ChargenPort = 19 // RFC 864
)

// TCPServerConfig says what a TCPServer is.
type TCPServerConfig struct {
	// Addr is where it listens, on EchoPort, DiscardPort and ChargenPort; the zero Addr is all addresses.
	Addr netip.Addr
	// CPUs are the cores of its threads, in turns; nil does not pin them.
	CPUs []int
	// Threads gives each connection a thread that blocks, which answers a single one soonest; without it
	// one thread serves all by epoll(7).
	Threads bool
	// Busy has the thread of epoll look again and again instead of sleeping in the kernel.
	Busy bool
	// Ready is called when it listens; may be nil.
	Ready func()
}

// serverRoom is what a thread reads or writes at a time, at most.
const serverRoom = 256 << 10

// TCPServer serves echo, discard and chargen on the kernel's sockets, in the network namespace of the calling thread, until the
// context ends: what the stack's services are measured beside.
func TCPServer(ctx context.Context, cfg TCPServerConfig) (err error) {
	ctx, end := context.WithCancel(ctx)
	s := &tcpServer{cfg: &cfg, end: end, buf: characters(serverRoom)}
	if s.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, port := range []int{EchoPort, DiscardPort, ChargenPort} {
		if err := s.listen(port); err != nil {
			return fmt.Errorf("bench: listening on TCP port %d: %w", port, err)
		}
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer ns.Close()
	leave, err := enterThread(int(ns.Fd()), cfg.CPUs, 0)
	if err != nil {
		return err
	}
	defer leave()
	if cfg.Ready != nil {
		cfg.Ready()
	}
	return s.serve(ctx)
}

// tcpServer is a run of TCPServer.
type tcpServer struct {
	cfg     *TCPServerConfig
	end     func()
	poll    int
	conns   []*serverConn // by descriptor
	buf     []byte
	threads sync.WaitGroup
	count   int // of threads
}

// serverConn is a connection, or a listener.
type serverConn struct {
	fd, port int
	listens  bool
	writing  bool   // waits for room
	rest     []byte // of an echo
}

func (s *tcpServer) listen(port int) error {
	family, addr := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: port})
	switch a := s.cfg.Addr; {
	case a.Unmap().Is4():
		family, addr = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: a.Unmap().As4()}
	case a.IsValid():
		addr = &unix.SockaddrInet6{Port: port, Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err = s.add(&serverConn{fd: fd, port: port, listens: true}); err == nil {
		err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, addr), unix.Listen(fd, 1024))
	}
	return err
}

// add has the thread hear of c.
func (s *tcpServer) add(c *serverConn) error {
	for len(s.conns) <= c.fd {
		s.conns = append(s.conns, nil)
	}
	s.conns[c.fd] = c
	c.writing = c.port == ChargenPort && !c.listens
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: c.events(), Fd: int32(c.fd)})
}

func (c *serverConn) events() uint32 {
	if c.writing {
		return unix.EPOLLOUT
	}
	return unix.EPOLLIN
}

// want has the thread hear of room to write, or of something to read.
func (s *tcpServer) want(c *serverConn, writing bool) error {
	if c.writing == writing {
		return nil
	}
	c.writing = writing
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: c.events(), Fd: int32(c.fd)})
}

func (s *tcpServer) drop(c *serverConn) {
	s.conns[c.fd] = nil
	_ = unix.Close(c.fd) // which takes it off the poll, too
}

func (s *tcpServer) serve(ctx context.Context) error {
	events, pause := make([]unix.EpollEvent, 128), int(tick.Milliseconds())
	if s.cfg.Busy {
		pause = 0
	}
	for ctx.Err() == nil {
		n, err := unix.EpollWait(s.poll, events, pause)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("bench: epoll_wait: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			switch c := s.conns[e.Fd]; {
			case c == nil: // closed by an event before
			case c.listens:
				if err := s.accept(ctx, c); err != nil {
					return fmt.Errorf("bench: accept: %w", err)
				}
			case !s.step(c):
				s.drop(c)
			}
		}
	}
	return nil
}

// accept takes one connection: another that waits makes another event.
func (s *tcpServer) accept(ctx context.Context, l *serverConn) error {
	flags := unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	if s.cfg.Threads {
		flags = unix.SOCK_CLOEXEC
	}
	fd, _, err := unix.Accept4(l.fd, flags)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // of a socket that may have been reset: seen when it is read
	c := &serverConn{fd: fd, port: l.port}
	if !s.cfg.Threads {
		return s.add(c)
	}
	s.count++
	s.threads.Add(1)
	go s.alone(ctx, c, s.count)
	return nil
}

// alone serves one connection on a thread of its own.
func (s *tcpServer) alone(ctx context.Context, c *serverConn, number int) {
	defer s.threads.Done()
	defer unix.Close(c.fd)
	if len(s.cfg.CPUs) > 0 {
		unpin, _ := pinTo(s.cfg.CPUs[number%len(s.cfg.CPUs)]) // as the first thread was
		defer unpin()
	}
	pause := unix.NsecToTimeval(int64(tick))
	_ = unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &pause) // socket(7): allowed
	_ = unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &pause)
	for buf := characters(serverRoom); ctx.Err() == nil && c.step(buf); {
	}
}

// step does what is possible; false: the connection is over.
func (s *tcpServer) step(c *serverConn) bool {
	return c.step(s.buf) && s.want(c, c.port == ChargenPort || len(c.rest) > 0) == nil
}

func (c *serverConn) step(buf []byte) bool {
	switch {
	case c.port == ChargenPort:
		_, ok := done(unix.Write(c.fd, buf))
		return ok
	case len(c.rest) > 0:
		n, ok := done(unix.Write(c.fd, c.rest))
		c.rest = c.rest[n:]
		return ok
	}
	n, err := unix.Read(c.fd, buf)
	if n == 0 && err == nil { // the client sends no more
		return false
	}
	if n, ok := done(n, err); !ok || n == 0 || c.port == DiscardPort {
		return ok
	}
	sent, ok := done(unix.Write(c.fd, buf[:n]))
	if sent < n {
		c.rest = append(c.rest[:0:0], buf[sent:n]...)
	}
	return ok
}

// done reads what a read or a write returned; ok: the connection goes on.
func done(n int, err error) (passed int, ok bool) {
	return max(n, 0), err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// characters are lines of 72 printable ones (RFC 864), the beginning of each one further on.
func characters(n int) []byte {
	const first, many, line = ' ', 95, 72
	b := make([]byte, 0, n+line+2)
	for i := 0; len(b) < n; i++ {
		for j := range line {
			b = append(b, byte(first+(i+j)%many))
		}
		b = append(b, '\r', '\n')
	}
	return b[:n]
}

func (s *tcpServer) close() error {
	for _, c := range s.conns {
		if c != nil {
			s.drop(c)
		}
	}
	s.end()
	s.threads.Wait()
	return unix.Close(s.poll)
}
