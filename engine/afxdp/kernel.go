package afxdp

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/mmap"
)

// kernel is the system calls of a socket. It is a seam: tests put in what real
// kernels rarely do.
type kernel interface {
	socket() (fd int, err error)
	setsockopt(fd, level, name int, value []byte) error
	getsockopt(fd, level, name int, value []byte) (n int, err error)
	mapRing(fd int, offset int64, size int) ([]byte, error)
	bind(fd int, addr *unix.SockaddrXDP) error

	// send drives the TX ring, wake the RX side. Neither blocks.
	send(fd int) unix.Errno
	wake(fd int) unix.Errno
}

// linux is the real one.
type linux struct{}

func (linux) socket() (int, error) {
	return unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
}

func (linux) setsockopt(fd, level, name int, value []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), 0)
	return asError(errno)
}

func (linux) getsockopt(fd, level, name int, value []byte) (int, error) {
	n := uint32(len(value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(unsafe.Pointer(&n)), 0)
	return int(n), asError(errno)
}

func (linux) mapRing(fd int, offset int64, size int) ([]byte, error) {
	return mmap.Shared(fd, offset, size)
}

func (linux) bind(fd int, addr *unix.SockaddrXDP) error { return unix.Bind(fd, addr) }

// send and wake are raw: see the package's documentation.

func (linux) send(fd int) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return errno
}

func (linux) wake(fd int) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return errno
}

func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
