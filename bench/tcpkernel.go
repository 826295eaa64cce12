package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tick is how often a thread that waits in the kernel looks up: whether it is to stop, and how long it has waited.
const tick = 100 * time.Millisecond

// Ends of a thread of a client.
var (
	errStop    = errors.New("bench: it is to stop")
	errNothing = errors.New("no answer")
	errEnded   = errors.New("the server ended the connection")
	errMore    = errors.New("the server sent more than it was to")
)

// kernelThread drives sockets of the kernel with plain system calls that block: no poller is between them and the clock.
type kernelThread struct {
	run  *tcpRun
	lane *tcpLane
	addr unix.Sockaddr
	fds  []int
	buf  []byte
	info unix.TCPInfo
}

// startKernel starts the threads, and waits until they are connected: one for each connection, or, for
// transactions, one for all.
func (r *tcpRun) startKernel() (stop func() error, err error) {
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer ns.Close()
	threads, each := r.cfg.Connections, 1
	if r.test.name == "tcp-rr" {
		threads, each = 1, r.cfg.Connections
	}
	opened := make(chan error, threads)
	for i := range threads {
		k := &kernelThread{run: r, lane: r.newLane(), addr: sockaddr(r.cfg.To), buf: make([]byte, r.cfg.Size)}
		r.running.Add(1)
		go func() {
			defer r.running.Done()
			leave, err := enterThread(int(ns.Fd()), r.cfg.CPUs, i)
			if err == nil {
				defer leave()
				k.lane.count()
				err = k.open(each)
			}
			opened <- err
			if err == nil {
				err = r.explain(r.test.kernel(k))
			}
			k.close()
			r.fail(err)
		}()
	}
	for range threads {
		err = errors.Join(err, <-opened)
	}
	if err != nil {
		r.stopping.Store(true)
		r.running.Wait()
	}
	return func() error { return nil }, err
}

// enterThread gives the goroutine a thread in the network namespace ns, pinned to the i-th of cores, if any.
func enterThread(ns int, cpus []int, i int) (leave func(), err error) {
	runtime.LockOSThread()
	undo := []func(){runtime.UnlockOSThread}
	leave = func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	old, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		leave()
		return nil, fmt.Errorf("bench: %w", err)
	}
	undo = append(undo, func() { _ = old.Close() })
	var here, there unix.Stat_t
	if err = errors.Join(unix.Fstat(int(old.Fd()), &here), unix.Fstat(ns, &there)); err == nil && here.Ino != there.Ino {
		if err = unix.Setns(ns, unix.CLONE_NEWNET); err == nil {
			undo = append(undo, func() { _ = unix.Setns(int(old.Fd()), unix.CLONE_NEWNET) }) // it came from there: allowed
		}
	}
	if err == nil && len(cpus) > 0 {
		unpin, ok := pinTo(cpus[i%len(cpus)])
		undo = append(undo, unpin)
		if !ok {
			err = fmt.Errorf("%w: core %d is not one that this process may use", ErrConfig, cpus[i%len(cpus)])
		}
	}
	if err != nil {
		leave()
		return nil, fmt.Errorf("bench: a thread for the kernel's sockets: %w", err)
	}
	return leave, nil
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Unmap().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().Unmap().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// open connects n sockets.
func (k *kernelThread) open(n int) error {
	for range n {
		fd, err := k.dial(tick)
		if err != nil {
			return k.run.explain(err)
		}
		k.lane.mu.Lock()
		k.fds = append(k.fds, fd)
		k.lane.mu.Unlock()
	}
	k.lane.mu.Lock()
	k.lane.ask = k.asked
	k.lane.mu.Unlock()
	return nil
}

