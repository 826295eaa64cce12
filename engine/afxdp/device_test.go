package afxdp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/umem"
)

// A veth has no zero-copy: every mode is what it says or an error that says why.
func TestModes(t *testing.T) {
	l := newLab(t, 2)
	for _, c := range []struct {
		ask, got Mode
		attached xdp.Mode
		err      string
	}{
		{ask: Auto, got: Copy, attached: xdp.Native},
		{ask: Copy, got: Copy, attached: xdp.Native},
		{ask: SKB, got: SKB, attached: xdp.Generic},
		{ask: ZeroCopy, err: "zerocopy is not supported by kernel or driver: driver veth; mode auto or copy works (operation not supported)"},
	} {
		t.Run(c.ask.String(), func(t *testing.T) {
			cfg := configFor(l)
			cfg.Mode = c.ask
			if c.err != "" {
				refused(t, l, cfg, engine.ErrNotSupported, c.err)
				return
			}
			d := open(t, l, cfg)
			s := d.Status()
			if s.Mode != c.got || s.Attached != c.attached || s.Asked != c.ask {
				t.Errorf("mode %s, program %s, asked %s", s.Mode, s.Attached, s.Asked)
			}
			for _, p := range d.Ports() {
				if p.Mode() != c.got {
					t.Errorf("queue %d runs in mode %s", p.Queue(), p.Mode())
				}
			}
			if named := slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, "zerocopy") }); named != (c.ask == Auto) {
				t.Errorf("reasons: %q", s.Reasons)
			}
			if attached(t, l) == 0 {
				t.Error("no program is attached")
			}
		})
	}
	if id := attached(t, l); id != 0 {
		t.Errorf("program %d is left attached", id)
	}
}

// refused opens a device and wants an error of one line, with nothing left of the attempt.
func refused(t *testing.T, l *lab.Lab, cfg Config, want error, text string) {
	t.Helper()
	fds := descriptors(t)
	before := attached(t, l)
	d, err := try(l, cfg)
	if err == nil {
		t.Fatal(errors.Join(errors.New("the device opened"), d.Close()))
	}
	t.Log(err)
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v\nis not %v with %q", err, want, text)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Error("the error has several lines")
	}
	if after := descriptors(t); after != fds {
		t.Errorf("%d descriptors, %d before", after, fds)
	}
	if after := attached(t, l); after != before {
		t.Errorf("program %d is attached, %d before", after, before)
	}
}

// Both queues' sockets use one registration of one region, each its own worker's
// frames.
func TestQueuesShareTheRegion(t *testing.T) {
	l := newLab(t, 2)
	d := open(t, l, configFor(l))
	for i, q := range d.Status().Queues {
		if q.Shared != (i > 0) {
			t.Errorf("queue %d shares: %v", q.Queue, q.Shared)
		}
	}
	checkRuns(t, l, d)
}

// A kernel that does not share (before Linux 5.10) gets the same memory registered for each
// queue, and it works as before.
func TestQueuesRegisterApartWhereTheKernelDoesNotShare(t *testing.T) {
	l := newLab(t, 2)
	d := openWith(t, l, configFor(l), &faulty{bindErr: func(a *unix.SockaddrXDP) error {
		if a.Flags&unix.XDP_SHARED_UMEM != 0 {
			return unix.EINVAL
		}
		return nil
	}})
	s := d.Status()
	for _, q := range s.Queues {
		if q.Shared {
			t.Errorf("queue %d shares", q.Queue)
		}
	}
	all := strings.Join(s.Reasons, "\n")
	if len(s.Reasons) != 4 || !strings.Contains(all, "registered once more") || strings.Count(all, "one socket for both directions") != 2 {
		t.Errorf("reasons: %q", s.Reasons)
	}
	checkRuns(t, l, d)
}

