package afxdp

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/ringport"
	"github.com/xdpstack/xdpstack/rings/ringtest"
	"github.com/xdpstack/xdpstack/umem"
)

// faked is the kernel's side of a socket in copy mode: a call of send sends a budget of frames and
// says EAGAIN when there are more.
type faked struct {
	linux
	*ringtest.Kernel
	budget   uint32
	complete bool           // completions come at once
	errnos   []unix.Errno   // what the next calls say instead
	calls    map[string]int // by name
}

func (k *faked) send(int) unix.Errno {
	k.calls["send"]++
	if len(k.errnos) > 0 {
		errno := k.errnos[0]
		k.errnos = k.errnos[1:]
		return errno
	}
	n := k.Transmit(k.budget)
	if k.complete {
		k.Complete(n)
	}
	if n == k.budget {
		return unix.EAGAIN
	}
	return 0
}

func (k *faked) wake(int) unix.Errno {
	k.calls["wake"]++
	if len(k.errnos) > 0 {
		return k.errnos[0]
	}
	return 0
}

// fakePort is a Port over rings of size slots and a faked kernel.
func fakePort(t *testing.T, size uint32) (*Port, *faked) {
	t.Helper()
	conf := ringtest.Config{Size: size}
	sock, kernel := ringtest.NewKernel(ringtest.SocketConfig{Fill: conf, RX: conf, TX: conf, Completion: conf, ChunkSize: CopyChunk})
	mem, err := NewMemory(MemoryConfig{Workers: 1, Frames: 4 * int(size)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mem.Close() })
	k := &faked{Kernel: kernel, budget: 32, complete: true, calls: map[string]int{}}
	d := &Device{k: k, mem: mem, queues: []int{0}, itf: Interface{Name: "fake0"}}
	p := newPort(d, 0, &socket{k: k, fd: -1, rings: ringport.Rings{RX: sock.RX, TX: sock.TX, Fill: sock.Fill, Comp: sock.Completion}})
	p.mode = Copy
	kernel.TX.SetNeedWakeup(true)
	return p, k
}

func TestKickDrainsABatch(t *testing.T) {
	p, k := fakePort(t, 256)
	sendWithoutKick(t, p, 200)
	if err := p.Kick(); err != nil {
		t.Fatal(err)
	}
	if p.Pending() || k.calls["send"] != 7 { // six full calls, and one of eight frames
		t.Errorf("pending %v after %d calls", p.Pending(), k.calls["send"])
	}
	if err := p.Kick(); err != nil || k.calls["send"] != 7 {
		t.Errorf("%d calls for an empty ring, %v", k.calls["send"], err)
	}
	p.reapAll()
	balance(t, p)
}

// More than one Kick may send is left for the next, and Pending says so.
func TestKickIsBounded(t *testing.T) {
	p, k := fakePort(t, 512)
	sendWithoutKick(t, p, 500)
	for kicks := 1; p.Pending(); kicks++ {
		if err := p.Kick(); err != nil || kicks > 2 {
			t.Fatalf("kick %d: %v", kicks, err)
		}
		if k.calls["send"] > kicks*maxKicks {
			t.Fatalf("%d calls in %d kicks", k.calls["send"], kicks)
		}
	}
}

// A completion ring that is full stops the kernel. Kick gives up without progress, and goes on
// once completions were reaped.
func TestKickStopsWithoutProgress(t *testing.T) {
	p, k := fakePort(t, 64)
	k.errnos = []unix.Errno{unix.EAGAIN}
	sendWithoutKick(t, p, 64)
	if err := p.Kick(); err != nil || k.calls["send"] != 1 || !p.Pending() {
		t.Fatalf("%v after %d calls, pending %v", err, k.calls["send"], p.Pending())
	}
	if err := p.Kick(); err != nil || p.Pending() {
		t.Errorf("%v, pending %v", err, p.Pending())
	}
	var s engine.PortStats
	s.Add(&p.stats)
	if s.KickErrors < 1 || s.Kicks != uint64(k.calls["send"]) {
		t.Errorf("%+v", s)
	}
}

func TestKickErrno(t *testing.T) {
	for _, c := range []struct {
		errno         unix.Errno
		want          error
		pending, gone bool
	}{
		{unix.EAGAIN, nil, true, false},
		{unix.EBUSY, nil, true, false},
		{unix.ENOBUFS, nil, true, false},
		{unix.EINTR, nil, true, false},
		{unix.ENETDOWN, engine.ErrDown, false, false},
		{unix.ENXIO, engine.ErrGone, false, true},
		{unix.ENODEV, engine.ErrGone, false, true},
		{unix.EBADF, engine.ErrGone, false, true},
		{unix.EINVAL, unix.EINVAL, true, false},
	} {
		p, k := fakePort(t, 64)
		sendWithoutKick(t, p, 1)
		k.errnos = []unix.Errno{c.errno}
		if err := p.Kick(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.errno, err, c.want)
		}
		if p.Pending() != c.pending {
			t.Errorf("%s: pending %v", c.errno, p.Pending())
		}
		if err := p.Kick(); errors.Is(err, engine.ErrGone) != c.gone {
			t.Errorf("%s: then %v", c.errno, err)
		}
	}
}

// Zero-copy: a call wakes the driver when it sleeps; when it runs, none is made.
func TestKickZeroCopy(t *testing.T) {
	p, k := fakePort(t, 64)
	p.mode = ZeroCopy
	sendWithoutKick(t, p, 40)
	k.TX.SetNeedWakeup(false)
	if err := p.Kick(); err != nil || k.calls["send"] != 0 || !p.Pending() {
		t.Errorf("awake: %v, %d calls, pending %v", err, k.calls["send"], p.Pending())
	}
	k.TX.SetNeedWakeup(true)
	if err := p.Kick(); err != nil || k.calls["send"] != 1 {
		t.Errorf("asleep: %v, %d calls", err, k.calls["send"])
	}
}

// The receive side is woken when the fill ring asks for it, when the device is due to be
// checked, and every time with busy polling.
func TestKickWakesTheReceiver(t *testing.T) {
	p, k := fakePort(t, 64)
	step := func(now umem.Time, want int, why string) {
		t.Helper()
		p.Receive(now, nil)
		if err := p.Kick(); err != nil || k.calls["wake"] != want {
			t.Errorf("%s: %d calls, want %d; %v", why, k.calls["wake"], want, err)
		}
	}
	step(0, 0, "nothing to do")
	k.Fill.SetNeedWakeup(true)
	step(1, 1, "the fill ring asks")
	k.Fill.SetNeedWakeup(false)
	step(checkEvery, 1, "not due yet")
	step(checkEvery+1, 2, "due")
	p.poll = true
	step(checkEvery+2, 3, "busy polling")
	step(checkEvery+3, 4, "busy polling")
}
