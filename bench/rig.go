package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/umem"
)

// rig is what a run measures on: the interfaces, opened, and their workers.
type rig struct {
	cfg      *Config
	itfs     []afxdp.Interface
	queues   []int
	template template // of what is sent
	net      *netlink.Handle

	ports   [][]engine.Port // by worker, then by interface
	pools   []*umem.Pool    // by worker
	devices []*afxdp.Device // nil for other kinds of ports
	detach  func() error    // gives the traffic back to the kernel
	release func() error    // and the rest; frames are free afterwards

	workers  []*worker
	failed   chan struct{} // closed when a worker has ended by itself
	failOnce sync.Once
}

func (r *rig) fail() { r.failOnce.Do(func() { close(r.failed) }) }

// openRig opens the interfaces in the namespace of the calling thread, and makes the workers.
func openRig(cfg *Config, j *job) (r *rig, err error) {
	r = &rig{cfg: cfg, failed: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.net, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return r, fmt.Errorf("bench: opening a routing socket: %w", err)
	}
	if err := r.lookup(j); err != nil {
		return r, err
	}
	open := r.openAFXDP
	if cfg.Port == Asavie {
		open = r.openAsavie
	}
	if err := open(j); err != nil {
		return r, err
	}
	return r, r.makeWorkers(j)
}

// lookup asks the kernel about the interfaces, and checks what was asked for against them.
func (r *rig) lookup(j *job) error {
	least := 0
	for _, name := range r.cfg.Interfaces {
		itf, err := afxdp.Lookup(name)
		if err != nil {
			return err
		}
		if (j.takes || r.cfg.Port == Asavie) && !r.cfg.All && len(r.cfg.Take) == 0 {
			if err := r.spareRoute(&itf); err != nil {
				return err
			}
		}
		if least == 0 || itf.Queues < least {
			least = itf.Queues
		}
		r.itfs = append(r.itfs, itf)
	}
	r.queues = r.cfg.Queues
	if r.queues == nil {
		for q := range least {
			r.queues = append(r.queues, q)
		}
	}
	if j.sends {
		return r.fillTemplate(&r.itfs[0])
	}
	return nil
}

// spareRoute refuses an interface by which the host reaches the world.
func (r *rig) spareRoute(itf *afxdp.Interface) error {
	l, err := r.net.LinkByIndex(itf.Index)
	if err != nil {
		return fmt.Errorf("bench: interface %s: %w", itf.Name, err)
	}
	routes, err := r.net.RouteList(l, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("bench: routes by %s: %w", itf.Name, err)
	}
	for _, route := range routes {
		bits := 0
		if route.Dst != nil {
			bits, _ = route.Dst.Mask.Size()
		}
		if bits == 0 {
			return fmt.Errorf("bench: %w: this host's default route is by %s, which would be cut off; name the addresses to take (--addr), or all of them expressly (--all)", ErrConfig, itf.Name)
		}
	}
	return nil
}

// fillTemplate makes the packet to send by itf.
func (r *rig) fillTemplate(itf *afxdp.Interface) error {
	p := r.cfg.Packets
	if err := p.fits(itf.Name, itf.MTU); err != nil {
		return err
	}
	if p.SrcMAC == ([6]byte{}) {
		p.SrcMAC = itf.MAC
	}
	if p.DstMAC == ([6]byte{}) {
		p.DstMAC = macOf(r.net, itf.Index, p.To)
	}
	r.template = p.build()
	return nil
}

// macOf is what the kernel knows for an address.
func macOf(h *netlink.Handle, ifindex int, a netip.Addr) (mac [6]byte) {
	neighbours, err := h.NeighList(ifindex, netlink.FAMILY_ALL)
	if err != nil {
		return nobody
	}
	for _, n := range neighbours {
		known, _ := netip.AddrFromSlice(n.IP)
		if known.Unmap() == a.Unmap() && len(n.HardwareAddr) == len(mac) {
			copy(mac[:], n.HardwareAddr)
			return mac
		}
	}
	return nobody
}

// filter is what the XDP program takes.
func (r *rig) filter(j *job) (f xdp.Filter) {
	if !j.takes {
		return f
	}
	f.All = len(r.cfg.Take) == 0
	for _, a := range r.cfg.Take {
		f.Addrs = append(f.Addrs, xdp.Addr{Addr: a, Exclusive: true})
	}
	return f
}

// openAFXDP opens all interfaces on one memory.
func (r *rig) openAFXDP(j *job) error {
	chunk := 0
	for i := range r.itfs {
		chunk = max(chunk, r.itfs[i].ChunkSize(r.cfg.Mode))
	}
	mem, err := afxdp.NewMemory(afxdp.MemoryConfig{
		Workers: len(r.queues), Frames: afxdp.DefaultFrames * len(r.itfs), ChunkSize: chunk, Log: r.cfg.Log,
	})
	if err != nil {
		return err
	}
	r.detach = func() (err error) {
		for _, d := range r.devices {
			err = errors.Join(err, d.Detach())
		}
		return err
	}
	r.release = func() (err error) {
		for _, d := range r.devices {
			err = errors.Join(err, d.Close())
		}
		return errors.Join(err, r.audit(), mem.Close())
	}
	for i := range r.itfs {
		d, err := afxdp.OpenDevice(mem, afxdp.Config{
			Interface: r.itfs[i].Name, Queues: r.queues, Mode: r.cfg.Mode, Filter: r.filter(j), Port: uint8(i), Log: r.cfg.Log,
		})
		if err != nil {
			return err
		}
		r.devices = append(r.devices, d)
	}
	for w := range r.queues {
		r.pools = append(r.pools, mem.Pool(w))
		var ports []engine.Port
		for _, d := range r.devices {
			ports = append(ports, d.Ports()[w])
		}
		r.ports = append(r.ports, ports)
	}
	return nil
}

// audit checks that every frame came back.
func (r *rig) audit() (err error) {
	for _, p := range r.pools {
		err = errors.Join(err, p.Balance(&umem.Holders{}), p.Audit())
	}
	return err
}

// close gives everything back. It may be called at any stage of opening.
func (r *rig) close() (err error) {
	for _, w := range r.workers {
		err = errors.Join(err, w.close())
	}
	if r.release != nil {
		err = errors.Join(err, r.release())
	}
	if r.net != nil {
		r.net.Close()
	}
	return err
}
