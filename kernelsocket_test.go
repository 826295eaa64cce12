package xdpstack

import (
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// kernelOutcome runs a program on the kernel's sockets, in a network namespace of its own.
func kernelOutcome(t *testing.T, v4 bool, program func(y *system)) string {
	done := make(chan string, 1)
	go func() {
		defer func() { done <- "the program did not end" }()
		runtime.LockOSThread() // for good: the thread ends with its namespace
		if err := ownNamespace(); err != nil {
			t.Error(err)
			return
		}
		y := &system{addr: netip.MustParseAddr("::1"), trace: &strings.Builder{}, settle: func() {}}
		if v4 {
			y.addr = netip.MustParseAddr("127.0.0.1")
		}
		y.free = netip.AddrPortFrom(y.addr, 9)
		y.open = func(stream bool) calls { return newKernelSocket(t, v4, stream) }
		y.listen = listenerOf(t, y)
		y.silent = func() netip.AddrPort { return silentListener(t, y) }
		program(y)
		done <- y.trace.String()
	}()
	return within(t, "the kernel's outcome", done)
}

// ownNamespace moves the thread to a namespace whose loopback device is up.
func ownNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// silentListener has a full queue, and so drops what comes.
func silentListener(t *testing.T, y *system) netip.AddrPort {
	l := y.open(true)
	if err := errors.Join(l.bind(netip.AddrPortFrom(y.addr, 0)), l.listen(0)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c := y.open(true)
		c.nonblock()
		_ = c.connect(l.local())
	}
	return l.local()
}

// kernelSocket is one of the kernel's as calls.
type kernelSocket struct{ fd int }

func newKernelSocket(t *testing.T, v4, stream bool) calls {
	family, kind := unix.AF_INET6, unix.SOCK_DGRAM
	if v4 {
		family = unix.AF_INET
	}
	if stream {
		kind = unix.SOCK_STREAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := &kernelSocket{fd}
	t.Cleanup(func() { _ = k.close() })
	return k
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (k *kernelSocket) bind(to netip.AddrPort) error    { return unix.Bind(k.fd, sockaddr(to)) }
func (k *kernelSocket) listen(n int) error              { return unix.Listen(k.fd, n) }
func (k *kernelSocket) connect(to netip.AddrPort) error { return unix.Connect(k.fd, sockaddr(to)) }
func (k *kernelSocket) shutdown(how int) error          { return unix.Shutdown(k.fd, how) }
func (k *kernelSocket) nonblock()                       { _ = unix.SetNonblock(k.fd, true) }

func (k *kernelSocket) accept() (calls, error) {
	fd, _, err := unix.Accept4(k.fd, unix.SOCK_CLOEXEC)
	return &kernelSocket{fd}, err
}

func (k *kernelSocket) send(b string, f socket.Flags) (int, error) {
	return unix.SendmsgN(k.fd, []byte(b), nil, nil, kernelFlags(f)|unix.MSG_NOSIGNAL)
}

func (k *kernelSocket) recv(n int, f socket.Flags) (string, error) {
	b := make([]byte, n)
	n, _, _, _, err := unix.Recvmsg(k.fd, b, nil, kernelFlags(f))
	return string(b[:max(n, 0)]), err
}

func kernelFlags(f socket.Flags) (out int) {
	for ours, theirs := range map[socket.Flags]int{
		socket.Peek: unix.MSG_PEEK, socket.DontWait: unix.MSG_DONTWAIT, socket.More: unix.MSG_MORE, socket.WaitAll: unix.MSG_WAITALL,
	} {
		if f&ours != 0 {
			out |= theirs
		}
	}
	return out
}

func (k *kernelSocket) local() netip.AddrPort {
	sa, _ := unix.Getsockname(k.fd)
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

func (k *kernelSocket) close() error {
	if k.fd < 0 {
		return unix.EBADF
	}
	err := unix.Close(k.fd)
	k.fd = -1
	return err
}
