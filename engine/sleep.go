package engine

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/umem"
)

// A sleeper blocks a worker until one of its ports is readable, someone calls wake, or
// time is up.
type sleeper interface {
	// wait blocks for at most d, for ever when d is umem.Never. It reports whether something
	// other than the time ended it. It may end early.
	wait(d umem.Time) bool
	// wake ends the wait, now or of the next call. From any goroutine.
	wake()
	close() error
}

// newSleeper makes the kind that suits the mode: see the package comment.
func newSleeper(mode Mode, ports []Port) (sleeper, error) {
	e, err := newEvent()
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, p := range ports {
		if fd := p.FD(); fd >= 0 {
			fds = append(fds, fd)
		}
	}
	if mode == Dedicated {
		return newThreadSleeper(e, fds), nil
	}
	return newPollerSleeper(e, fds)
}

// event is an eventfd. It is wrapped in a file so that closing it waits for a wake that is under
// way, and does not hit a stranger with the same number; it is left
// blocking so that Go's poller leaves it alone, which would wake a thread at each write.
type event struct {
	fd   int
	file *os.File
}

func newEvent() (event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return event{}, fmt.Errorf("engine: eventfd: %w", err)
	}
	return event{fd: fd, file: os.NewFile(uintptr(fd), "eventfd")}, nil
}

// one is what adds 1 to an eventfd.
var one = binary.NativeEndian.AppendUint64(nil, 1)

// wake writes the eventfd. An error means that the worker is closed: nobody is to be woken.
func (e event) wake() { _, _ = e.file.Write(one) }

// clear resets the eventfd, which must have been written.
func (e event) clear(buf *[8]byte) { _, _ = unix.Read(e.fd, buf[:]) }

// threadSleeper is for a dedicated worker: ppoll.
type threadSleeper struct {
	event
	fds []unix.PollFd // the first is the eventfd
	ts  unix.Timespec
	buf [8]byte
}

func newThreadSleeper(e event, fds []int) *threadSleeper {
	s := &threadSleeper{event: e, fds: []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}}
	for _, fd := range fds {
		s.fds = append(s.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	return s
}

func (s *threadSleeper) wait(d umem.Time) bool {
	var timeout *unix.Timespec
	if d != umem.Never {
		s.ts = unix.NsecToTimespec(int64(d))
		timeout = &s.ts
	}
	n, _ := unix.Ppoll(s.fds, timeout, nil)
	if n > 0 && s.fds[0].Revents != 0 {
		s.clear(&s.buf)
	}
	return n > 0
}

func (s *threadSleeper) close() error { return s.file.Close() }

// pollerSleeper is for a shared worker: an epoll descriptor, with a timerfd among the
// descriptors in it, on Go's netpoller.
type pollerSleeper struct {
	event
	timer int
	set   *os.File
	conn  syscall.RawConn
	look  func(fd uintptr) bool
	woken bool
	alarm unix.ItimerSpec
	ready [8]unix.EpollEvent
	buf   [8]byte
}

func newPollerSleeper(e event, fds []int) (*pollerSleeper, error) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		_ = e.file.Close()
		return nil, fmt.Errorf("engine: timerfd: %w", err)
	}
	set, err := newSet(append([]int{e.fd, timer}, fds...))
	if err != nil {
		_ = unix.Close(timer)
		_ = e.file.Close()
		return nil, fmt.Errorf("engine: epoll: %w", err)
	}
	s := &pollerSleeper{event: e, timer: timer, set: set}
	s.look = s.collect
	if s.conn, err = set.SyscallConn(); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("engine: epoll: %w", err)
	}
	return s, nil
}

// newSet makes an epoll descriptor of fds that can itself wait on Go's netpoller.
func newSet(fds []int) (*os.File, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	err = unix.SetNonblock(set, true)
	for _, fd := range fds {
		if err == nil {
			err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		}
	}
	if err != nil {
		_ = unix.Close(set)
		return nil, err
	}
	return os.NewFile(uintptr(set), "epoll"), nil
}

func (s *pollerSleeper) wait(d umem.Time) bool {
	s.alarm.Value = unix.Timespec{} // none
	if d != umem.Never {
		s.alarm.Value = unix.NsecToTimespec(int64(max(d, 1)))
	}
	if err := unix.TimerfdSettime(s.timer, 0, &s.alarm, nil); err != nil {
		runtime.Gosched()
		return false
	}
	s.woken = false
	_ = s.conn.Read(s.look) // fails only when closed
	return s.woken
}

// collect is called by the netpoller's side: first at once, then when the set may have
// become ready. It reports whether it has.
func (s *pollerSleeper) collect(set uintptr) bool {
	n, _ := unix.EpollWait(int(set), s.ready[:], 0)
	for _, r := range s.ready[:max(n, 0)] {
		switch int(r.Fd) {
		case s.fd:
			s.clear(&s.buf)
			s.woken = true
		case s.timer:
			_, _ = unix.Read(s.timer, s.buf[:])
		default:
			s.woken = true
		}
	}
	return n > 0
}

func (s *pollerSleeper) close() error {
	err := s.set.Close()
	if e := unix.Close(s.timer); err == nil {
		err = e
	}
	if e := s.file.Close(); err == nil {
		err = e
	}
	return err
}
