package xdp

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// carried is the device's program as the kernel reports it; 0 for none.
func carried(t *testing.T, ifindex int) ebpf.ProgramID {
	t.Helper()
	dev, err := lookAt(ifindex)
	if err != nil {
		t.Fatal(err)
	}
	return dev.program
}

func programID(t *testing.T, p *ebpf.Program) ebpf.ProgramID {
	t.Helper()
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	return id
}

func TestAttach(t *testing.T) {
	for _, c := range []struct{ ask, want Mode }{{Native, Native}, {Generic, Generic}, {Auto, Native}} {
		t.Run(c.ask.String(), func(t *testing.T) {
			near, _ := namespace(t, 1)
			p := load(t, Config{Queues: 1})
			got, err := p.Attach(near, c.ask)
			if err != nil || got != c.want || p.WhyGeneric() != nil {
				t.Fatalf("mode %s, %v, fallback %v; want %s", got, err, p.WhyGeneric(), c.want)
			}
			if id := carried(t, near); id != programID(t, p.objects.XdpstackFilter) {
				t.Errorf("the device carries program %d", id)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if id := carried(t, near); id != 0 {
				t.Errorf("the device carries program %d after Close", id)
			}
		})
	}
}

// The loopback has no XDP in its driver: Auto falls back and says why, Native refuses.
func TestAttachWithoutDriverSupport(t *testing.T) {
	namespace(t, 1)
	lo := up(t, "lo")
	p := load(t, Config{Queues: 1})
	if _, err := p.Attach(lo, Native); !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), "lo") {
		t.Errorf("Native: %v, want %v and the device's name", err, ErrNotSupported)
	}
	got, err := p.Attach(lo, Auto)
	if err != nil || got != Generic || !errors.Is(p.WhyGeneric(), ErrNotSupported) {
		t.Errorf("Auto: %s, %v, fallback %v; want generic for %v", got, err, p.WhyGeneric(), ErrNotSupported)
	}
}

// A veth whose peer's packets do not fit one buffer: native XDP needs multi-buffer support.
func TestAttachWithJumboFrames(t *testing.T) {
	near, far := namespace(t, 1)
	for _, index := range []int{near, far} {
		if err := netlink.LinkSetMTU(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}, 9000); err != nil {
			t.Fatal(err)
		}
	}
	p := load(t, Config{Queues: 1})
	if _, err := p.Attach(near, Native); !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), "MTU") {
		t.Errorf("%v, want %v and a word on the MTU", err, ErrNotSupported)
	}
}

func TestAttachRefuses(t *testing.T) {
	near, far := namespace(t, 1)
	p := load(t, Config{Queues: 1})
	if _, err := p.Attach(9999, Auto); !errors.Is(err, ErrNoDevice) {
		t.Errorf("no device: %v, want %v", err, ErrNoDevice)
	}
	if _, err := p.Attach(near, Auto); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Attach(far, Auto); !errors.Is(err, ErrAttached) || !strings.Contains(err.Error(), "xd0") {
		t.Errorf("second device: %v, want %v and the first's name", err, ErrAttached)
	}
}

// foreign is a program of somebody else's.
func foreign(t *testing.T) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "somebodys",
		Type:         ebpf.XDP,
		License:      "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// A program of somebody else's is named, and stays, whatever mode it and we want.
func TestForeignProgramStays(t *testing.T) {
	byNetlink := func(flags int) func(*testing.T, int, *ebpf.Program) {
		return func(t *testing.T, ifindex int, p *ebpf.Program) {
			dev := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
			if err := netlink.LinkSetXdpFdWithFlags(dev, p.FD(), flags); err != nil {
				t.Fatal(err)
			}
		}
	}
	byLink := func(t *testing.T, ifindex int, p *ebpf.Program) {
		l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: link.XDPDriverMode})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	for _, c := range []struct {
		name   string
		attach func(*testing.T, int, *ebpf.Program)
		says   string
	}{
		{"native", byNetlink(nl.XDP_FLAGS_DRV_MODE), `(native); "ip link set dev xd0 xdpdrv off" detaches it`},
		{"generic", byNetlink(nl.XDP_FLAGS_SKB_MODE), `(generic); "ip link set dev xd0 xdpgeneric off" detaches it`},
		{"link", byLink, `(native); its BPF link `},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, _ := namespace(t, 1)
			other := foreign(t)
			c.attach(t, near, other)
			id := programID(t, other)
			p := load(t, Config{Queues: 1})
			for _, mode := range []Mode{Auto, Native, Generic} {
				_, err := p.Attach(near, mode)
				says := fmt.Sprintf("xdp: xd0 already carries another XDP program: %d \"somebodys\" %s", id, c.says)
				if !errors.Is(err, ErrForeignProgram) || !strings.Contains(fmt.Sprint(err), says) {
					t.Errorf("%s: %v, want %q", mode, err, says)
				}
				// Behind our look the kernel itself refuses, which closes the race.
				dev, _ := lookAt(near)
				if _, _, err := p.tryModes(dev, mode); !errors.Is(err, ErrForeignProgram) {
					t.Errorf("%s, unchecked: %v, want %v", mode, err, ErrForeignProgram)
				}
			}
			if now := carried(t, near); now != id {
				t.Errorf("the device carries program %d, want %d still", now, id)
			}
		})
	}
}

