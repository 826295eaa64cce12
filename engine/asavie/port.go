package asavie

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/asavie/xdp"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/umem"
)

// batch is how many descriptors are moved at a time.
const batch = 64

// minPacket is an Ethernet header: the least that is sent.
const minPacket = 14

// Port is a socket of the library as an engine.Port, for one worker.
type Port struct {
	ifindex  int
	sock     *xdp.Socket
	prog     *xdp.Program
	attached bool
	pool     *umem.Pool
	slots    int

	mapped []byte // the completion ring, read-only
	comp   *rings.Completion
	seen   uint32 // entries peeked there that the library completed meanwhile

	inFill, inTx int
	refused      umem.Queue
	stats        engine.PortStats

	descs   [batch]xdp.Desc
	extents [batch]umem.Extent
	addrs   [batch]uint64
}

var _ engine.Port = (*Port)(nil)

// Pool is the pool of the port's frames: those of its own region.
func (p *Port) Pool() *umem.Pool { return p.pool }

// Receive takes packets: see engine.Port.
func (p *Port) Receive(now umem.Time, out []*umem.Frame) int {
	total := 0
	for total < len(out) {
		descs := p.sock.Receive(min(len(out)-total, batch))
		if len(descs) == 0 {
			break
		}
		for i, d := range descs {
			p.extents[i] = umem.Extent{Addr: d.Addr, Len: d.Len, Options: d.Options}
		}
		n, bytes := p.pool.Received(now, 0, p.extents[:len(descs)], out[total:])
		p.inFill -= len(descs)
		p.stats.RxInvalid += uint64(len(descs) - n)
		p.stats.RxBytes += bytes
		total += n
	}
	if total > 0 {
		p.stats.RxBatches++
		p.stats.RxPackets += uint64(total)
	}
	return total
}

// TxRoom is how many frames more the rings take.
func (p *Port) TxRoom() int { return p.slots - p.inTx }

// Transmit sends packets, sendto included: see engine.Port. A frame that cannot be sent comes back by
// Reap, counted as TxRefused. What sendto says, Kick repeats.
func (p *Port) Transmit(frames []*umem.Frame) int {
	total := 0
	for total < len(frames) {
		want := min(len(frames)-total, batch, p.sock.NumFreeTxSlots(), p.TxRoom())
		if want <= 0 {
			break
		}
		n, bytes := p.pool.Sent(frames[total:total+want], minPacket, p.extents[:])
		for i, x := range p.extents[:n] {
			p.descs[i] = xdp.Desc{Addr: x.Addr, Len: x.Len}
		}
		p.inTx += n
		if n > 0 {
			_ = p.send(p.descs[:n])
		}
		if n < want {
			p.refuse(frames[total+n])
			n++
		}
		p.stats.TxBytes += bytes
		total += n
	}
	if total > 0 {
		p.stats.TxBatches++
		p.stats.TxPackets += uint64(total)
	}
	return total
}

// refuse takes a frame that no descriptor can say; it is complete at once.
func (p *Port) refuse(f *umem.Frame) {
	f.ToTx()
	p.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
	p.refused.Push(f)
	p.stats.TxRefused++
}

// send gives descriptors to the library, which panics on errors of sendto that it does not
// expect; the descriptors are on the ring by then.
func (p *Port) send(descs []xdp.Desc) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.stats.KickErrors++
			err = fmt.Errorf("asavie: %w: %v", engine.ErrDown, r)
		}
	}()
	p.stats.Kicks++
	p.sock.Transmit(descs)
	return nil
}

// Reap takes frames back: see engine.Port.
func (p *Port) Reap(out []*umem.Frame) int {
	total := 0
	for total < len(out) && p.refused.Len() > 0 {
		p.addrs[0] = p.refused.Pop(p.pool.Region()).Addr()
		total += p.pool.Reaped(p.addrs[:1], out[total:])
	}
	for total < len(out) {
		n := min(p.sock.NumCompleted(), len(out)-total, batch)
		if n == 0 {
			break
		}
		total += p.back(n, out[total:])
	}
	return total
}

