package stack

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Open makes a socket that belongs to owner. proto is the protocol of a Raw
// socket; for Datagram it is 17, or 0, for Stream 6, or 0. The errors are EPROTONOSUPPORT and ENFILE.
func (s *Stack) Open(family socket.Family, proto uint8, owner socket.Owner) (socket.Handle, error) {
	if family == socket.Stream {
		if proto != 0 && proto != wire.ProtoTCP {
			return socket.Handle{}, socket.EPROTONOSUPPORT.Err()
		}
		h, e := s.tcp.Open(s.now, owner)
		return h, e.Err()
	}
	h, e := s.sockets.Open(family, proto, owner)
	return h, e.Err()
}

// SetOptions replaces the options of a socket. The errors are EBADF, and EINVAL
// when V6Only would change on a bound one.
func (s *Stack) SetOptions(h socket.Handle, o socket.Options) error {
	if c := s.tcp.Get(h); c != nil {
		return s.tcp.SetOptions(c, o).Err()
	}
	so := s.sockets.Get(h)
	if so == nil {
		return socket.EBADF.Err()
	}
	return s.sockets.SetOptions(so, o).Err()
}

// Bind gives a socket its local address: one of this host, a broadcast address of
// its links, or the unspecified one of either family. Port 0 chooses one of this
// worker's ephemeral ports. The errors are EBADF, EINVAL (bound already),
// EADDRNOTAVAIL, EADDRINUSE and ENOBUFS.
func (s *Stack) Bind(h socket.Handle, local netip.AddrPort) error {
	a := socket.AddrFrom(local)
	if h.IsStream() {
		return s.bindStream(h, a).Err()
	}
	so := s.sockets.Get(h)
	if so == nil {
		return socket.EBADF.Err()
	}
	if !a.IP.IsAny() && !s.owns(a.IP) && !s.isBroadcast(a.IP) {
		return socket.EADDRNOTAVAIL.Err()
	}
	return s.sockets.Bind(so, a).Err()
}

// Connect sets the peer of a socket: where it sends to, the only one it hears.
// An unbound socket is bound to an ephemeral port; one bound to the unspecified
// address gets the source address that leads there. The zero AddrPort dissolves
// the connection. The errors are EBADF, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT
// and ENETUNREACH.
//
// Of a stream it begins the handshake: ReadyConnected tells that it is done, ReadyClosed why
// it failed. Its errors are EALREADY, EISCONN, ECONNABORTED (it failed before: open another) and EINVAL, too.
func (s *Stack) Connect(h socket.Handle, peer netip.AddrPort) error {
	if h.IsStream() {
		return s.connectStream(h, peer).Err()
	}
	so := s.sockets.Get(h)
	if so == nil {
		return socket.EBADF.Err()
	}
	to := socket.AddrFrom(peer)
	if to.IsZero() {
		return s.sockets.Connect(so, to, ip.Addr{}).Err()
	}
	if to.IP.IsAny() || so.Family == socket.Datagram && to.Port == 0 {
		return socket.EINVAL.Err()
	}
	if !so.Speaks(to.IP) {
		return socket.EAFNOSUPPORT.Err()
	}
	local, e := s.sourceTo(to.IP)
	if e != 0 {
		return e.Err()
	}
	return s.sockets.Connect(so, to, local).Err()
}

// sourceTo is the source address that routing chooses for a destination.
func (s *Stack) sourceTo(dst ip.Addr) (ip.Addr, socket.Errno) {
	if s.owns(dst) {
		return dst, 0
	}
	n := ip.Dest{Key: ip.DestKey{Dst: dst}, Hop: dst}
	if e := s.findHop(&n); e != 0 {
		return ip.Addr{}, e
	}
	src, ok := s.sourceFor(dst, n.Iface)
	if !ok {
		return ip.Addr{}, socket.EADDRNOTAVAIL
	}
	return src, 0
}

// Close ends a socket: its handle is stale, what waits in it is dropped, its port
// is free.
//
// A stream sends what waits to be sent, and FIN, without the application; when something was left unread, it
// sends RST.
func (s *Stack) Close(h socket.Handle) error {
	if c := s.tcp.Get(h); c != nil {
		s.tcp.Close(s.now, c)
		return nil
	}
	so := s.sockets.Get(h)
	if so == nil {
		return socket.EBADF.Err()
	}
	for f := so.Pop(s.region); f != nil; f = so.Pop(s.region) {
		s.queued--
		s.dropHeld(f, umem.HoldReceive, SocketClosed)
	}
	s.sockets.Close(so)
	return nil
}

// LocalAddr is what a socket is bound to: zero when it is not.
func (s *Stack) LocalAddr(h socket.Handle) (socket.Addr, error) {
	if c := s.tcp.Get(h); c != nil {
		return c.Local(), nil
	}
	so := s.sockets.Get(h)
	if so == nil {
		return socket.Addr{}, socket.EBADF.Err()
	}
	return so.Local, nil
}

// Peer is what a socket is connected to. The errors are EBADF and ENOTCONN.
func (s *Stack) Peer(h socket.Handle) (socket.Addr, error) {
	if c := s.tcp.Get(h); c != nil {
		if c.Peer().Port == 0 {
			return socket.Addr{}, socket.ENOTCONN.Err()
		}
		return c.Peer(), nil
	}
	so := s.sockets.Get(h)
	switch {
	case so == nil:
		return socket.Addr{}, socket.EBADF.Err()
	case !so.Connected():
		return socket.Addr{}, socket.ENOTCONN.Err()
	}
	return so.Peer, nil
}

// Owner is who opened a socket.
func (s *Stack) Owner(h socket.Handle) (socket.Owner, error) {
	if c := s.tcp.Get(h); c != nil {
		return c.Owner(), nil
	}
	so := s.sockets.Get(h)
	if so == nil {
		return socket.Owner{}, socket.EBADF.Err()
	}
	return so.Owner, nil
}
