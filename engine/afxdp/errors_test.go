package afxdp

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/umem"
)

// What a user gets wrong is an error of one line that says what to do.
func TestRefusals(t *testing.T) {
	l := newLab(t, 2)
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   error
		text   string
	}{
		{"wrong interface", func(c *Config) { c.Interface = "eht7" }, engine.ErrNoDevice,
			`interface "eht7": no such device in this network namespace; "ip link" lists them`},
		{"no interface", func(c *Config) { c.Interface = "" }, engine.ErrNoDevice, `interface ""`},
		{"queue beyond", func(c *Config) { c.Queues = []int{0, 2} }, engine.ErrNoQueue,
			`queue 2 of xs0, which has 2: no such queue; "ethtool -L xs0 combined 3" adds it`},
		{"queue below", func(c *Config) { c.Queues = []int{-1} }, ErrConfig, "queue -1; they are numbered from 0"},
		{"queue twice", func(c *Config) { c.Queues = []int{1, 1} }, ErrConfig, "queue 1 is named twice"},
		{"no queue", func(c *Config) { c.Queues = []int{} }, ErrConfig, "leave it nil for all"},
		{"ring", func(c *Config) { c.Rings.RX = 100 }, ErrConfig, "a ring of 100 slots; powers of two up to 65536 will do"},
		{"completion", func(c *Config) { c.Rings.Completion = 64 }, ErrConfig, "shorter than the TX ring"},
		{"mode", func(c *Config) { c.Mode = 9 }, ErrConfig, "there are auto, zerocopy, copy and skb"},
		{"busy poll", func(c *Config) { c.BusyPoll.Usecs = -1 }, ErrConfig, "negative"},
		{"filter", func(c *Config) { c.Filter.Addrs = append(c.Filter.Addrs, xdp.Addr{}) }, xdp.ErrFilter, "not an address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configFor(l)
			c.change(&cfg)
			refused(t, l, cfg, c.want, c.text)
		})
	}
}

func TestInterfaceDown(t *testing.T) {
	l := newLab(t, 1)
	setLink(t, l, netlink.LinkSetDown)
	refused(t, l, configFor(l), engine.ErrDown, `"ip link set dev xs0 up" brings it up`)
}

func setLink(t *testing.T, l *lab.Lab, set func(netlink.Link) error) {
	t.Helper()
	within(t, l.Host("a"), func() error {
		link, err := netlink.LinkByName(l.Host("a").Interface().Name)
		if err != nil {
			return err
		}
		return set(link)
	})
}