// dial connects a socket, whose calls block for a while at most.
func (k *kernelThread) dial(while time.Duration) (fd int, err error) {
	family := unix.AF_INET
	if _, is6 := k.addr.(*unix.SockaddrInet6); is6 {
		family = unix.AF_INET6
	}
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return fd, err
	}
	limit := unix.NsecToTimeval(int64(k.run.cfg.Timeout))
	pause := unix.NsecToTimeval(int64(while))
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit), // for connect, too (socket(7))
	)
	if err == nil {
		err = connect(fd, k.addr)
	}
	if err == nil && while != k.run.cfg.Timeout {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &pause)
	}
	if err == nil {
		err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &pause), unix.SetNonblock(fd, k.run.cfg.Busy))
	}
	if err != nil {
		_ = unix.Close(fd)
	}
	return fd, err
}

// connect is connect(2); interrupted by a signal, of which Go's runtime sends itself many, it goes on.
func connect(fd int, to unix.Sockaddr) error {
	for {
		switch err := unix.Connect(fd, to); {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EALREADY):
		case errors.Is(err, unix.EISCONN):
			return nil
		case errors.Is(err, unix.EINPROGRESS): // its time is over
			return unix.ETIMEDOUT
		default:
			return err
		}
	}
}

// close closes all sockets.
func (k *kernelThread) close() {
	k.lane.mu.Lock()
	defer k.lane.mu.Unlock()
	k.lane.ask = nil
	for _, fd := range k.fds {
		_ = unix.Close(fd)
	}
	k.fds = nil
}

// asked is what the kernel says of all sockets: octets that were acknowledged, and segments sent again.
func (k *kernelThread) asked() (acked, retransmits uint64) {
	var info unix.TCPInfo
	for _, fd := range k.fds {
		if tcpInfo(fd, &info) == nil {
			acked, retransmits = acked+info.Bytes_acked, retransmits+uint64(info.Total_retrans)
		}
	}
	return acked, retransmits
}

// tcpInfo is TCP_INFO of tcp(7), without an allocation.
func tcpInfo(fd int, info *unix.TCPInfo) error {
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// wait is what is done about an error of a read or a write that began at since, zero for now: nil to try again.
func (k *kernelThread) wait(err error, since *time.Time) error {
	switch err {
	case unix.EINTR:
		return nil
	case unix.EAGAIN:
		if k.run.stopping.Load() {
			return errStop
		}
		if now := time.Now(); since.IsZero() {
			*since = now
		} else if now.Sub(*since) > k.run.cfg.Timeout {
			return errNothing
		}
		return nil
	}
	return err
}

// read reads something.
func (k *kernelThread) read(fd int, b []byte) (int, error) {
	for since := (time.Time{}); ; {
		n, err := unix.Read(fd, b)
		if n > 0 {
			return n, nil
		}
		if err == nil {
			return 0, errEnded
		}
		if err := k.wait(err, &since); err != nil {
			return 0, err
		}
	}
}

// write writes all of b.
func (k *kernelThread) write(fd int, b []byte) error {
	for since := (time.Time{}); len(b) > 0; {
		n, err := unix.Write(fd, b)
		if n > 0 {
			b, since = b[n:], time.Time{}
			continue
		}
		if err := k.wait(err, &since); err != nil {
			return err
		}
	}
	return nil
}

// answer reads as much as was sent.
func (k *kernelThread) answer(fd int) error {
	for got := 0; got < len(k.buf); {
		n, err := k.read(fd, k.buf[got:])
		if err != nil {
			return err
		}
		got += n
	}
	return nil
}

// explain says what an error of a client means.
func (r *tcpRun) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, errStop):
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("bench: nobody listens at %s; start %s there: %w", r.cfg.To, r.test.server, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("bench: no port is left, since those of connections that ended are kept for a minute (TIME-WAIT); "+
			"end them by RST (--reset), or \"sysctl -w net.ipv4.tcp_max_tw_buckets=0\": %w", err)
	case errors.Is(err, errNothing):
		return fmt.Errorf("bench: %w from %s in %v", err, r.cfg.To, r.cfg.Timeout)
	}
	return fmt.Errorf("bench: %s of %s: %w", r.test.name, r.cfg.To, err)
}
