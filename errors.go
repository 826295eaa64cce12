package xdpstack

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// Errors of a Host.
var (
	// ErrClosed is what calls on a closed host, or a socket of one, return
	// (wrapped in a *net.OpError where the net package would).
	ErrClosed = net.ErrClosed
	// ErrAddressInUse means that another host on the link has the address.
	ErrAddressInUse = errors.New("address in use")
	// ErrConfig means that the configuration contradicts itself.
	ErrConfig = errors.New("bad configuration")
)

// errnos are the system's names for the stack's errors: programs compare with
// errors.Is(err, syscall.ECONNREFUSED) as they do with the kernel's sockets.
var errnos = map[socket.Errno]syscall.Errno{
	socket.EFAULT:          syscall.EFAULT,
	socket.EBADF:           syscall.EBADF,
	socket.EMSGSIZE:        syscall.EMSGSIZE,
	socket.EADDRINUSE:      syscall.EADDRINUSE,
	socket.EADDRNOTAVAIL:   syscall.EADDRNOTAVAIL,
	socket.ECONNREFUSED:    syscall.ECONNREFUSED,
	socket.EHOSTUNREACH:    syscall.EHOSTUNREACH,
	socket.ENETUNREACH:     syscall.ENETUNREACH,
	socket.EAGAIN:          syscall.EAGAIN,
	socket.EINVAL:          syscall.EINVAL,
	socket.ENOBUFS:         syscall.ENOBUFS,
	socket.EISCONN:         syscall.EISCONN,
	socket.EDESTADDRREQ:    syscall.EDESTADDRREQ,
	socket.ENFILE:          syscall.ENFILE,
	socket.EACCES:          syscall.EACCES,
	socket.EAFNOSUPPORT:    syscall.EAFNOSUPPORT,
	socket.ENOPROTOOPT:     syscall.ENOPROTOOPT,
	socket.EPROTONOSUPPORT: syscall.EPROTONOSUPPORT,
	socket.ENOTCONN:        syscall.ENOTCONN,
	socket.ECONNRESET:      syscall.ECONNRESET,
	socket.EPIPE:           syscall.EPIPE,
	socket.ETIMEDOUT:       syscall.ETIMEDOUT,
	socket.EINPROGRESS:     syscall.EINPROGRESS,
	socket.EALREADY:        syscall.EALREADY,
	socket.ECONNABORTED:    syscall.ECONNABORTED,
	socket.EOPNOTSUPP:      syscall.EOPNOTSUPP,
}

// streamError is an error of the stack as the event API has it: a bare syscall.Errno, and
// net.ErrClosed for a handle that is closed. Others stay what they are. It allocates nothing.
func streamError(err error) error {
	e, ok := err.(socket.Errno)
	switch {
	case !ok:
		return err
	case e == socket.EBADF:
		return net.ErrClosed
	}
	return errnos[e]
}

// sysError turns an error of the stack into the system's, as the net package
// would have it: os.SyscallError around the errno.
func sysError(call string, err error) error {
	var e socket.Errno
	if !errors.As(err, &e) {
		return err
	}
	if n, ok := errnos[e]; ok {
		return os.NewSyscallError(call, n)
	}
	return fmt.Errorf("%s: %w", call, err)
}
