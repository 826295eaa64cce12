package xdp

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Limits that a Config leaves at zero.
const (
	DefaultMaxAddrs    = 1024
	DefaultMaxPortSets = 16
)

// Config says what to make room for, and what to take from the first packet.
type Config struct {
	// Queues is the number of receive queues of the device, at least 1.
	Queues int
	// Filter is in force as soon as the program is attached.
	Filter Filter
	// MaxAddrs bounds Filter.Addrs; 0 is DefaultMaxAddrs. At most 65,536.
	MaxAddrs int
	// MaxPortSets bounds how many shared addresses may have ports that differ
	// from all others'; 0 is DefaultMaxPortSets. At most 1024; each takes 48 KiB
	// of kernel memory.
	MaxPortSets int
}

// Program is the loaded XDP program with its maps, for one device. Its methods
// may be called by several goroutines.
type Program struct {
	queues      int
	maxAddrs    int
	maxPortSets int

	mu         sync.Mutex
	objects    objectObjects
	rules      *rules
	all        bool // Filter.All is in force
	link       link.Link
	device     string // attached to
	whyGeneric error
	closed     bool
}

// Load loads the program and its maps into the kernel; it is on no device yet.
// It fails with ErrPermission, ErrNotSupported, or as Update does.
func Load(cfg Config) (*Program, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	rs, err := cfg.Filter.compile(cfg.MaxAddrs, cfg.MaxPortSets)
	if err != nil {
		return nil, err
	}
	p := &Program{queues: cfg.Queues, maxAddrs: cfg.MaxAddrs, maxPortSets: cfg.MaxPortSets, all: rs.all}
	if err := p.load(); err != nil {
		return nil, loadError(err)
	}
	p.rules = newRules(&p.objects.objectMaps, cfg.MaxPortSets)
	if err := p.rules.apply(rs); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (c *Config) complete() error {
	if c.MaxAddrs == 0 {
		c.MaxAddrs = DefaultMaxAddrs
	}
	if c.MaxPortSets == 0 {
		c.MaxPortSets = DefaultMaxPortSets
	}
	switch {
	case c.Queues < 1:
		return fmt.Errorf("xdp: %w: a device has at least one queue, not %d", ErrQueue, c.Queues)
	case c.MaxAddrs < 0, c.MaxAddrs > 65536:
		return fmt.Errorf("xdp: %w addresses: MaxAddrs %d is not in 1 to 65536", ErrLimit, c.MaxAddrs)
	case c.MaxPortSets < 0, c.MaxPortSets > 1024:
		return fmt.Errorf("xdp: %w sets of ports: MaxPortSets %d is not in 1 to 1024", ErrLimit, c.MaxPortSets)
	}
	return nil
}

func (p *Program) load() error {
	spec, err := loadObject()
	if err != nil {
		return err
	}
	spec.Maps[objectMapSockets].MaxEntries = uint32(p.queues)
	// Twice, as Update writes the new rules before it removes the old ones.
	spec.Maps[objectMapAddresses].MaxEntries = uint32(2 * p.maxAddrs)
	spec.Maps[objectMapPortSets].MaxEntries = uint32(2 * p.maxPortSets)
	return spec.LoadAndAssign(&p.objects, nil)
}

// Register makes a queue's packets go to an AF_XDP socket, which must be bound
// to that queue of the device that the program is attached to: the kernel
// drops what it finds redirected to another. It replaces an earlier socket.
// The descriptor stays the caller's; a socket that is closed unregisters
// itself.
func (p *Program) Register(queue, fd int) error {
	if err := p.checkQueue(queue); err != nil {
		return err
	}
	if err := p.objects.Sockets.Put(uint32(queue), uint32(fd)); err != nil {
		return fmt.Errorf("xdp: registering descriptor %d for queue %d; is it an AF_XDP socket? %w", fd, queue, err)
	}
	return nil
}

// Unregister makes a queue's packets pass to the kernel. It is no error when
// the queue has no socket.
func (p *Program) Unregister(queue int) error {
	if err := p.checkQueue(queue); err != nil {
		return err
	}
	err := p.objects.Sockets.Delete(uint32(queue))
	// The kernel's xsk_map_delete_elem answers 0 for an empty slot.
	if err != nil {
		return fmt.Errorf("xdp: unregistering queue %d: %w", queue, err)
	}
	return nil
}

func (p *Program) checkQueue(queue int) error {
	if queue < 0 || queue >= p.queues {
		return fmt.Errorf("xdp: queue %d of %d: %w; \"ethtool -L DEVICE combined N\" sets how many a device has", queue, p.queues, ErrQueue)
	}
	return nil
}

// Update puts another filter into force while packets flow. What both filters
// take is taken throughout. It fails with ErrFilter or ErrLimit before
// anything is changed; should the kernel refuse a change midway, part of the
// new filter is in force, and Update may be called again.
func (p *Program) Update(f Filter) error {
	rs, err := f.compile(p.maxAddrs, p.maxPortSets)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.rules.apply(rs); err != nil {
		return err
	}
	if rs.all == p.all {
		return nil
	}
	if p.link != nil {
		if err := p.link.Update(p.entry(rs.all)); err != nil {
			return fmt.Errorf("xdp: %s: replacing the program: %w", p.device, err)
		}
	}
	p.all = rs.all
	return nil
}

// entry is the program that stands at the device.
func (p *Program) entry(all bool) *ebpf.Program {
	if all {
		return p.objects.XdpstackAll
	}
	return p.objects.XdpstackFilter
}

// Verdicts returns how many packets had which verdict since Load.
func (p *Program) Verdicts() (Counts, error) {
	var counts Counts
	var perCPU []uint64
	for v := range counts {
		if err := p.objects.Verdicts.Lookup(uint32(v), &perCPU); err != nil {
			return Counts{}, fmt.Errorf("xdp: reading the counter %s: %w", Verdict(v), err)
		}
		for _, n := range perCPU {
			counts[v] += n
		}
	}
	return counts, nil
}

// Match tells what the rules in force would do with a packet (an Ethernet
// frame of at least 14 bytes), on a queue that has a socket. It asks the
// program itself, by BPF_PROG_TEST_RUN; nothing is counted or sent.
func (p *Program) Match(packet []byte) (Verdict, error) {
	p.mu.Lock()
	all := p.all
	p.mu.Unlock()
	if all {
		return TakenAll, nil
	}
	ret, err := p.objects.XdpstackDecide.Run(&ebpf.RunOptions{Data: packet})
	switch {
	case errors.Is(err, unix.EINVAL):
		return 0, fmt.Errorf("xdp: matching %d bytes: an Ethernet header is 14: %w", len(packet), err)
	case err != nil:
		return 0, fmt.Errorf("xdp: matching: %w", err)
	case ret >= uint32(NumVerdicts):
		return 0, fmt.Errorf("xdp: matching: the program answered %d, which is no verdict", ret)
	}
	return Verdict(ret), nil
}

// Close takes the program off its device, then frees it. After that the
// program's other methods fail. The sockets should be closed after it, so that
// no packet is redirected to a socket that is on its way out.
func (p *Program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var err error
	if p.link != nil {
		err = p.link.Close()
	}
	return errors.Join(err, p.objects.Close())
}
