package rings_test

import (
	"fmt"
	"testing"

	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
)

const (
	testChunk    = 2048
	testHeadroom = 256
	testLength   = 64
)

func socketConfig(size uint32, faults ringtest.Faults) ringtest.SocketConfig {
	ring := func(layout int) ringtest.Config {
		return ringtest.Config{Size: size, Start: nearWrap - uint32(layout), Offsets: ringtest.Layouts[layout]}
	}
	return ringtest.SocketConfig{
		Fill: ring(0), RX: ring(1), TX: ring(2), Completion: ring(3),
		ChunkSize: testChunk, Headroom: testHeadroom, Length: testLength, Faults: faults,
	}
}

// A place is where a frame is.
type place string

const (
	free  place = "free"
	fill  place = "fill"
	stack place = "stack"
	tx    place = "tx"
)

// An audit sends frames round a socket (free, fill, stack, tx, free) and knows where each of them
// must be. It stops at the first that turns up where it cannot.
type audit struct {
	sock  ringtest.Socket
	at    []place
	free  []uint64
	stack []rings.Desc
	sent  uint64
	err   error
}

func newAudit(sock ringtest.Socket, frames int) *audit {
	a := &audit{sock: sock, at: make([]place, frames)}
	for i := range a.at {
		a.at[i] = free
		a.free = append(a.free, uint64(i)*testChunk)
	}
	return a
}

// move says that the frame of addr went from one place to another.
func (a *audit) move(addr uint64, from, to place) {
	i := addr / testChunk
	if i >= uint64(len(a.at)) {
		a.err = fmt.Errorf("address %#x is no frame's", addr)
		return
	}
	if a.at[i] != from {
		a.err = fmt.Errorf("frame %d came from %s, but it is in %s", i, from, a.at[i])
		return
	}
	a.at[i] = to
}

// turn takes each ring once.
func (a *audit) turn() {
	a.reap()
	a.refill()
	a.receive()
	a.send()
}

func (a *audit) refill() {
	n := a.sock.Fill.Reserve(uint32(min(48, len(a.free))))
	for i := range n {
		addr := a.free[len(a.free)-1]
		a.free = a.free[:len(a.free)-1]
		a.move(addr, free, fill)
		a.sock.Fill.Set(i, addr+17) // the kernel masks it
	}
	a.sock.Fill.Submit(n)
}

func (a *audit) receive() {
	n := a.sock.RX.Peek(32)
	for i := range n {
		d := a.sock.RX.At(i)
		a.move(d.Addr, fill, stack)
		if d.Len != testLength || d.Addr%testChunk != testHeadroom {
			a.err = fmt.Errorf("descriptor %+v", d)
		}
		a.stack = append(a.stack, d)
	}
	a.sock.RX.Release(n)
}

func (a *audit) send() {
	n := a.sock.TX.Reserve(uint32(len(a.stack)))
	for i, d := range a.stack[:n] {
		a.move(d.Addr, stack, tx)
		a.sock.TX.Set(uint32(i), d.Addr, d.Len, 0)
	}
	a.sock.TX.Submit(n)
	a.stack = append(a.stack[:0], a.stack[n:]...)
	a.sent += uint64(n)
}

func (a *audit) reap() {
	n := a.sock.Completion.Peek(32)
	for i := range n {
		addr := a.sock.Completion.At(i)
		a.move(addr, tx, free)
		a.free = append(a.free, addr&^(testChunk-1))
	}
	a.sock.Completion.Release(n)
}

// close compares what the rings count with where the frames are, when the kernel has
// nothing left in hand.
func (a *audit) close(k *ringtest.Kernel) {
	if a.err != nil {
		return
	}
	with := map[place]uint64{}
	for _, p := range a.at {
		with[p]++
	}
	s := a.sock
	inFill := uint64(s.Fill.Pending()) + uint64(s.RX.Available())
	inTX := uint64(s.TX.Pending()) + uint64(k.InFlight()) + uint64(s.Completion.Available())
	corrupt := s.Fill.Corrupt() + s.RX.Corrupt() + s.TX.Corrupt() + s.Completion.Corrupt()
	switch {
	case corrupt != 0:
		a.err = fmt.Errorf("%d corrupt indices", corrupt)
	case with[fill] != inFill || s.Fill.Produced()-s.RX.Consumed() != inFill:
		a.err = fmt.Errorf("%d frames in fill, %d in the rings", with[fill], inFill)
	case with[tx] != inTX || s.TX.Produced()-s.Completion.Consumed() != inTX:
		a.err = fmt.Errorf("%d frames in tx, %d in the rings", with[tx], inTX)
	}
}

