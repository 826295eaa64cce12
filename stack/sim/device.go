package sim

import (
	"bytes"

	"github.com/xdpstack/xdpstack/umem"
)

// device is one queue of a host's network device, seen from both sides: the fill,
// RX, TX and completion rings, and what a driver does with them. Its TX ring is
// bounded, its completions come late and out of order, and as long as a frame is in
// TX its octets are watched.
type device struct {
	worker *Worker

	fill []uint64      // addresses to receive into
	rx   []umem.Extent // what was received
	done []uint64      // completions
	inTx int           // frames given to Transmit and not reaped yet
	sent umem.Time     // departure of the frame sent last

	extent [1]umem.Extent // scratch
	stats  DeviceStats
}

// DeviceStats count what a device did.
type DeviceStats struct {
	Received uint64
	Sent     uint64
	NoFill   uint64 // dropped: nothing in the fill ring
	TooLong  uint64 // dropped: longer than a chunk takes
	TxFull   uint64 // turns that found no room in the TX ring
}

func (s *DeviceStats) add(o *DeviceStats) {
	s.Received += o.Received
	s.Sent += o.Sent
	s.NoFill += o.NoFill
	s.TooLong += o.TooLong
	s.TxFull += o.TxFull
}

// arrive takes a packet from the wire. It reports whether there was a place for it.
func (d *device) arrive(data []byte) bool {
	region := d.worker.host.region
	switch {
	case len(d.fill) == 0:
		d.stats.NoFill++
		return false
	case len(data) > region.ChunkSize()-umem.Headroom:
		d.stats.TooLong++
		return false
	}
	addr := d.fill[0] + umem.Headroom
	d.fill = append(d.fill[:0], d.fill[1:]...)
	copy(region.Mem()[addr:], data)
	d.rx = append(d.rx, umem.Extent{Addr: addr, Len: uint32(len(data))})
	d.stats.Received++
	return true
}

// receive fills out with frames that arrived.
func (d *device) receive(now umem.Time, out []*umem.Frame) int {
	n := min(len(out), len(d.rx))
	got, _ := d.worker.pool.Received(now, 0, d.rx[:n], out)
	d.rx = append(d.rx[:0], d.rx[n:]...)
	if got != n {
		d.worker.fail("sim: %d of %d received frames were not in place fill", n-got, n)
	}
	return got
}

// room is how many frames the TX ring takes.
func (d *device) room() int { return d.worker.host.cfg.Tx - d.inTx }

// transmit puts a frame on the TX ring; there must be room.
func (d *device) transmit(f *umem.Frame) {
	if n, _ := d.worker.pool.Sent([]*umem.Frame{f}, ethernetHeader, d.extent[:]); n != 1 {
		d.worker.fail("sim: frame %d cannot be sent: a chain, or %d octets", f.Index(), f.Len())
		return
	}
	d.inTx++
	d.schedule(d.extent[0])
}

// schedule has one frame leave, and complete, some time later. Frames leave in
// order and complete in any.
func (d *device) schedule(x umem.Extent) {
	n, cfg := d.worker.host.net, &d.worker.host.cfg
	memory := d.worker.host.region.Mem()[x.Addr : x.Addr+uint64(x.Len)]
	p := packet{data: bytes.Clone(memory)}
	d.sent = max(d.sent, n.now+upTo(n.schedule, cfg.TxDelay))
	complete := d.sent + upTo(n.schedule, cfg.Completion)
	n.At(d.sent, func() {
		d.watch(x, memory, p.data, "left")
		d.stats.Sent++
		if n.Sent != nil {
			n.Sent(d.worker.host, p.data)
		}
		d.worker.host.up.send(p)
	})
	n.At(complete, func() {
		d.watch(x, memory, p.data, "was complete")
		d.done = append(d.done, x.Addr)
		d.worker.wake()
	})
}

// watch checks that nobody touched a frame since it was given to the device.
func (d *device) watch(x umem.Extent, memory, sent []byte, until string) {
	if !bytes.Equal(memory, sent) {
		frame := x.Addr / uint64(d.worker.host.region.ChunkSize())
		d.worker.fail("sim: frame %d was touched before it %s: in place tx it is the device's", frame, until)
	}
}

// reap fills out with frames that are complete.
func (d *device) reap(out []*umem.Frame) int {
	n := min(len(out), len(d.done))
	got := d.worker.pool.Reaped(d.done[:n], out)
	if got != n {
		d.worker.fail("sim: %d of %d completed frames were not in place tx", n-got, n)
	}
	d.done = append(d.done[:0], d.done[n:]...)
	d.inTx -= got
	return got
}

// refill fills the fill ring up.
func (d *device) refill() {
	want := d.worker.host.cfg.Fill - len(d.fill)
	if want <= 0 {
		return
	}
	d.fill = append(d.fill, make([]uint64, want)...)
	n := d.worker.pool.ToFill(0, d.fill[len(d.fill)-want:])
	d.fill = d.fill[:len(d.fill)-want+n]
}

// ready reports whether receive or reap would return something.
func (d *device) ready() bool { return len(d.rx)+len(d.done) > 0 }