// Filter.All swaps the program at the device, there and back.
func TestUpdateWhileAttached(t *testing.T) {
	near, _ := namespace(t, 1)
	p := load(t, Config{Queues: 1, Filter: Filter{All: true}})
	if _, err := p.Attach(near, Native); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		filter Filter
		want   *ebpf.Program
	}{
		{Filter{All: true}, p.objects.XdpstackAll},
		{testFilter, p.objects.XdpstackFilter},
		{Filter{All: true}, p.objects.XdpstackAll},
	} {
		if err := p.Update(step.filter); err != nil {
			t.Fatal(err)
		}
		if id := carried(t, near); id != programID(t, step.want) {
			t.Errorf("the device carries program %d, want %d", id, programID(t, step.want))
		}
	}
}

// A packet goes to the socket of the queue that it came in on.
func TestQueueOfThePacket(t *testing.T) {
	near, _ := namespace(t, 2)
	p := load(t, Config{Queues: 2, Filter: testFilter})
	if _, err := p.Attach(near, Native); err != nil {
		t.Fatal(err)
	}
	if err := p.Register(1, socket(t)); err != nil {
		t.Fatal(err)
	}
	b := packet(v4, ip4(own4, 17), udp(9, 9))
	for queue, want := range []uint32{xdpPass, xdpRedirect} {
		// struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
		md := [6]uint32{1: uint32(len(b)), 3: uint32(near), 4: uint32(queue)}
		action, err := p.objects.XdpstackFilter.Run(&ebpf.RunOptions{Data: b, Context: md})
		if err != nil || action != want {
			t.Errorf("queue %d: action %d, %v, want %d", queue, action, err, want)
		}
	}
}

// Packets from the peer are decided about and counted, in both modes.
func TestLivePackets(t *testing.T) {
	for _, mode := range []Mode{Native, Generic} {
		t.Run(mode.String(), func(t *testing.T) {
			near, far := namespace(t, 1)
			p := load(t, Config{Queues: 1, Filter: testFilter})
			if _, err := p.Attach(near, mode); err != nil {
				t.Fatal(err)
			}
			send := sender(t, far)
			for range 10 {
				send(packet(v4, ip4(own4, 17), udp(9, 9), make([]byte, 64)))
			}
			wait(t, "10 packets passed for want of a socket", func() bool { return count(t, p)[PassedSocket] == 10 })
			if err := p.Register(0, socket(t)); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				send(packet(v6, ip6(own6, 17), udp(9, 9), make([]byte, 64)))
			}
			wait(t, "10 packets taken", func() bool { return count(t, p)[TakenIPv6] == 10 })
		})
	}
}

// sender puts packets on the wire at a device, past the kernel's stack.
func sender(t *testing.T, ifindex int) func([]byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func(b []byte) {
		if err := unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Ifindex: ifindex}); err != nil {
			t.Fatal(err)
		}
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 30 s for: %s", what)
		}
	}
}

// kill -9 detaches the program, and the next start works at once.
func TestKillDetaches(t *testing.T) {
	testenv.Root(t)
	near, _ := namespace(t, 1)
	here, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(here), "netns")
	defer file.Close()
	cmd, line := child(t, "attach", file)
	if line != "attached" {
		t.Fatal(line)
	}
	if carried(t, near) == 0 {
		t.Fatal("the child's program is not at the device")
	}
	p := load(t, Config{Queues: 1})
	if _, err := p.Attach(near, Auto); !errors.Is(err, ErrForeignProgram) {
		t.Errorf("Attach beside the child: %v, want %v", err, ErrForeignProgram)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if id := carried(t, near); id != 0 {
		t.Errorf("the device still carries program %d", id)
	}
	if _, err := p.Attach(near, Auto); err != nil {
		t.Errorf("Attach after the child's end: %v", err)
	}
}

// A device that goes away takes the link with it; Close is still clean.
func TestDeviceGoesAway(t *testing.T) {
	near, _ := namespace(t, 1)
	p := load(t, Config{Queues: 1})
	if _, err := p.Attach(near, Native); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: near}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Update(testFilter); err != nil {
		t.Errorf("Update: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
