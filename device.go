package xdpstack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"crypto/rand"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/umem"
)

// Device is what a host drives: a port for each worker, and the memory that
// their frames lie in. New opens a NIC as one; NewOn takes any, such as ports of
// package engine/mem that join two hosts of one process.
type Device interface {
	// Ports are those of worker 0, 1 and so on.
	Ports() []engine.Port
	// Pool is the frames of a worker.
	Pool(worker int) *umem.Pool
	// MAC is the device's own address.
	MAC() [6]byte
	// MTU is the largest IP packet.
	MTU() int
	// Detach gives the traffic back to whoever had it before; the ports still drain.
	Detach() error
	// Close gives everything back, once the workers have ended.
	Close() error
}

// Announcer is a Device without descriptors to sleep on (engine.Port's FD): it
// calls wake when something has come for a worker.
type Announcer interface {
	OnArrival(worker int, wake func())
}

// nic is a device opened by AF_XDP, with the packet memory of the host.
type nic struct {
	dev  *afxdp.Device
	mem  *afxdp.Memory
	itf  afxdp.Interface
	size int // MTU in force
}

func openDevice(cfg *Config) (Device, error) {
	itf, err := afxdp.Lookup(cfg.Interface)
	if err != nil {
		return nil, err
	}
	if err := kernelHasNone(&itf, cfg.Addresses); err != nil {
		return nil, err
	}
	queues := cfg.Queues
	if queues == nil {
		queues = make([]int, itf.Queues)
		for i := range queues {
			queues[i] = i
		}
	}
	n := &nic{itf: itf, size: itf.MTU}
	if cfg.MTU != 0 {
		if cfg.MTU < minMTU || cfg.MTU > itf.MTU {
			return nil, fmt.Errorf("xdpstack: %w: MTU %d; %s takes %d to %d", ErrConfig, cfg.MTU, cfg.Interface, minMTU, itf.MTU)
		}
		n.size = cfg.MTU
	}
	if cfg.Frames != 0 && cfg.Frames < minFrames {
		return nil, fmt.Errorf("xdpstack: %w: %d frames for each worker; it takes %d at least, half of them for the card to receive into",
			ErrConfig, cfg.Frames, minFrames)
	}
	n.mem, err = afxdp.NewMemory(afxdp.MemoryConfig{
		Workers: len(queues), Frames: cfg.Frames, ChunkSize: itf.ChunkSize(cfg.Mode),
		HugePages: cfg.HugePages, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	n.dev, err = afxdp.OpenDevice(n.mem, afxdp.Config{
		Interface: cfg.Interface, Queues: queues, Mode: cfg.Mode, Filter: filterFor(cfg.Addresses), Log: cfg.Log,
	})
	if err != nil {
		return nil, errors.Join(err, n.mem.Close())
	}
	return n, nil
}

// minFrames leaves as many frames to send as the fill ring takes; with no more than that all would wait there.
const minFrames = 2 * afxdp.DefaultRing

// minMTU is what IPv6 needs of a link (RFC 8200, section 5).
const minMTU = 1280

// filterFor takes what is sent to the addresses, ARP and ND about them
// included; all else stays the kernel's.
func filterFor(addrs []netip.Prefix) (f xdp.Filter) {
	for _, p := range addrs {
		f.Addrs = append(f.Addrs, xdp.Addr{Addr: p.Addr(), Exclusive: true})
	}
	return f
}

// kernelHasNone fails when the kernel answers for one of the addresses on that
// device: two stacks cannot both own an address's ARP, ND and ICMP.
func kernelHasNone(itf *afxdp.Interface, addrs []netip.Prefix) error {
	l, err := netlink.LinkByIndex(itf.Index)
	if err != nil {
		return fmt.Errorf("xdpstack: interface %s: %w", itf.Name, err)
	}
	theirs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("xdpstack: asking the kernel for the addresses of %s: %w", itf.Name, err)
	}
	for _, t := range theirs {
		k, _ := netip.AddrFromSlice(t.IP)
		for _, p := range addrs {
			if k.Unmap() == p.Addr().Unmap() {
				return fmt.Errorf("xdpstack: %w: the kernel has %s on %s; choose another address, or \"ip addr del %s dev %s\"",
					ErrAddressInUse, p.Addr(), itf.Name, t.IPNet, itf.Name)
			}
		}
	}
	return nil
}

func (n *nic) Ports() []engine.Port {
	out := make([]engine.Port, len(n.dev.Ports()))
	for i, p := range n.dev.Ports() {
		out[i] = p
	}
	return out
}

func (n *nic) Pool(worker int) *umem.Pool { return n.mem.Pool(worker) }
func (n *nic) MAC() [6]byte               { return n.itf.MAC }
func (n *nic) MTU() int                   { return n.size }
func (n *nic) Detach() error              { return n.dev.Detach() }

func (n *nic) Close() error { return errors.Join(n.dev.Close(), n.mem.Close()) }

// workerCPUs is the core of each worker: as asked, or one of those that the
// process may use each.
func workerCPUs(asked []int, n int) ([]int, error) {
	if asked != nil {
		if len(asked) != n {
			return nil, fmt.Errorf("xdpstack: %w: %d CPUs for %d workers", ErrConfig, len(asked), n)
		}
		return asked, nil
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("xdpstack: asking for the cores of this process: %w", err)
	}
	var usable []int
	for cpu := 0; len(usable) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			usable = append(usable, cpu)
		}
	}
	out := make([]int, n)
	for i := range out {
		out[i] = usable[i%len(usable)]
	}
	return out, nil
}

// systemRandom is the stack's source in production. It is used for secrets,
// ports and jitter, not per packet.
type systemRandom struct{}

// Uint64 implements stack.Source.
func (systemRandom) Uint64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails (crypto/rand, Go 1.24)
	return binary.NativeEndian.Uint64(b[:])
}
