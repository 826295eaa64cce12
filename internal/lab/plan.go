package lab

import (
	"fmt"
	"net"
	"net/netip"
)

// Lab is a set of joined hosts that exists.
type Lab struct {
	cfg   Config
	hosts []*Host
	links []link

	// Recovered says that Up first removed what a killed Up of the same name had left.
	Recovered bool
}

// Host is one network namespace of a lab.
type Host struct {
	name       string
	namespace  string
	interfaces []*Interface
}

// Interface is one end of a veth pair.
type Interface struct {
	Name  string           // xs0, xs1, … on the hub; xp0, xp1, … on the others
	Index int              // in its namespace
	MAC   net.HardwareAddr // locally administered; the same in every lab, so that captures compare
	Peer  string           // the other end, as HOST/INTERFACE

	// Kernel4 and Kernel6 are what the namespace's own kernel answers for.
	Kernel4, Kernel6 netip.Prefix
	// Stack4 and Stack6 are kept free for a stack in user space; the zero value on hosts other than the hub.
	Stack4, Stack6 netip.Prefix
}

// KernelAddr returns the address of the interface's kernel in family 4 or 6.
func (i *Interface) KernelAddr(family int) netip.Addr {
	return byFamily(family, i.Kernel4, i.Kernel6).Addr()
}

// StackAddr returns the address kept for the stack in family 4 or 6; invalid where there is none.
func (i *Interface) StackAddr(family int) netip.Addr {
	return byFamily(family, i.Stack4, i.Stack6).Addr()
}

func byFamily(family int, v4, v6 netip.Prefix) netip.Prefix {
	if family == 4 {
		return v4
	}
	return v6
}

type link struct {
	hub, leaf   *Host
	near, far   *Interface // on the hub, on the leaf
	description string
}

// Host numbers in each link's networks.
const (
	leafKernel = 1
	hubStack   = 2
	hubKernel  = 3
)

// plan lays a lab out: names and addresses, without touching the system.
func plan(cfg Config) *Lab {
	l := &Lab{cfg: cfg}
	for _, name := range cfg.Hosts {
		l.hosts = append(l.hosts, &Host{name: name, namespace: namespaceName(cfg.Name, name)})
	}
	hub := l.hosts[0]
	for n, leaf := range l.hosts[1:] {
		near := &Interface{
			Name: fmt.Sprintf("xs%d", n), MAC: mac(n, hubStack),
			Kernel4: net4(n, hubKernel), Kernel6: net6(n, hubKernel),
			Stack4: net4(n, hubStack), Stack6: net6(n, hubStack),
		}
		far := &Interface{
			Name: fmt.Sprintf("xp%d", n), MAC: mac(n, leafKernel),
			Kernel4: net4(n, leafKernel), Kernel6: net6(n, leafKernel),
		}
		near.Peer, far.Peer = leaf.name+"/"+far.Name, hub.name+"/"+near.Name
		hub.interfaces = append(hub.interfaces, near)
		leaf.interfaces = append(leaf.interfaces, far)
		l.links = append(l.links, link{hub, leaf, near, far, hub.name + "/" + near.Name + "-" + near.Peer})
	}
	return l
}

func namespaceName(lab, host string) string { return "xdpstack-" + lab + "-" + host }

// net4 and net6 number the hosts in the blocks reserved for benchmarking (RFC 2544, appendix C; RFC 5180, section 8).
func net4(n, host int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(n), byte(host)}), 24)
}

func net6(n, host int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 3: 0x02, 7: byte(n), 15: byte(host)}), 64)
}

func mac(n, host int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 198, 18, 0, byte(n), byte(host)}
}

// Name returns the lab's name.
func (l *Lab) Name() string { return l.cfg.Name }

// Config returns what the lab was made from, defaults filled in.
func (l *Lab) Config() Config { return l.cfg }

// Hosts returns the hosts, the hub first.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Host returns the host of that name. A name that is not in the lab's Config is a mistake of the caller: it panics. Lookup asks.
func (l *Lab) Host(name string) *Host {
	h, err := l.Lookup(name)
	if err != nil {
		panic(err)
	}
	return h
}

// Lookup returns the host of that name, or an ErrNotFound that lists the names there are.
func (l *Lab) Lookup(name string) (*Host, error) {
	for _, h := range l.hosts {
		if h.name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("%w: no host %q in lab %q, which has %q", ErrNotFound, name, l.cfg.Name, l.cfg.Hosts)
}
