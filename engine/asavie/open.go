package asavie

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/asavie/xdp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/umem"
)

// Config says what to open.
type Config struct {
	Interface string // in the network namespace of the calling thread
	Queue     int
	Worker    int // whose pool the frames are
	Workers   int // of the host; 1 when 0

	Frames    int // of the region: 8192 when 0
	ChunkSize int // 2048 when 0
	Slots     int // of each ring, a power of two: 2048 when 0
}

func (c *Config) defaults() {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.Workers, 1}, {&c.Frames, 8192}, {&c.ChunkSize, 2048}, {&c.Slots, 2048}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// Open opens a socket on a queue, attaches the library's program to the device, and fills the
// fill ring. Errors wrap engine.ErrNoDevice, engine.ErrBusy, engine.ErrNotSupported or
// engine.ErrPermission where that is known.
func Open(cfg Config) (*Port, error) {
	cfg.defaults()
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("asavie: %w: the library has no memory barriers, which %s needs; use the afxdp port", engine.ErrNotSupported, runtime.GOARCH)
	}
	link, err := netlink.LinkByName(cfg.Interface)
	if err != nil {
		return nil, fmt.Errorf("asavie: %s: %w; \"ip link\" lists what there is", cfg.Interface, engine.ErrNoDevice)
	}
	if x := link.Attrs().Xdp; x != nil && x.Attached {
		return nil, fmt.Errorf("asavie: %s: %w: it has an XDP program already, which would be lost; \"ip link set dev %s xdp off\" takes it off", cfg.Interface, engine.ErrBusy, cfg.Interface)
	}
	p := &Port{ifindex: link.Attrs().Index, slots: cfg.Slots, refused: umem.NewQueue()}
	if err := p.open(cfg); err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("asavie: %s: queue %d: %w", cfg.Interface, cfg.Queue, err)
	}
	p.Refill()
	return p, nil
}

func (p *Port) open(cfg Config) error {
	var err error
	p.sock, err = xdp.NewSocket(p.ifindex, cfg.Queue, &xdp.SocketOptions{
		NumFrames: cfg.Frames, FrameSize: cfg.ChunkSize,
		FillRingNumDescs: cfg.Slots, CompletionRingNumDescs: cfg.Slots, RxRingNumDescs: cfg.Slots, TxRingNumDescs: cfg.Slots,
	})
	if err != nil {
		return explain(err)
	}
	mem := p.sock.GetFrame(xdp.Desc{Len: uint32(cfg.Frames * cfg.ChunkSize)})
	region, err := umem.NewRegion(mem, cfg.ChunkSize)
	if err != nil {
		return err
	}
	p.pool, err = umem.NewPool(region, umem.PoolConfig{
		Worker: cfg.Worker, Workers: cfg.Workers, Frames: cfg.Frames,
		FillFloor: min(cfg.Slots, cfg.Frames/2), SendQuota: cfg.Frames, ReceiveQuota: cfg.Frames,
	})
	if err != nil {
		return err
	}
	if err := p.mapCompletions(cfg.Slots); err != nil {
		return err
	}
	if p.prog, err = xdp.NewProgram(cfg.Queue + 1); err != nil {
		return explain(err)
	}
	if err := p.prog.Register(cfg.Queue, p.sock.FD()); err != nil {
		return err
	}
	if err := p.prog.Attach(p.ifindex); err != nil {
		return explain(err)
	}
	p.attached = true
	return nil
}

// mapCompletions maps the completion ring once more, to read what the library does not tell.
func (p *Port) mapCompletions(slots int) error {
	off, err := completionOffsets(p.sock.FD())
	if err != nil {
		return fmt.Errorf("XDP_MMAP_OFFSETS: %w", err)
	}
	size := int(off.Desc) + slots*rings.AddrSize
	p.mapped, err = unix.Mmap(p.sock.FD(), unix.XDP_UMEM_PGOFF_COMPLETION_RING, size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("mapping the completion ring: %w", err)
	}
	p.comp, err = rings.NewCompletion(p.mapped, off, uint32(slots))
	return err
}

// explain finds the sentinel for an error of the library, which wraps none.
func explain(err error) error {
	text := err.Error()
	for _, c := range []struct {
		errno    unix.Errno
		sentinel error
		advice   string
	}{
		{unix.EBUSY, engine.ErrBusy, "another AF_XDP socket has it; end that program"},
		{unix.EPERM, engine.ErrPermission, "run as root"},
		{unix.EAFNOSUPPORT, engine.ErrNotSupported, "the kernel has no AF_XDP (CONFIG_XDP_SOCKETS)"},
		{unix.EINVAL, engine.ErrNoQueue, "\"ethtool -l\" shows how many there are"},
	} {
		if errors.Is(err, c.errno) || strings.Contains(text, c.errno.Error()) {
			return fmt.Errorf("%w: %s: %w", c.sentinel, c.advice, err)
		}
	}
	return err
}
