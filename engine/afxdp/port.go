package afxdp

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/ringport"
	"github.com/xdpstack/xdpstack/umem"
)

const (
	// maxKicks bounds the calls of one Kick: more than drain a worker's batch.
	maxKicks = 8
	// checkEvery is how often Kick asks whether the device is still there; a port
	// that only receives would not notice.
	checkEvery = 100 * umem.Millisecond
	// txBudget is how many frames one call is asked to send: a worker's batch.
	txBudget = 64
)

// Port is one queue of a device: it implements engine.Port. All its methods are for
// the goroutine of one worker.
type Port struct {
	*ringport.Port // nil once closed

	dev    *Device
	sock   *socket // receives; its rings are all but TX
	sender *socket // has the TX ring: sock, or one for that alone
	k      kernel
	pool   *umem.Pool
	queue  int

	mode   Mode
	shared bool
	poll   bool // the kernel's receive work is part of Kick
	budget int

	now     umem.Time // of the turn
	checked umem.Time // when the kernel was last asked for the device
	down    bool      // the last call said so
	gone    bool
	stats   engine.PortStats // Kick's counters; all of them once closed

	errDown, errGone error
}

var _ engine.Port = (*Port)(nil)

func newPort(d *Device, i int, s *socket) *Port {
	name := fmt.Sprintf("afxdp: %s: queue %d", d.itf.Name, d.queues[i])
	return &Port{
		Port:    ringport.New(s.rings, d.mem.pools[i], d.cfg.Port),
		dev:     d,
		sock:    s,
		sender:  s,
		k:       d.k,
		pool:    d.mem.pools[i],
		queue:   d.queues[i],
		poll:    d.cfg.BusyPoll.on(),
		errDown: fmt.Errorf("%s: %w; \"ip link set dev %s up\" brings it up", name, engine.ErrDown, d.itf.Name),
		errGone: fmt.Errorf("%s: %w", name, engine.ErrGone),
	}
}

// settle reads back what the bind gave and tunes the socket for it.
func (p *Port) settle(r rung) error {
	zc, err := p.sock.zeroCopy()
	if err != nil {
		return err
	}
	p.mode = r.mode
	if zc != (r.mode == ZeroCopy) {
		return fmt.Errorf("afxdp: %s: queue %d: mode %s is %w: the kernel took it and runs another", p.dev.itf.Name, p.queue, r.mode, engine.ErrNotSupported)
	}
	if !zc {
		p.splitTX()
		p.budget = int(p.sender.tune(p.dev.cfg.Rings.TX, txBudget))
	}
	p.dev.mem.offer(p.sock, r.mode)
	return nil
}

// splitTX gives the port a second socket to send through. A kernel that refuses costs
// speed alone.
func (p *Port) splitTX() {
	s, err := openSender(p.sock, p.dev.cfg.Rings.TX, p.dev.itf.Index, p.queue)
	if err != nil {
		p.dev.status.Reasons = append(p.dev.status.Reasons, fmt.Sprintf("queue %d: one socket for both directions: %v", p.queue, err))
		return
	}
	p.sender, p.Port.TX = s, s.rings.TX
}

// Queue is the queue's number on its device.
func (p *Port) Queue() int { return p.queue }

// Pool is the pool whose frames the port moves, also once it is closed.
func (p *Port) Pool() *umem.Pool { return p.pool }

// Mode is how packets cross here.
func (p *Port) Mode() Mode { return p.mode }

// Device is the device that the port is a queue of.
func (p *Port) Device() *Device { return p.dev }

// Receive takes packets from the RX ring: see engine.Port.
func (p *Port) Receive(now umem.Time, out []*umem.Frame) int {
	p.now = now
	return p.Port.Receive(now, out)
}

// Kick makes the system calls that the rings ask for. It returns an error that wraps
// engine.ErrDown while the device is down, and one that wraps engine.ErrGone once it is gone.
// What the kernel puts off (EAGAIN, ENOBUFS) is counted, and Pending stays true.
func (p *Port) Kick() error {
	if p.gone {
		return p.errGone
	}
	if p.InTx() > 0 && p.TX.Pending() > 0 {
		if errno := p.drain(); errno != 0 {
			return p.verdict(errno)
		}
	}
	if p.poll || p.now-p.checked >= checkEvery || p.Fill.NeedWakeup() {
		p.checked = p.now
		p.stats.Wakes++
		return p.verdict(p.k.wake(p.sock.fd))
	}
	return nil
}

