package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// requests is TCPRR: on one socket each call blocks; among several, epoll(7) tells which has an answer.
func (k *kernelThread) requests() error {
	if len(k.fds) > 1 {
		return k.requestsOfMany()
	}
	for fd, size := k.fds[0], len(k.buf); !k.run.stopping.Load(); {
		sent := time.Now()
		if err := k.write(fd, k.buf); err != nil {
			return err
		}
		if err := k.answer(fd); err != nil {
			return err
		}
		k.lane.note(time.Since(sent), 2*size)
	}
	return nil
}

// pending is a request that waits for its answer.
type pending struct {
	fd, due int
	sent    time.Time
}

func (k *kernelThread) requestsOfMany() error {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(poll)
	list := make([]pending, len(k.fds))
	for i, fd := range k.fds {
		if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return err
		}
		list[i].fd = fd
		if err := k.ask(&list[i]); err != nil {
			return err
		}
	}
	events, pause := make([]unix.EpollEvent, 64), int(tick.Milliseconds())
	if k.run.cfg.Busy {
		pause = 0
	}
	for since := (time.Time{}); !k.run.stopping.Load(); {
		n, err := unix.EpollWait(poll, events, pause)
		if n == 0 {
			err = unix.EAGAIN
		}
		if n <= 0 {
			if err := k.wait(err, &since); err != nil {
				return err
			}
			continue
		}
		since = time.Time{}
		for _, e := range events[:n] {
			if err := k.heard(&list[e.Fd]); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask sends a request.
func (k *kernelThread) ask(p *pending) error {
	p.sent, p.due = time.Now(), len(k.buf)
	return k.write(p.fd, k.buf)
}

// heard takes what is there of an answer, and asks anew when it is whole.
func (k *kernelThread) heard(p *pending) error {
	n, err := k.read(p.fd, k.buf[:p.due])
	if p.due -= n; err != nil || p.due > 0 {
		return err
	}
	k.lane.note(time.Since(p.sent), 2*len(k.buf))
	return k.ask(p)
}

// send is TCPStream out. What passed is asked from the kernel: see tcpLane.ask.
func (k *kernelThread) send() error {
	for !k.run.stopping.Load() {
		if err := k.write(k.fds[0], k.buf); err != nil {
			return err
		}
	}
	return nil
}

// receive is TCPStream in.
func (k *kernelThread) receive() error {
	for !k.run.stopping.Load() {
		n, err := k.read(k.fds[0], k.buf)
		if err != nil {
			return err
		}
		k.lane.passed(n)
	}
	return nil
}

// connections is TCPCRR. The first connection, that open made, showed that there is a server.
func (k *kernelThread) connections() error {
	k.close()
	for !k.run.stopping.Load() {
		began := time.Now()
		fd, err := k.dial(k.run.cfg.Timeout)
		if err != nil {
			return err
		}
		err = k.connection(fd)
		if closeErr := unix.Close(fd); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
		k.lane.note(time.Since(began), 2*len(k.buf))
	}
	return nil
}

// connection is the life of one.
func (k *kernelThread) connection(fd int) error {
	if err := k.write(fd, k.buf); err != nil {
		return err
	}
	if err := k.answer(fd); err != nil {
		return err
	}
	if tcpInfo(fd, &k.info) == nil && k.info.Total_retrans > 0 {
		k.lane.mu.Lock()
		k.lane.retransmits += uint64(k.info.Total_retrans)
		k.lane.mu.Unlock()
	}
	if k.run.cfg.Reset {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return err
	}
	var one [1]byte
	switch _, err := k.read(fd, one[:]); err {
	case errEnded: // as it is to
		return nil
	case nil:
		return errMore
	default:
		return err
	}
}
