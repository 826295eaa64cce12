package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// setting is a value under /proc/sys/net, which shows the namespace of the thread that opens it.
type setting struct {
	path, value string
	onlyLeaf    bool // not on the hub, whose ports are also the stack's
}

// settings make a namespace quiet, and ready at once. "all" and "default" both: an interface takes over the latter when it is
// born, and some rules ask for either of the two (addrconf_dad_begin in net/ipv6/addrconf.c, Linux 6.18).
var settings = []setting{
	{path: "ipv6/conf/all/disable_ipv6", value: "0"},
	{path: "ipv6/conf/default/disable_ipv6", value: "0"},
	// Duplicate address detection holds the link-local address back for a second or two.
	{path: "ipv6/conf/all/accept_dad", value: "0"},
	{path: "ipv6/conf/default/accept_dad", value: "0"},
	// There is no router in a lab.
	{path: "ipv6/conf/all/accept_ra", value: "0"},
	{path: "ipv6/conf/default/accept_ra", value: "0"},
	{path: "ipv6/conf/all/router_solicitations", value: "0"},
	{path: "ipv6/conf/default/router_solicitations", value: "0"},
	// IPv4's are inherited from the initial namespace. The hub's kernel must not forward what is meant for the stack.
	{path: "ipv4/ip_forward", value: "0"},
	{path: "ipv4/conf/all/rp_filter", value: "0"},
	{path: "ipv4/conf/default/rp_filter", value: "0"},
	// A client that opens a connection for each request runs out of ports within seconds otherwise.
	{path: "ipv4/ip_local_port_range", value: "1024 65535", onlyLeaf: true},
}

func writeSettings(hub bool) error {
	for _, s := range settings {
		if s.onlyLeaf && hub {
			continue
		}
		if err := writeSetting(s.path, s.value); err != nil {
			return err
		}
	}
	return nil
}

func writeSetting(path, value string) error {
	err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: it has no net/%s", ErrKernel, path)
	}
	if err != nil {
		return fmt.Errorf("lab: setting: %w", err)
	}
	return nil
}

// make makes the veth pair, each end born in its host's namespace.
func (k link) make(cfg Config) error {
	far, err := netns.GetFromPath(k.leaf.Path())
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	defer far.Close()
	h, err := netlinkAt(k.hub.Path())
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = k.near.Name, k.near.MAC, cfg.MTU
	attrs.NumTxQueues, attrs.NumRxQueues = cfg.Queues, cfg.Queues
	err = h.LinkAdd(&netlink.Veth{ // the peer has as many queues and the same MTU
		LinkAttrs: attrs, PeerName: k.far.Name, PeerHardwareAddr: k.far.MAC, PeerNamespace: netlink.NsFd(far),
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: it has no veth (CONFIG_VETH): %w", ErrKernel, err)
	}
	if err != nil {
		return fmt.Errorf("lab: make %s: %w", k.description, err)
	}
	return nil
}

// prepare sets the offloads of a host's interfaces and sets them up.
func (l *Lab) prepare(h *Host) error {
	if err := h.identify(); err != nil {
		return err
	}
	if !l.cfg.Partial {
		if err := h.Do(func() error { return offloadsOff(h.interfaces) }); err != nil {
			return err
		}
	}
	nl, err := netlinkAt(h.Path())
	if err != nil {
		return err
	}
	defer nl.Close()
	lo, err := nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("lab: %s/lo: %w", h.name, err)
	}
	if err := nl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lab: %s/lo: %w", h.name, err)
	}
	for _, i := range h.interfaces {
		if err := nl.LinkSetUp(i.handle()); err != nil {
			return fmt.Errorf("lab: set %s/%s up: %w", h.name, i.Name, err)
		}
	}
	return nil
}

// identify reads the indices that the kernel gave to the host's interfaces.
func (h *Host) identify() error {
	nl, err := netlinkAt(h.Path())
	if err != nil {
		return err
	}
	defer nl.Close()
	for _, i := range h.interfaces {
		l, err := nl.LinkByName(i.Name)
		if err != nil {
			return fmt.Errorf("lab: %s/%s: %w", h.name, i.Name, err)
		}
		i.Index = l.Attrs().Index
	}
	return nil
}

func (i *Interface) handle() netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: i.Name, Index: i.Index}}
}

// number gives the host's kernel its addresses, once the links carry packets: both ends must be up for that.
func (h *Host) number() error {
	nl, err := netlinkAt(h.Path())
	if err != nil {
		return err
	}
	defer nl.Close()
	for _, i := range h.interfaces {
		if err := i.number(nl); err != nil {
			return fmt.Errorf("lab: %s/%s: %w", h.name, i.Name, err)
		}
	}
	return nil
}

func (i *Interface) number(nl *netlink.Handle) error {
	if err := await("the carrier", func() (bool, error) { return i.isUp(nl) }); err != nil {
		return err
	}
	for _, p := range []netip.Prefix{i.Kernel4, i.Kernel6} {
		if err := nl.AddrAdd(i.handle(), kernelAddr(p)); err != nil {
			return fmt.Errorf("add %v: %w", p, err)
		}
	}
	return await("its IPv6 addresses", func() (bool, error) { return i.isUsable(nl) })
}

func kernelAddr(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // usable at once
	}
	return a
}

// isUp says that the link watch, a work item of the kernel, has seen the carrier; until then nothing is sent.
func (i *Interface) isUp(nl *netlink.Handle) (bool, error) {
	l, err := nl.LinkByIndex(i.Index)
	if err != nil {
		return false, err
	}
	return l.Attrs().OperState == netlink.OperUp, nil
}

// isUsable says that no address is tentative. The link-local one is, until another work item finds that there is nothing to
// detect (addrconf_dad_work in net/ipv6/addrconf.c, Linux 6.18).
func (i *Interface) isUsable(nl *netlink.Handle) (bool, error) {
	list, err := nl.AddrList(i.handle(), netlink.FAMILY_V6)
	if err != nil {
		return false, err
	}
	for _, a := range list {
		if a.Flags&unix.IFA_F_TENTATIVE != 0 {
			return false, nil
		}
	}
	return len(list) > 0, nil
}

const (
	settlePatience = 5 * time.Second
	settleInterval = 500 * time.Microsecond
)

// await waits for what a work item of the kernel does: a matter of microseconds on an idle machine.
func await(what string, done func() (bool, error)) error {
	tick := time.NewTicker(settleInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(settlePatience); ; <-tick.C {
		ok, err := done()
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still waiting for %s after %v; is the machine overloaded?", what, settlePatience)
		}
	}
}
