// Package asavie runs the three tests on github.com/asavie/xdp: what that library gives to a
// program of a few lines that polls without sleeping.
//
// The loops use the library as it does best here, and measured against the alternatives:
// received descriptors go straight back to the fill ring (its documentation allows it), since
// its search for free ones begins at the first of all; it never polls with a system
// call; and its rings hold 2,048 frames, since its default of 128 loses packets.
//
// It is the library without engine/asavie, this project's port over it, so that none of
// this project's code is in the comparison.
//
// Read first: the library's examples.
package asavie

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"

	"github.com/asavie/xdp"
	"golang.org/x/sys/unix"
)

const (
	frames = 2048
	ring   = 2048
	batch  = 64
)

// ErrTest says that there is no such test.
var ErrTest = errors.New("asavie: no such test; there are rxdrop, l2fwd and txonly")

// program is a test's loop over an open socket.
type program struct {
	xsk    *xdp.Socket
	packet []byte // that is sent
}

// Run runs a test on queue 0 of an interface, on a core of its own, until stop is set.
func Run(test, name string, cpu int, packet []byte, stop *atomic.Bool) (err error) {
	p := &program{packet: packet}
	turn, ok := map[string]func(){"rxdrop": p.drop, "l2fwd": p.forward, "txonly": p.send}[test]
	if !ok {
		return fmt.Errorf("%w: %q", ErrTest, test)
	}
	device, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("asavie: %w", err)
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("asavie: core %d: %w", cpu, err)
	}
	leave, err := p.open(device.Index)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	for !stop.Load() {
		turn()
	}
	return nil
}

// open opens the socket, fills half of the frames in, and attaches the library's program in the driver.
func (p *program) open(index int) (leave func() error, err error) {
	xdp.DefaultXdpFlags = unix.XDP_FLAGS_DRV_MODE
	xdp.DefaultSocketFlags = unix.XDP_COPY
	p.xsk, err = xdp.NewSocket(index, 0, &xdp.SocketOptions{
		NumFrames: frames, FrameSize: 2048,
		FillRingNumDescs: ring, CompletionRingNumDescs: ring, RxRingNumDescs: ring, TxRingNumDescs: ring,
	})
	if err != nil {
		return nil, fmt.Errorf("asavie: %w", err)
	}
	prog, err := xdp.NewProgram(1)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asavie: %w", err), p.xsk.Close())
	}
	p.xsk.Fill(p.xsk.GetDescs(frames / 2))
	err = errors.Join(prog.Register(0, p.xsk.FD()), prog.Attach(index))
	leave = func() error { return errors.Join(prog.Detach(index), prog.Close(), p.xsk.Close()) }
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asavie: %w", err), leave())
	}
	return leave, nil
}

// drop takes what arrived and gives the frames back.
func (p *program) drop() {
	if n := p.xsk.NumReceived(); n > 0 {
		p.xsk.Fill(p.xsk.Receive(min(n, batch)))
	}
}

// forward sends what arrived, with the Ethernet addresses swapped, and fills other frames in.
func (p *program) forward() {
	if n := p.xsk.NumCompleted(); n > 0 {
		p.xsk.Complete(n)
	}
	n := min(p.xsk.NumReceived(), p.xsk.NumFreeTxSlots(), batch)
	if n == 0 && p.xsk.NumTransmitted() == 0 {
		return
	}
	descs := p.xsk.Receive(n)
	for _, d := range descs {
		swap(p.xsk.GetFrame(d))
	}
	p.xsk.Transmit(descs)
	if n > 0 {
		p.xsk.Fill(p.xsk.GetDescs(n))
	}
}

// swap exchanges destination and source of an Ethernet header, in words as package bare does.
func swap(b []byte) {
	h := (*[12]byte)(b)
	lo, hi := binary.LittleEndian.Uint64(h[0:8]), binary.LittleEndian.Uint32(h[8:12])
	binary.LittleEndian.PutUint64(h[0:8], lo>>48|uint64(hi)<<16|lo<<48)
	binary.LittleEndian.PutUint32(h[8:12], uint32(lo>>16))
}

// send sends copies of the packet.
func (p *program) send() {
	if n := p.xsk.NumCompleted(); n > 0 {
		p.xsk.Complete(n)
	}
	descs := p.xsk.GetDescs(min(p.xsk.NumFreeTxSlots(), batch))
	for i := range descs {
		descs[i].Len = uint32(copy(p.xsk.GetFrame(descs[i]), p.packet))
	}
	p.xsk.Transmit(descs)
}