// drain drives the TX ring. With zero-copy one call wakes the driver, if it sleeps. In
// copy mode each call sends a budget of frames and then says EAGAIN; it also
// says so when the completion ring or the send buffer is full, and only progress
// tells which.
func (p *Port) drain() unix.Errno {
	left := p.TX.Pending()
	for range maxKicks {
		// The flag of a ring beside another on its queue is not kept; in copy mode
		// it would always be set.
		if p.sender == p.sock && !p.TX.NeedWakeup() && !p.poll {
			return 0
		}
		p.stats.Kicks++
		errno := p.k.send(p.sender.fd)
		switch errno {
		case 0:
		// EBUSY: the device dropped a packet, whose frame is complete all the same.
		case unix.EAGAIN, unix.EBUSY, unix.ENOBUFS, unix.EINTR:
			p.stats.KickErrors++
		default:
			return errno
		}
		was := left
		if left = p.TX.Pending(); left == 0 || left == was || p.mode == ZeroCopy {
			return 0
		}
	}
	return 0
}

// verdict turns what a call said into what the worker hears.
func (p *Port) verdict(errno unix.Errno) error {
	p.down = false
	switch errno {
	case 0, unix.EAGAIN, unix.EBUSY, unix.ENOBUFS, unix.EINTR:
		return nil
	case unix.ENETDOWN:
		p.down = true
		return p.errDown
	// ENXIO: the socket is bound no more, since the device was removed (xsk_notifier).
	case unix.ENXIO, unix.ENODEV, unix.EBADF:
		p.gone = true
		return p.errGone
	}
	return fmt.Errorf("afxdp: %s: queue %d: %w", p.dev.itf.Name, p.queue, errno)
}

// Ready reports whether Receive or Reap would return something now.
func (p *Port) Ready() bool { return p.Port != nil && p.Port.Ready() }

// Pending reports whether frames wait in the TX ring for another Kick. A device
// that is down sends nothing however often it is kicked, so its worker may sleep.
func (p *Port) Pending() bool { return p.Port != nil && !p.down && !p.gone && p.Port.Pending() }

// FD polls readable when packets have arrived. In copy mode polling it sends, too.
func (p *Port) FD() int { return p.sock.fd }

// InFill is how many addresses are with the kernel to receive into.
func (p *Port) InFill() int {
	if p.Port == nil {
		return 0
	}
	return p.Port.InFill()
}

// InTx is how many addresses are with the kernel to be sent.
func (p *Port) InTx() int {
	if p.Port == nil {
		return 0
	}
	return p.Port.InTx()
}

// Stats adds the port's counters and the kernel's to s; those at its close once it
// is closed.
func (p *Port) Stats(s *engine.PortStats) {
	s.Add(&p.stats)
	if p.Port == nil {
		return
	}
	p.Port.Stats(s)
	if k, err := p.sock.statistics(); err == nil {
		s.RxDropped += k.Rx_dropped
		s.RxInvalidDescs += k.Rx_invalid_descs
		s.RxRingFull += k.Rx_ring_full
		s.RxFillEmpty += k.Rx_fill_ring_empty_descs
	}
	if k, err := p.sender.statistics(); err == nil {
		s.TxInvalidDescs += k.Tx_invalid_descs
		s.TxRingEmpty += k.Tx_ring_empty_descs
	}
}

// Close takes the program off the device, sends what is still in the TX ring, closes the
// socket, and returns its frames to the pool. The device's other ports hear nothing more and
// should be closed as well. A second Close does nothing.
func (p *Port) Close() error {
	if p.Port == nil {
		return nil
	}
	err := p.dev.Detach()
	p.flush()
	err = errors.Join(err, p.discard())
	p.dev.portClosed()
	return err
}
