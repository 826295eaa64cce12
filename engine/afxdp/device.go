package afxdp

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/xdp"
)

// Device is an open interface: its XDP program and a Port for each of its queues.
type Device struct {
	cfg    Config
	k      kernel
	itf    Interface
	mem    *Memory
	owns   bool // the Memory too
	queues []int

	ports  []*Port
	status Status

	mu      sync.Mutex
	program *xdp.Program // nil: not attached
	open    int          // ports
}

// Open opens a device with a Memory of its own: a worker for each queue, chunks as
// they suit the device. It fails as OpenDevice does.
func Open(cfg Config) (*Device, error) {
	itf, err := Lookup(cfg.Interface)
	if err != nil {
		return nil, err
	}
	queues, err := cfg.pickQueues(itf.Queues)
	if err != nil {
		return nil, err
	}
	mem, err := NewMemory(MemoryConfig{Workers: len(queues), ChunkSize: itf.ChunkSize(cfg.Mode), Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	d, err := OpenDevice(mem, cfg)
	if err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	d.owns = true
	return d, nil
}

// OpenDevice opens a device on mem, which must have a pool for each queue, and starts taking
// what the filter says. It runs before the workers do: it fills the rings from their
// pools.
//
// Errors wrap engine.ErrNoDevice, ErrNoQueue, ErrBusy, ErrPermission, ErrNotSupported, ErrDown
// or ErrNoFrames, xdp.ErrForeignProgram, or this package's own. They leave nothing
// open or attached, and all frames in their pools.
func OpenDevice(mem *Memory, cfg Config) (*Device, error) { return openDevice(mem, cfg, linux{}) }

func openDevice(mem *Memory, cfg Config, k kernel) (*Device, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	itf, err := Lookup(cfg.Interface)
	if err != nil {
		return nil, err
	}
	if err := itf.check(mem.region.ChunkSize()); err != nil {
		return nil, err
	}
	queues, err := cfg.pickQueues(itf.Queues)
	if err != nil {
		return nil, err
	}
	if len(queues) > mem.Workers() {
		return nil, fmt.Errorf("afxdp: %s: %w for %d workers, but %d queues; one worker takes one queue of a device", itf.Name, ErrMemory, mem.Workers(), len(queues))
	}
	d := &Device{cfg: cfg, k: k, itf: itf, mem: mem, queues: queues}
	d.status = Status{Interface: itf, Asked: cfg.Mode, ChunkSize: mem.region.ChunkSize(), HugePages: mem.Huge()}
	mem.opened()
	if err := d.climbDown(); err != nil {
		mem.closed()
		return nil, err
	}
	d.report()
	return d, nil
}

// climbDown tries the rungs of the ladder until one holds.
func (d *Device) climbDown() error {
	var err error
	for _, r := range rungs(d.cfg.Mode) {
		if reason := d.skip(r); reason != "" {
			d.status.Reasons = append(d.status.Reasons, reason)
			continue
		}
		if err = d.try(r); err == nil {
			d.status.Mode = d.ports[0].mode
			return nil
		}
		err = errors.Join(err, d.teardown())
		if d.cfg.Mode != Auto || !stepsDown(err) {
			return err
		}
		d.status.Reasons = append(d.status.Reasons, err.Error())
	}
	return err
}

// skip says why a rung need not be tried. What is asked for is always tried: its error
// then has the kernel's own reason.
func (d *Device) skip(r rung) string {
	f := d.itf.Features
	if d.cfg.Mode == Auto && r.mode == ZeroCopy && f.Known && !f.ZeroCopy {
		return fmt.Sprintf("zerocopy: %s does not offer it%s", d.itf.Name, byDriver(&d.itf))
	}
	return ""
}

// stepsDown reports whether a lower rung may help.
func stepsDown(err error) bool { return errors.Is(err, engine.ErrNotSupported) }

// try opens all queues in one mode and attaches the program.
func (d *Device) try(r rung) error {
	for i := range d.queues {
		p, err := d.openPort(i, r)
		if err != nil {
			return err
		}
		d.ports = append(d.ports, p)
		d.open++
	}
	return d.attach(r)
}

// openPort opens a queue, and waits while a former owner's sockets are on their way out: the
// kernel frees a queue from a work item, some milliseconds after close.
func (d *Device) openPort(i int, r rung) (*Port, error) {
	deadline := time.Now().Add(d.cfg.BindTimeout)
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		p, err := d.openShared(i, r)
		if !errors.Is(err, unix.EBUSY) {
			return p, err
		}
		if time.Until(deadline) < wait {
			return nil, takenError(err, &d.cfg, findHolders())
		}
		time.Sleep(wait)
	}
}

// openShared opens a queue on the registration that there is already, if there is
// one, otherwise or if the kernel does not share it, on one of its own of the same
// memory.
func (d *Device) openShared(i int, r rung) (*Port, error) {
	shared := d.mem.shareFor(r.mode)
	if shared < 0 {
		return d.openOnce(i, r, -1)
	}
	p, err := d.openOnce(i, r, shared)
	if !errors.Is(err, engine.ErrNotSupported) {
		return p, err
	}
	reason := fmt.Sprintf("queue %d: the kernel does not share the registration of packet memory; it is registered once more: %v", d.queues[i], err)
	if p, err = d.openOnce(i, r, -1); err == nil {
		d.status.Reasons = append(d.status.Reasons, reason)
	}
	return p, err
}

// openOnce opens a queue: socket, rings, frames on the fill ring, bind.
func (d *Device) openOnce(i int, r rung, shared int) (p *Port, err error) {
	reg := d.mem.registration()
	which := &reg
	if shared >= 0 {
		which = nil
	}
	s, err := openSocket(d.k, d.cfg.Rings, which)
	if err != nil {
		return nil, err
	}
	p = newPort(d, i, s)
	p.shared = shared >= 0
	defer func() {
		if err != nil {
			err = errors.Join(err, p.discard())
			p = nil
		}
	}()
	if p.Refill(); p.InFill() == 0 {
		return p, fmt.Errorf("afxdp: %s: queue %d: %w: worker %d's pool has none to receive into", d.itf.Name, d.queues[i], engine.ErrNoFrames, i)
	}
	if err := s.busyPoll(d.cfg.BusyPoll); err != nil {
		return p, err
	}
	if err := s.bind(d.itf.Index, d.queues[i], r.flags, shared); err != nil {
		return p, bindError(&d.itf, d.queues[i], r, err)
	}
	return p, p.settle(r)
}

// attach loads the program, tells it the sockets, and puts it on the device.
func (d *Device) attach(r rung) error {
	program, err := xdp.Load(xdp.Config{Queues: d.itf.Queues + d.itf.RxOnly, Filter: d.cfg.Filter})
	if err != nil {
		return attachError(err)
	}
	for i, p := range d.ports {
		if err := program.Register(d.queues[i], p.sock.fd); err != nil {
			return errors.Join(err, program.Close())
		}
	}
	if d.status.Attached, err = program.Attach(d.itf.Index, r.attach); err != nil {
		return errors.Join(attachError(err), program.Close())
	}
	d.program = program
	return nil
}

// teardown undoes a try.
func (d *Device) teardown() error {
	err := d.Detach()
	for _, p := range d.ports {
		err = errors.Join(err, p.discard())
	}
	d.ports, d.open = nil, 0
	return err
}

// Name is the interface's.
func (d *Device) Name() string { return d.itf.Name }

// Ports are the device's ports; port i is of queue i of Status, and worker i's.
func (d *Device) Ports() []*Port { return d.ports }

// Memory is the packet memory that the device uses.
func (d *Device) Memory() *Memory { return d.mem }

// Program is the XDP program on the device, to change its filter and to read its
// verdicts; nil once it is detached.
func (d *Device) Program() *xdp.Program {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.program
}

// Detach takes the program off the device: from here on the kernel has all packets.
// Closing the first port does it too.
func (d *Device) Detach() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.program == nil {
		return nil
	}
	err := d.program.Close()
	d.program = nil
	return err
}

// Close detaches the program and closes the ports that are still open, and the Memory, if
// Open made it. The workers of the ports must have ended.
func (d *Device) Close() error {
	err := d.Detach()
	for _, p := range d.ports {
		err = errors.Join(err, p.Close())
	}
	if d.owns {
		d.owns = false
		err = errors.Join(err, d.mem.Close())
	}
	return err
}

// portClosed counts the ports that are left.
func (d *Device) portClosed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open--; d.open == 0 {
		d.mem.closed()
	}
}
