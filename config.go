package xdpstack

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/engine/impair"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/umem"
)

// Config says what a Host is. Interface and Addresses must be given; what else
// is zero takes a sensible default.
type Config struct {
	// Interface is the device, in the network namespace of the calling thread.
	Interface string
	// Addresses are the host's, each with the length of the prefix on link. They
	// are ours alone: the kernel must not have them.
	Addresses []netip.Prefix
	// Gateways are the default routers, one of each family at most. Each must lie
	// on link.
	Gateways []netip.Addr
	// MTU is the largest IP packet; 0 takes the device's.
	MTU int

	// Queues are the device's queues to use, a worker each; nil for all of them.
	Queues []int
	// Mode is how packets cross between kernel and us; Auto for the best that the
	// kernel agrees to.
	Mode afxdp.Mode
	// Frames is the number of packet frames of each worker, 4096 at least; 0 for enough.
	Frames int
	// HugePages asks for huge pages for the packet memory.
	HugePages bool

	// Scheduling says whether workers own their threads: engine.Shared, or
	// engine.Dedicated on a machine that has a core more than the host has workers:
	// a worker that spins leaves nothing of its core to the program's goroutines.
	Scheduling engine.Mode
	// Poll says what a worker does when there is nothing to do.
	Poll engine.Poll
	// CPUs are the cores of the workers, by worker; nil: worker i on the i-th core
	// that the process may use.
	CPUs []int

	// Checksums says what a veth peer may leave out; see stack.Policy.
	Checksums stack.Policy
	// DAD is the unit of address conflict detection at the start: probes go out a
	// unit apart. 0 takes 100 ms, less than the second of RFC 5227 and RFC 4862: a
	// wire is seldom slower; negative: no detection.
	DAD umem.Time
	// Linger is how long Host.Close waits for closed connections whose last octets are on
	// their way: no kernel goes on sending them afterwards. 0 takes half a second;
	// negative: not at all.
	Linger time.Duration
	// Limits bound the stack of each worker.
	Limits stack.Limits
	// Impair treats packets badly, in both directions, by a seed: for tests. The zero
	// value leaves them alone.
	Impair impair.Config

	// LedgerEvery is after how many turns a worker checks that no frame is lost or
	// held twice; 0 takes 1024, tests take 1.
	LedgerEvery int

	// Log hears what is in force and what could not be; nil for slog.Default.
	Log *slog.Logger
}

const (
	defaultDAD         = 100 * umem.Millisecond
	defaultLinger      = 500 * time.Millisecond
	defaultLedgerEvery = 1024
)

// complete fills in what was left at zero, and checks what needs no device.
func (c *Config) complete() error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.LedgerEvery == 0 {
		c.LedgerEvery = defaultLedgerEvery
	}
	switch {
	case c.DAD == 0:
		c.DAD = defaultDAD
	case c.DAD < 0:
		c.DAD = 0
	}
	if c.Linger == 0 {
		c.Linger = defaultLinger
	}
	if c.Interface == "" {
		return fmt.Errorf("xdpstack: %w: no interface; name the device to use", ErrConfig)
	}
	if len(c.Addresses) == 0 {
		return fmt.Errorf("xdpstack: %w: no address; give at least one, such as 198.18.0.2/24", ErrConfig)
	}
	for i, p := range c.Addresses {
		if !p.IsValid() || p.Addr().IsUnspecified() || p.Addr().IsMulticast() {
			return fmt.Errorf("xdpstack: %w: %s is not an address of a host", ErrConfig, p)
		}
		for _, q := range c.Addresses[:i] {
			if p.Addr() == q.Addr() {
				return fmt.Errorf("xdpstack: %w: address %s is given twice", ErrConfig, p.Addr())
			}
		}
	}
	return c.checkGateways()
}

func (c *Config) checkGateways() error {
	for _, g := range c.Gateways {
		if !c.onLink(g) {
			return fmt.Errorf("xdpstack: %w: gateway %s is on the link of no address", ErrConfig, g)
		}
	}
	if len(c.Gateways) > 2 || len(c.Gateways) == 2 && c.Gateways[0].Is4() == c.Gateways[1].Is4() {
		return fmt.Errorf("xdpstack: %w: more than one gateway of a family", ErrConfig)
	}
	return nil
}

func (c *Config) onLink(a netip.Addr) bool {
	for _, p := range c.Addresses {
		if p.Masked().Contains(a) && p.Addr() != a {
			return true
		}
	}
	return false
}

// routes are the routing table: each address's link, and the gateways.
func (c *Config) routes() (out []stack.Route) {
	for _, p := range c.Addresses {
		out = append(out, stack.Route{Dst: p.Masked()})
	}
	for _, g := range c.Gateways {
		everything := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if g.Is4() {
			everything = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		out = append(out, stack.Route{Dst: everything, Via: g})
	}
	return out
}