// back reads n addresses from our mapping, then lets the library consume them.
func (p *Port) back(n int, out []*umem.Frame) int {
	for i := range n {
		p.addrs[i] = p.comp.At(p.seen + uint32(i))
	}
	p.seen += uint32(n)
	p.sock.Complete(n)
	got := p.pool.Reaped(p.addrs[:n], out)
	p.inTx -= n
	p.stats.TxInvalid += uint64(n - got)
	return got
}

// Refill fills the fill ring: see engine.Port.
func (p *Port) Refill() {
	for want := p.slots - p.inFill; want > 0; {
		n := min(want, batch, p.sock.NumFreeFillSlots())
		n = p.pool.ToFill(0, p.addrs[:n])
		if n == 0 {
			return
		}
		for i, addr := range p.addrs[:n] {
			p.descs[i] = xdp.Desc{Addr: addr}
		}
		p.sock.Fill(p.descs[:n])
		p.inFill += n
		want -= n
	}
}

// Kick sends again what one sendto, of 32 frames in copy mode, left in the TX ring.
func (p *Port) Kick() error {
	for left := p.waiting(); left > 0; {
		if err := p.send(nil); err != nil {
			return err
		}
		was := left
		if left = p.waiting(); left == was {
			break
		}
	}
	return nil
}

// waiting is how many frames the kernel has not taken from the TX ring.
func (p *Port) waiting() int {
	if p.inTx == 0 {
		return 0
	}
	return p.slots - p.sock.NumFreeTxSlots()
}

// Ready reports whether Receive or Reap would return something now.
func (p *Port) Ready() bool {
	return p.refused.Len() > 0 || p.sock.NumReceived() > 0 || p.sock.NumCompleted() > 0
}

// Pending reports whether frames wait in the TX ring.
func (p *Port) Pending() bool { return p.waiting() > 0 }

// FD polls readable when packets have arrived.
func (p *Port) FD() int { return p.sock.FD() }

// InFill is how many addresses are with the kernel to receive into.
func (p *Port) InFill() int { return p.inFill }

// InTx is how many addresses are with the kernel to be sent.
func (p *Port) InTx() int { return p.inTx + p.refused.Len() }

// Stats adds the port's counters and the kernel's to s.
func (p *Port) Stats(s *engine.PortStats) {
	s.Add(&p.stats)
	if p.sock == nil {
		return
	}
	if k, err := p.sock.Stats(); err == nil {
		s.RxDropped += k.KernelStats.Rx_dropped
		s.RxInvalidDescs += k.KernelStats.Rx_invalid_descs
		s.TxInvalidDescs += k.KernelStats.Tx_invalid_descs
		s.RxRingFull += k.KernelStats.Rx_ring_full
		s.RxFillEmpty += k.KernelStats.Rx_fill_ring_empty_descs
		s.TxRingEmpty += k.KernelStats.Tx_ring_empty_descs
	}
}

// Close, in the device's network namespace, detaches the program, closes the socket, and returns all frames to the pool. The region goes
// with the socket: no frame may be touched any more.
func (p *Port) Close() error {
	var errs []error
	if p.attached {
		errs = append(errs, p.prog.Detach(p.ifindex))
		p.attached = false
	}
	if p.prog != nil {
		errs = append(errs, p.prog.Close())
		p.prog = nil
	}
	if p.mapped != nil {
		errs = append(errs, unix.Munmap(p.mapped))
		p.mapped = nil
	}
	if p.pool != nil {
		p.pool.Reclaim(0)
		p.inFill, p.inTx = 0, 0
	}
	if p.sock != nil {
		left, err := ringMappings(p.sock.FD())
		errs = append(errs, err, p.sock.Close(), unmap(left))
		p.sock = nil
	}
	return errors.Join(errs...)
}

// completionOffsets asks where the parts of the completion ring lie.
func completionOffsets(fd int) (rings.Offsets, error) {
	var off unix.XDPMmapOffsets
	size := uint32(unsafe.Sizeof(off))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS,
		uintptr(unsafe.Pointer(&off)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return rings.Offsets{}, errno
	}
	c := off.Cr
	return rings.Offsets{Producer: c.Producer, Consumer: c.Consumer, Desc: c.Desc, Flags: c.Flags}, nil
}
