package xdpstack

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// bindTries is how many ports are tried when the system chooses one: a port
// free on one worker may be taken on another, by a socket dialled there.
const bindTries = 16

// ListenPacket listens for datagrams: network is "udp", "udp4" or "udp6", and
// address as net.ListenPacket has it, with an IP address or none, and port 0
// for any. The connection belongs to all workers of the host.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	local, err := parseAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	c := newPacketConn(h, network)
	handles, local, err := h.openDatagram(network, local, func(i int) receiver {
		l := newLane(c, i)
		c.lanes = append(c.lanes, l)
		return l
	})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	c.local = local
	if err := c.start(handles); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: c.LocalAddr(), Err: err}
	}
	h.remember(c)
	return c, nil
}

// start lends the lanes their first frames.
func (c *packetConn) start(handles []socket.Handle) error {
	for i, l := range c.lanes {
		l.handle = handles[i]
		if err := c.host.on(l.worker, l.restock); err != nil {
			return err
		}
	}
	return nil
}

// HandleDatagram calls handler for every datagram sent to address, on the
// worker that receives it.
func (h *Host) HandleDatagram(network, address string, handler DatagramHandler) (*DatagramServer, error) {
	local, err := parseAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	srv := &DatagramServer{host: h, name: network + " " + address, handler: handler}
	handles, local, err := h.openDatagram(network, local, func(int) receiver {
		k := &handlerSink{server: srv}
		srv.sinks = append(srv.sinks, k)
		return k
	})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	for i, k := range srv.sinks {
		k.handle = handles[i]
	}
	srv.local = local
	h.remember(srv)
	return srv, nil
}

// DialContext connects to address: network is "tcp", "tcp4", "tcp6", "udp", "udp4" or
// "udp6", and address has an IP address. The socket lives on one worker, the one that its
// local port names. For tcp it returns once the peer has answered, or when ctx ends: what the
// connection has beside net.Conn's methods, Listen says.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasPrefix(network, "tcp") {
		return h.dialConn(ctx, network, address)
	}
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if err := context.Cause(ctx); err != nil {
		return fail(err)
	}
	peer, err := parseAddr(network, address)
	if err != nil {
		return fail(err)
	}
	if !peer.Addr().IsValid() || peer.Addr().IsUnspecified() {
		return fail(&net.AddrError{Err: "missing host", Addr: address})
	}
	c := newPacketConn(h, network)
	c.peer = peer
	l := newLane(c, h.nextDialled())
	c.lanes = []*lane{l}
	var failed error
	err = h.on(l.worker, func(s *shard) { failed = l.dial(s, peer) })
	if err = errors.Join(err, failed); err != nil {
		return fail(sysError("connect", err))
	}
	h.remember(c)
	return c, nil
}

// Dial is DialContext without a context.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// dial runs on the lane's worker.
func (l *lane) dial(s *shard, peer netip.AddrPort) (err error) {
	if l.handle, err = s.stack.Open(socket.Datagram, 0, s.host.owner); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.stack.Close(l.handle)
		}
	}()
	if err := s.stack.SetOptions(l.handle, socket.Options{Events: true}); err != nil {
		return err
	}
	if err := s.stack.Connect(l.handle, peer); err != nil {
		return err
	}
	local, err := s.stack.LocalAddr(l.handle)
	if err != nil {
		return err
	}
	l.conn.local = local.Netip()
	s.attach(l.handle, l)
	l.restock(s)
	return nil
}

func (h *Host) nextDialled() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dialled = (h.dialled + 1) % len(h.shards)
	return h.dialled
}

// openDatagram opens a datagram socket with events on every worker, bound to
// local, whose events go to what recv returns for each.
func (h *Host) openDatagram(network string, local netip.AddrPort, recv func(worker int) receiver) (handles []socket.Handle, bound netip.AddrPort, err error) {
	tries := 1
	if local.Port() == 0 {
		tries = bindTries
	}
	for range tries {
		handles, bound, err = h.tryOpen(socket.Datagram, socket.Options{Events: true, V6Only: network == "udp6"}, local)
		if !errors.Is(err, errnos[socket.EADDRINUSE]) {
			break
		}
	}
	if err != nil {
		return nil, local, err
	}
	err = h.each(handles, func(s *shard, k socket.Handle) error {
		s.attach(k, recv(s.id))
		return nil
	})
	return handles, bound, err
}

// tryOpen opens a socket on every worker and binds it; what it opened it closes when that fails.
func (h *Host) tryOpen(family socket.Family, o socket.Options, local netip.AddrPort) ([]socket.Handle, netip.AddrPort, error) {
	handles := make([]socket.Handle, len(h.shards))
	err := h.each(handles, func(s *shard, _ socket.Handle) (err error) {
		handles[s.id], err = s.stack.Open(family, 0, h.owner)
		if err != nil {
			return sysError("socket", err)
		}
		return sysError("setsockopt", s.stack.SetOptions(handles[s.id], o))
	})
	if err == nil {
		if local, err = h.bindAll(handles, local); err == nil {
			return handles, local, nil
		}
	}
	h.closeAll(handles)
	return nil, local, err
}

// closeAll closes those of a socket's handles that were opened.
func (h *Host) closeAll(handles []socket.Handle) {
	for i, k := range handles {
		if k != (socket.Handle{}) {
			_ = h.on(i, func(s *shard) { _ = s.detachAny(k) })
		}
	}
}

// bindAll binds a socket to the same address worker by worker; the first
// chooses the port when none is given.
func (h *Host) bindAll(handles []socket.Handle, local netip.AddrPort) (netip.AddrPort, error) {
	err := h.each(handles, func(s *shard, k socket.Handle) error {
		if err := s.stack.Bind(k, local); err != nil {
			return sysError("bind", err)
		}
		got, err := s.stack.LocalAddr(k)
		local = got.Netip()
		return err
	})
	return local, err
}

// each runs do for a socket on every worker, until one fails.
func (h *Host) each(handles []socket.Handle, do func(s *shard, k socket.Handle) error) error {
	for i := range handles {
		var failed error
		err := h.on(i, func(s *shard) { failed = do(s, handles[i]) })
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// parseAddr reads "host:port" for one of the udp and tcp networks.
func parseAddr(network, address string) (netip.AddrPort, error) {
	switch network {
	case "udp", "udp4", "udp6", "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	p, err := net.LookupPort(network, port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	only4, only6 := network[3:] == "4", network[3:] == "6"
	a := netip.IPv6Unspecified()
	if only4 {
		a = netip.IPv4Unspecified()
	}
	if host != "" {
		if a, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, &net.AddrError{Err: "not an IP address", Addr: host}
		}
	}
	if a = a.Unmap(); only4 && !a.Is4() || only6 && a.Is4() {
		return netip.AddrPort{}, &net.AddrError{Err: "not an address of " + network, Addr: host}
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}
