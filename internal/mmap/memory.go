package mmap

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// HugePage is the size of a huge page in bytes, on amd64 and on arm64 with base
// pages of 4 KiB.
const HugePage = 2 << 20

// ErrSize: the size is not positive.
var ErrSize = errors.New("mmap: the size must be positive")

// Pages says which pages a Memory is made of.
type Pages uint8

// The choices.
const (
	Normal Pages = iota // the machine's base pages
	Huge                // huge pages where there are enough, otherwise Normal and a reason
)

// Memory is a piece of anonymous memory behind a descriptor.
type Memory struct {
	b      []byte
	fd     int
	huge   bool
	reason error
}

// New maps at least size bytes, rounded up to whole pages, all zero and all present.
// The name is what /proc/PID/maps shows. It fails with ENOMEM where the machine lacks
// the memory.
func New(name string, size int, pages Pages) (*Memory, error) {
	if size <= 0 {
		return nil, fmt.Errorf("%w: %d", ErrSize, size)
	}
	if pages == Normal {
		return create(name, roundUp(size, os.Getpagesize()), 0)
	}
	m, reason := create(name, roundUp(size, HugePage), unix.MFD_HUGETLB|unix.MFD_HUGE_2MB)
	if reason == nil {
		m.huge = true
		return m, nil
	}
	m, err := create(name, roundUp(size, os.Getpagesize()), 0)
	if err != nil {
		return nil, err
	}
	m.reason = fmt.Errorf("no huge pages: %w; \"sysctl vm.nr_hugepages=%d\" reserves them", reason, roundUp(size, HugePage)/HugePage)
	return m, nil
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

func create(name string, size, flags int) (*Memory, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|flags)
	if err != nil {
		return nil, fmt.Errorf("mmap: memfd_create: %w", err)
	}
	m := &Memory{fd: fd}
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, errors.Join(fmt.Errorf("mmap: %d bytes: %w", size, err), m.Close())
	}
	if m.b, err = Shared(fd, 0, size); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Bytes is the memory. It must not be touched after Close.
func (m *Memory) Bytes() []byte { return m.b }

// FD is the descriptor of the memory. It stays the Memory's.
func (m *Memory) FD() int { return m.fd }

// Huge reports whether the memory consists of huge pages.
func (m *Memory) Huge() bool { return m.huge }

// Reason is why huge pages were asked for and not given; nil when they were, or
// were not asked for.
func (m *Memory) Reason() error { return m.reason }

// Close unmaps the memory and closes its descriptor. Pages that the kernel has
// pinned live on until it lets go of them. A second Close does nothing.
func (m *Memory) Close() error {
	if m.fd < 0 {
		return nil
	}
	err := errors.Join(Unmap(m.b), unix.Close(m.fd))
	m.b, m.fd = nil, -1
	return err
}

// Shared maps size bytes of a descriptor from offset on, readable and writable,
// shared with the kernel, all pages present.
func Shared(fd int, offset int64, size int) ([]byte, error) {
	b, err := unix.Mmap(fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mmap: %d bytes at %#x: %w", size, offset, err)
	}
	return b, nil
}

// Unmap undoes Shared. The empty slice is no mapping, and no error.
func Unmap(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := unix.Munmap(b); err != nil {
		return fmt.Errorf("mmap: unmapping %d bytes: %w", len(b), err)
	}
	return nil
}