// runAudit takes a socket through its rounds, the kernel in between, and returns
// what was found.
func runAudit(size uint32, faults ringtest.Faults, disturb func(*ringtest.Kernel)) error {
	sock, k := ringtest.NewKernel(socketConfig(size, faults))
	a := newAudit(sock, 96)
	for i := 0; i < 500 && a.err == nil; i++ {
		a.turn()
		k.Receive(uint32(i % 40))
		k.Transmit(uint32(i % 50))
		k.Complete(uint32(i % 60))
		if i == 250 && disturb != nil {
			disturb(k)
		}
	}
	a.close(k)
	if a.err == nil && a.sent < 400 {
		return fmt.Errorf("only %d frames went round", a.sent)
	}
	return a.err
}

func TestSocketKeepsEveryFrame(t *testing.T) {
	for _, size := range []uint32{1, 2, 32, 64, 256} {
		for _, outOfOrder := range []bool{false, true} {
			if err := runAudit(size, ringtest.Faults{OutOfOrder: outOfOrder}, nil); err != nil {
				t.Errorf("%d slots, out of order %t: %v", size, outOfOrder, err)
			}
		}
	}
}

// A ring that loses, repeats or invents frames must not pass for one that does not.
func TestAuditFindsBrokenRings(t *testing.T) {
	jump := func(n int32) map[string]func(*ringtest.Kernel) {
		return map[string]func(*ringtest.Kernel){
			"fill":       func(k *ringtest.Kernel) { k.Fill.Jump(n) },
			"rx":         func(k *ringtest.Kernel) { k.RX.Jump(n) },
			"tx":         func(k *ringtest.Kernel) { k.TX.Jump(n) },
			"completion": func(k *ringtest.Kernel) { k.Completion.Jump(n) },
		}
	}
	faults := map[string]ringtest.Faults{
		"RX announces a frame twice": {DuplicateRX: 77},
		"RX loses a frame":           {LoseRX: 77},
		"a frame is completed twice": {DuplicateCompletion: 77},
		"a completion is lost":       {LoseCompletion: 77},
	}
	for name, f := range faults {
		if err := runAudit(64, f, nil); err == nil {
			t.Errorf("%s: not found", name)
		}
	}
	for _, n := range []int32{1000, -1000, -1 << 31} {
		for name, disturb := range jump(n) {
			if err := runAudit(64, ringtest.Faults{}, disturb); err == nil {
				t.Errorf("index of %s jumps by %d: not found", name, n)
			}
		}
	}
}

// The kernel reserves a completion slot before it takes a packet: nobody reaping stops TX.
func TestUnreapedCompletionsStopTransmission(t *testing.T) {
	sock, k := ringtest.NewKernel(socketConfig(8, ringtest.Faults{}))
	send := func() uint32 {
		n := sock.TX.Reserve(8)
		for i := range n {
			sock.TX.Set(i, uint64(i)*testChunk, testLength, 0)
		}
		sock.TX.Submit(n)
		return k.Transmit(8)
	}
	want(t, "first", send(), 8)
	want(t, "eight in flight", send(), 0)
	want(t, "Complete", k.Complete(8), 8)
	want(t, "eight completed, none reaped", send(), 0)
	want(t, "Peek", sock.Completion.Peek(3), 3)
	sock.Completion.Release(3)
	want(t, "three reaped", send(), 3)
}

// Write and Read are where a test sees packets.
func TestKernelCallsBack(t *testing.T) {
	var read []rings.Desc
	c := socketConfig(8, ringtest.Faults{})
	c.Write = func(addr uint64) uint32 { return uint32(addr) + 1 }
	c.Read = func(d rings.Desc) { read = append(read, d) }
	sock, k := ringtest.NewKernel(c)
	sock.Fill.Reserve(1)
	sock.Fill.Set(0, 5*testChunk)
	sock.Fill.Submit(1)
	want(t, "Receive", k.Receive(4), 1)
	want(t, "Peek", sock.RX.Peek(4), 1)
	want(t, "received", sock.RX.At(0), rings.Desc{Addr: 5*testChunk + testHeadroom, Len: 5*testChunk + testHeadroom + 1})
	sock.TX.Reserve(1)
	sock.TX.Set(0, 7, 8, rings.PktContd)
	sock.TX.Submit(1)
	want(t, "Transmit", k.Transmit(4), 1)
	want(t, "packets sent", len(read), 1)
	want(t, "sent", read[0], rings.Desc{Addr: 7, Len: 8, Options: rings.PktContd})
}