func TestMTUTooLarge(t *testing.T) {
	l := newLab(t, 1)
	setLink(t, l, func(link netlink.Link) error { return netlink.LinkSetMTU(link, 3000) })
	mem, err := NewMemory(MemoryConfig{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	err = l.Host("a").Do(func() error {
		_, err := OpenDevice(mem, configFor(l))
		return err
	})
	want := `MTU 3000, but a chunk of 2048 takes 1770; "ip link set dev xs0 mtu 1770" lowers it, or take chunks of 4096`
	if !errors.Is(err, ErrMTU) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	// A device with memory of its own takes larger chunks by itself.
	if d := open(t, l, configFor(l)); d.Status().ChunkSize != ZeroCopyChunk {
		t.Errorf("chunks of %d", d.Status().ChunkSize)
	}
}

// Somebody else's program is named, and stays.
func TestForeignProgram(t *testing.T) {
	l := newLab(t, 2)
	foreign, err := xdp.Load(xdp.Config{Queues: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	within(t, l.Host("a"), func() error {
		_, err := foreign.Attach(l.Host("a").Interface().Index, xdp.Native)
		return err
	})
	refused(t, l, configFor(l), xdp.ErrForeignProgram, "already carries another XDP program")
	refused(t, l, configFor(l), engine.ErrBusy, "bpftool link detach id")
	if attached(t, l) == 0 {
		t.Error("the foreign program is gone")
	}
}

// A queue that stays taken is waited for, then who may hold it is named.
func TestQueueTaken(t *testing.T) {
	l := newLab(t, 2)
	cfg := configFor(l)
	d := open(t, l, cfg)
	if err := d.Detach(); err != nil { // or the program would be in the way first
		t.Fatal(err)
	}
	cfg.BindTimeout = 50 * time.Millisecond
	start := time.Now()
	refused(t, l, cfg, engine.ErrBusy, "still so after 50ms; AF_XDP sockets are held by this process itself")
	if waited := time.Since(start); waited > patience {
		t.Errorf("waited %s", waited)
	}
}

// What cannot be made here is injected.
func TestKernelErrors(t *testing.T) {
	l := newLab(t, 2)
	bind := func(err error) *faulty {
		return &faulty{bindErr: func(*unix.SockaddrXDP) error { return err }}
	}
	for _, c := range []struct {
		name string
		k    *faulty
		want error
		text string
	}{
		{"no AF_XDP", &faulty{socketErr: unix.EAFNOSUPPORT}, engine.ErrNotSupported, "CONFIG_XDP_SOCKETS=y"},
		{"no CAP_NET_RAW", &faulty{socketErr: unix.EPERM}, engine.ErrPermission, "run as root, or with CAP_NET_RAW"},
		{"memlock", &faulty{setErr: map[int]error{unix.XDP_UMEM_REG: unix.ENOBUFS}}, ErrMemlock, `65536 KiB for packets is above RLIMIT_MEMLOCK; "ulimit -l unlimited"`},
		{"memory", &faulty{setErr: map[int]error{unix.XDP_UMEM_REG: unix.ENOMEM}}, unix.ENOMEM, "take fewer frames"},
		{"ring", &faulty{setErr: map[int]error{unix.XDP_RX_RING: unix.ENOMEM}}, unix.ENOMEM, "making a rx ring of 2048"},
		{"no ring", &faulty{setErr: map[int]error{unix.XDP_UMEM_FILL_RING: unix.ENOPROTOOPT}}, engine.ErrNotSupported, "fill ring"},
		{"mapping", &faulty{mapErr: unix.ENOMEM, mapAfter: 2}, unix.ENOMEM, "mapping the rx ring"},
		{"mapping of queue 1", &faulty{mapErr: unix.ENOMEM, mapAfter: 7}, unix.ENOMEM, "mapping the rx ring"},
		{"no device", bind(unix.ENODEV), engine.ErrGone, "queue 0: the device is gone"},
		{"down", bind(unix.ENETDOWN), engine.ErrDown, "queue 0: the device is down"},
		{"not permitted", bind(unix.EPERM), engine.ErrPermission, "binding is not permitted"},
		{"taken", bind(unix.EBUSY), engine.ErrBusy, "queue 0: the queue is in use"},
		{"no mode at all", bind(unix.EOPNOTSUPP), engine.ErrNotSupported, "mode skb is not supported"},
		{"another mode", &faulty{zeroCopy: true}, engine.ErrNotSupported, "the kernel took it and runs another"},
		{"else", bind(unix.EIO), unix.EIO, "binding in mode copy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fds := descriptors(t)
			cfg := configFor(l)
			if c.want == engine.ErrBusy { // the others meet queues that were closed a moment ago
				cfg.BindTimeout = 20 * time.Millisecond
			}
			_, err := tryWith(l, cfg, c.k)
			t.Log(err)
			if err == nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v\nis not one line with %q, %v", err, c.text, c.want)
			}
			if after := descriptors(t); after != fds {
				t.Errorf("%d descriptors, %d before", after, fds)
			}
			if attached(t, l) != 0 {
				t.Error("a program is attached")
			}
		})
	}
}

// The ladder: what zero-copy and native refuse, the next rung does, and the reasons are kept.
func TestLadderStepsDown(t *testing.T) {
	l := newLab(t, 1)
	asked := 0
	d := openWith(t, l, configFor(l), &faulty{bindErr: func(a *unix.SockaddrXDP) error {
		if asked++; asked == 1 {
			return unix.EOPNOTSUPP
		}
		return nil
	}})
	s := d.Status()
	if s.Mode != SKB || s.Attached != xdp.Generic {
		t.Errorf("mode %s, program %s", s.Mode, s.Attached)
	}
	if len(s.Reasons) != 2 || !strings.Contains(s.Reasons[1], "mode copy is not supported") {
		t.Errorf("reasons: %q", s.Reasons)
	}
}

// A thread without capabilities is told which ones it needs; one that may not lock memory, that.
func TestCapabilities(t *testing.T) {
	l := newLab(t, 2)
	err := without(t, l, ^uint64(0))
	if !errors.Is(err, engine.ErrPermission) || !strings.Contains(err.Error(), needsRoot) {
		t.Errorf("without any: %v", err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur > 2*DefaultFrames*CopyChunk {
		t.Logf("RLIMIT_MEMLOCK is %d bytes, too much to run into", limit.Cur)
		return
	}
	err = without(t, l, 1<<unix.CAP_IPC_LOCK)
	if !errors.Is(err, ErrMemlock) {
		t.Errorf("without CAP_IPC_LOCK and with %d bytes: %v", limit.Cur, err)
	}
}

// without opens a device on a thread that lacks capabilities, and dies with them.
func without(t *testing.T, l *lab.Lab, lack uint64) error {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good
		result <- func() error {
			fd, err := unix.Open(l.Host("a").Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err := dropCapabilities(lack); err != nil {
				return err
			}
			d, err := Open(configFor(l))
			if err == nil {
				err = errors.Join(fmt.Errorf("the device opened"), d.Close())
			}
			return err
		}()
	}()
	return <-result
}

func dropCapabilities(lack uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		data[i].Effective &^= uint32(lack >> (32 * i))
		data[i].Permitted &^= uint32(lack >> (32 * i))
	}
	return unix.Capset(&header, &data[0])
}

func TestMemoryConfig(t *testing.T) {
	for _, c := range []MemoryConfig{
		{Workers: 0},
		{Workers: umem.MaxWorkers + 1},
		{Workers: 1, Frames: -1},
		{Workers: 2, Frames: 1 << 40}, // more than the machine has
		{Workers: 2, Frames: 1 << 60}, // more than an int can say in bytes
		{Workers: 1, ChunkSize: 1024},
		{Workers: 1, ChunkSize: 3000},
		{Workers: 1, Frames: 16, Floors: umem.PoolConfig{FillFloor: 16}},
	} {
		if m, err := NewMemory(c); err == nil {
			t.Errorf("%+v was taken", c)
			_ = m.Close()
		}
	}
}

func TestParseMode(t *testing.T) {
	for m := range numModes {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%s: %s, %v", m, got, err)
		}
	}
	if _, err := ParseMode("fast"); !errors.Is(err, ErrConfig) {
		t.Errorf("%v", err)
	}
}
