package afxdp

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine/ringport"
	"github.com/xdpstack/xdpstack/internal/mmap"
	"github.com/xdpstack/xdpstack/rings"
)

// sndbufPerFrame is what the kernel may account for a frame on its way out in
// copy mode: an sk_buff and its data (truesize), of a chunk of 2 KiB and some.
const sndbufPerFrame = 4096

// socket is an AF_XDP socket with its four rings mapped.
type socket struct {
	k     kernel
	fd    int
	rings ringport.Rings
	maps  [][]byte
	tx    txSlots
}

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// openSocket makes a socket with its rings, ready to be bound. It registers reg; nil is for a
// socket that will share another's registration.
func openSocket(k kernel, sizes RingSizes, reg *unix.XDPUmemReg) (*socket, error) {
	fd, err := k.socket()
	if err != nil {
		return nil, socketError(err)
	}
	s := &socket{k: k, fd: fd}
	if err := s.prepare(sizes, reg); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *socket) prepare(sizes RingSizes, reg *unix.XDPUmemReg) error {
	if reg != nil {
		if err := s.k.setsockopt(s.fd, unix.SOL_XDP, unix.XDP_UMEM_REG, bytesOf(reg)); err != nil {
			return registerError(int(reg.Len), err)
		}
	}
	for _, r := range []struct {
		kind ringKind
		size uint32
	}{{ringFill, sizes.Fill}, {ringCompletion, sizes.Completion}, {ringRX, sizes.RX}, {ringTX, sizes.TX}} {
		if err := s.k.setsockopt(s.fd, unix.SOL_XDP, r.kind.option, bytesOf(&r.size)); err != nil {
			return settingError(fmt.Sprintf("making a %s ring of %d", r.kind.name, r.size), err)
		}
	}
	return s.mapRings(sizes)
}

func (s *socket) mapRings(sizes RingSizes) error {
	off, err := s.offsets()
	if err != nil {
		return err
	}
	if s.rings.Fill, err = mapRing(s, ringFill, off.Fr, sizes.Fill, rings.NewFill); err != nil {
		return err
	}
	if s.rings.Comp, err = mapRing(s, ringCompletion, off.Cr, sizes.Completion, rings.NewCompletion); err != nil {
		return err
	}
	if s.rings.RX, err = mapRing(s, ringRX, off.Rx, sizes.RX, rings.NewRX); err != nil {
		return err
	}
	return s.mapTX(off, sizes.TX)
}

func mapRing[R any](s *socket, kind ringKind, off unix.XDPRingOffset, size uint32, make func([]byte, rings.Offsets, uint32) (R, error)) (ring R, err error) {
	mem, err := s.k.mapRing(s.fd, kind.offset, int(off.Desc)+int(size)*int(kind.slot))
	if err != nil {
		return ring, fmt.Errorf("afxdp: mapping the %s ring: %w", kind.name, err)
	}
	s.maps = append(s.maps, mem)
	return make(mem, offsetsOf(off), size)
}

// bind binds the socket to a queue; shared is the socket whose registration it shares, or -1.
// Flags must be zero then: the kernel takes the other's (xsk_bind).
func (s *socket) bind(ifindex, queue int, flags uint16, shared int) error {
	addr := unix.SockaddrXDP{Ifindex: uint32(ifindex), QueueID: uint32(queue), Flags: flags | unix.XDP_USE_NEED_WAKEUP}
	if shared >= 0 {
		addr.Flags, addr.SharedUmemFD = unix.XDP_SHARED_UMEM, uint32(shared)
	}
	return s.k.bind(s.fd, &addr)
}

// zeroCopy reads back what the kernel really gave.
func (s *socket) zeroCopy() (bool, error) {
	var options uint32
	if _, err := s.k.getsockopt(s.fd, unix.SOL_XDP, unix.XDP_OPTIONS, bytesOf(&options)); err != nil {
		return false, settingError("reading the mode back", err)
	}
	return options&unix.XDP_OPTIONS_ZEROCOPY != 0, nil
}

// tune makes room for a full TX ring, in the send buffer (the kernel doubles the value) and in one
// system call. Both matter in copy mode alone, and less than they help: no error. It
// returns how many frames a call sends.
func (s *socket) tune(txSize uint32, budget uint32) uint32 {
	sndbuf := txSize * sndbufPerFrame
	if s.k.setsockopt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bytesOf(&sndbuf)) != nil {
		// Without CAP_NET_ADMIN: as much as net.core.wmem_max allows.
		_ = s.k.setsockopt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytesOf(&sndbuf))
	}
	budget = min(budget, txSize)
	if budget <= minTxBudget || s.k.setsockopt(s.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, bytesOf(&budget)) != nil {
		return minTxBudget
	}
	return budget
}

// busyPoll sets what was asked for.
func (s *socket) busyPoll(b BusyPoll) error {
	prefer := 0
	if b.Prefer {
		prefer = 1
	}
	for _, o := range []struct {
		name   string
		option int
		value  int
	}{
		{"SO_PREFER_BUSY_POLL", unix.SO_PREFER_BUSY_POLL, prefer},
		{"SO_BUSY_POLL", unix.SO_BUSY_POLL, b.Usecs},
		{"SO_BUSY_POLL_BUDGET", unix.SO_BUSY_POLL_BUDGET, b.Budget},
	} {
		value := int32(o.value)
		if value == 0 {
			continue
		}
		if err := s.k.setsockopt(s.fd, unix.SOL_SOCKET, o.option, bytesOf(&value)); err != nil {
			return settingError(fmt.Sprintf("setting %s to %d", o.name, value), err)
		}
	}
	return nil
}

func (s *socket) statistics() (unix.XDPStatistics, error) {
	var st unix.XDPStatistics
	_, err := s.k.getsockopt(s.fd, unix.SOL_XDP, unix.XDP_STATISTICS, bytesOf(&st))
	return st, err
}

// shut closes the descriptor: from here on the kernel writes to none of the frames.
// The rings stay mapped.
func (s *socket) shut() error {
	if s.fd < 0 {
		return nil
	}
	err := unix.Close(s.fd)
	s.fd = -1
	return err
}

// close closes and unmaps everything.
func (s *socket) close() error {
	err := s.shut()
	for _, m := range s.maps {
		err = errors.Join(err, mmap.Unmap(m))
	}
	s.maps, s.rings = nil, ringport.Rings{}
	return err
}
