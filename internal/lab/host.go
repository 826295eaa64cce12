package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Name returns the host's name in its lab.
func (h *Host) Name() string { return h.name }

// Namespace returns the name that "ip netns" knows the host by.
func (h *Host) Namespace() string { return h.namespace }

// Path returns the file that stands for the host's network namespace.
func (h *Host) Path() string { return namespacePath(h.namespace) }

// Interfaces returns the host's ends of the lab's links, in the order of the links.
func (h *Host) Interfaces() []*Interface { return h.interfaces }

// Interface returns the first of them: the only one, in a lab of two hosts.
func (h *Host) Interface() *Interface { return h.interfaces[0] }

// Do runs fn on the calling goroutine, its thread in the host's namespace meanwhile, and takes the thread back, also when fn
// panics or ends the goroutine (as t.Fatal does). Sockets that fn makes stay the namespace's; goroutines that it starts run outside.
// Under /proc/thread-self/net it finds the namespace's files; /proc/net and /proc/self/net are the main thread's.
func (h *Host) Do(fn func() error) error { return within(h.Path(), fn) }

// Setting writes a value of the host's under /proc/sys/net, as "ipv4/tcp_max_tw_buckets".
func (h *Host) Setting(path, value string) error {
	return h.Do(func() error { return writeSetting(path, value) })
}

// Listen is net.Listen in the host's namespace. The address is numeric: a name would be looked up elsewhere.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = h.numeric(address, func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenPacket in the host's namespace, for a numeric address.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = h.numeric(address, func() (err error) {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// Dial is net.Dialer.DialContext in the host's namespace, for a numeric address.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.numeric(address, func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// numeric runs fn in the namespace if the address is numeric. Package net then makes the socket on the calling goroutine; for a
// name it might do so on others.
func (h *Host) numeric(address string, fn func() error) error {
	_, portErr := netip.ParseAddrPort(address)
	_, addrErr := netip.ParseAddr(address)
	if portErr != nil && addrErr != nil {
		return fmt.Errorf("%w: address %q; give it in numbers, as 198.18.0.1:7 or [2001:2::1]:7", ErrConfig, address)
	}
	return h.Do(fn)
}