// checkRuns sends packets to both queues, and looks where in the region they land.
func checkRuns(t *testing.T, l *lab.Lab, d *Device) {
	t.Helper()
	conns := udpFlows(t, l, 4, 16)
	seen := make([]int, len(d.Ports()))
	until(t, "packets on both queues", func() bool {
		for _, c := range conns {
			if _, err := c.Write([]byte("region")); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range d.Ports() {
			run := d.Memory().Pool(i).Config()
			turn(t, p, func(f *umem.Frame) bool {
				at := int(f.Addr()) / d.Memory().Region().ChunkSize()
				if at < run.First || at >= run.First+run.Frames || f.Owner() != i {
					t.Errorf("queue %d: a packet in chunk %d, owner %d; worker %d's run is %d to %d",
						p.Queue(), at, f.Owner(), i, run.First, run.First+run.Frames)
				}
				if data, _, ok := payload(f.Bytes()); !ok || string(data) != "region" {
					t.Errorf("queue %d: % x", p.Queue(), f.Bytes())
				}
				if f.Headroom() != umem.Headroom {
					t.Errorf("headroom %d", f.Headroom())
				}
				seen[i]++
				return false
			})
		}
		return !slices.Contains(seen, 0)
	})
}

// Two devices on one Memory: the second shares the first one's registration, and their frames
// come back apart.
func TestDevicesShareAMemory(t *testing.T) {
	l := newLab(t, 2)
	mem, err := NewMemory(MemoryConfig{Workers: 2, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	first := openOn(t, l, mem, Config{Interface: "xs0", Queues: []int{0}, Filter: ours(l), Log: quiet()}, "a")
	second := openOn(t, l, mem, Config{Interface: "xp0", Port: 1, Log: quiet()}, "b")
	if got := second.Status().Queues; !got[0].Shared || !got[1].Shared {
		t.Errorf("the second device does not share: %+v", got)
	}
	if err := mem.Close(); !errors.Is(err, ErrMemory) {
		t.Errorf("closing memory in use: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if fill := mem.Pool(0).Books().Fill; fill != second.Ports()[0].InFill() {
		t.Errorf("%d frames in fill after the first device closed, the second has %d", fill, second.Ports()[0].InFill())
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range mem.Workers() {
		auditEmpty(t, mem.Pool(i))
	}
	if err := mem.Close(); err != nil {
		t.Error(err)
	}
}

func openOn(t *testing.T, l *lab.Lab, mem *Memory, cfg Config, host string) (d *Device) {
	t.Helper()
	within(t, l.Host(host), func() (err error) {
		d, err = OpenDevice(mem, cfg)
		return err
	})
	return d
}

// openWith opens a device through a kernel with faults.
func openWith(t *testing.T, l *lab.Lab, cfg Config, k kernel) (d *Device) {
	t.Helper()
	d, err := tryWith(l, cfg, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAndAudit(t, d) })
	return d
}

func tryWith(l *lab.Lab, cfg Config, k kernel) (d *Device, err error) {
	err = l.Host("a").Do(func() error {
		itf, err := Lookup(cfg.Interface)
		if err != nil {
			return err
		}
		mem, err := NewMemory(MemoryConfig{Workers: itf.Queues, Log: cfg.Log})
		if err != nil {
			return err
		}
		if d, err = openDevice(mem, cfg, k); err == nil {
			d.owns = true
			return nil
		}
		for i := range mem.Workers() {
			if b := mem.Pool(i).Books(); b.Free != mem.Pool(i).Config().Frames {
				err = errors.Join(err, fmt.Errorf("worker %d's pool after the error: %+v", i, b))
			}
		}
		return errors.Join(err, mem.Close())
	})
	return d, err
}

// A port for one queue of two: what comes in on the other stays with the kernel.
func TestSomeQueues(t *testing.T) {
	l := newLab(t, 2)
	cfg := configFor(l)
	cfg.Queues = []int{1}
	d := open(t, l, cfg)
	p := d.Ports()[0]
	if p.Queue() != 1 || len(d.Ports()) != 1 || d.Memory().Workers() != 1 {
		t.Fatalf("queue %d of %d, %d workers", p.Queue(), len(d.Ports()), d.Memory().Workers())
	}
	conns := udpFlows(t, l, 4, 16)
	got := 0
	until(t, "packets taken and passed", func() bool {
		for _, c := range conns {
			_, _ = c.Write([]byte("some"))
		}
		got += turn(t, p, func(*umem.Frame) bool { return false })
		counts, err := d.Program().Verdicts()
		if err != nil {
			t.Fatal(err)
		}
		return got > 0 && counts[xdp.PassedSocket] > 0
	})
}

// The sockets' busy polling is set where it is asked for, and packets come as before.
func TestBusyPoll(t *testing.T) {
	l := newLab(t, 1)
	cfg := configFor(l)
	cfg.BusyPoll = BusyPoll{Prefer: true, Usecs: 20, Budget: 64}
	p := open(t, l, cfg).Ports()[0]
	for option, want := range map[int]int{unix.SO_PREFER_BUSY_POLL: 1, unix.SO_BUSY_POLL: 20, unix.SO_BUSY_POLL_BUDGET: 64} {
		if got, err := unix.GetsockoptInt(p.FD(), unix.SOL_SOCKET, option); got != want && err == nil {
			t.Errorf("socket option %d is %d, want %d", option, got, want)
		}
	}
	conn := udpFlows(t, l, 4, 1)[0]
	got := 0
	until(t, "packets", func() bool {
		_, _ = conn.Write([]byte("busy"))
		got += turn(t, p, func(*umem.Frame) bool { return false })
		return got >= 100
	})
}

// A Memory that has no pool for a queue, or whose pool is empty, is refused.
func TestMemoryDoesNotSuit(t *testing.T) {
	l := newLab(t, 2)
	mem, err := NewMemory(MemoryConfig{Workers: 1, Frames: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	within(t, l.Host("a"), func() error {
		if _, err := OpenDevice(mem, configFor(l)); !errors.Is(err, ErrMemory) {
			t.Errorf("two queues, one worker: %v", err)
		}
		cfg := configFor(l)
		cfg.Queues = []int{0}
		var taken []*umem.Frame
		for f := mem.Pool(0).Get(umem.ClassReceive); f != nil; f = mem.Pool(0).Get(umem.ClassReceive) {
			taken = append(taken, f)
		}
		if _, err := OpenDevice(mem, cfg); !errors.Is(err, engine.ErrNoFrames) {
			t.Errorf("no frames: %v", err)
		}
		mem.Pool(0).FreeBatch(taken)
		return nil
	})
	auditEmpty(t, mem.Pool(0))
}

func TestLookup(t *testing.T) {
	l := newLab(t, 4)
	want := l.Host("a").Interface()
	within(t, l.Host("a"), func() error {
		itf, err := Lookup(want.Name)
		if err != nil {
			return err
		}
		if itf.Queues != 4 || itf.RxOnly != 0 || itf.MTU != 1500 || !itf.Up || itf.Index != want.Index || string(itf.MAC[:]) != string(want.MAC) || itf.Driver != "veth" {
			t.Errorf("%+v", itf)
		}
		if _, err := netlink.GenlFamilyGet("netdev"); err != nil {
			t.Logf("this kernel tells no features: %v", err)
		} else if f := itf.Features; !f.Known || !f.Native || f.ZeroCopy {
			t.Errorf("a veth has native XDP and no zero-copy: %+v", f)
		}
		return nil
	})
}

func TestChunkSize(t *testing.T) {
	for _, c := range []struct {
		mtu  int
		zero bool
		mode Mode
		want int
	}{
		{1500, false, Auto, 2048},
		{1500, false, Copy, 2048},
		{1500, false, ZeroCopy, 4096},
		{1500, true, Auto, 4096},
		{1500, true, Copy, 2048},
		{1770, false, Copy, 2048},
		{1771, false, Copy, 4096},
		{3500, false, SKB, 4096},
	} {
		itf := Interface{MTU: c.mtu, Features: Features{Known: true, ZeroCopy: c.zero}}
		if got := itf.ChunkSize(c.mode); got != c.want {
			t.Errorf("MTU %d, zerocopy %v, mode %s: chunk %d, want %d", c.mtu, c.zero, c.mode, got, c.want)
		}
	}
}
