package stack

import (
	"math"
	"math/bits"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// scope is the interface that counts for a destination: only link-local ones and
// groups need to know.
func (s *Stack) scope(dst ip.Addr, iface uint8) uint8 {
	if (dst.IsLinkLocal() || dst.IsMulticast()) && int(iface) < len(s.ifaces) {
		return iface
	}
	return 0
}

// route finds the way to a destination. The Dest is valid until the next call.
func (s *Stack) route(now umem.Time, key ip.DestKey) (*ip.Dest, socket.Errno) {
	return s.routeTo(now, key.Dst, key.Src, key.Iface)
}

// routeTo is route with the key's parts: whole, it would be copied from words that were just stored
// by wider ones, which have to wait for them.
func (s *Stack) routeTo(now umem.Time, dst, src ip.Addr, iface uint8) (*ip.Dest, socket.Errno) {
	d := s.dests.Slot(dst, src, iface)
	if d.Fresh(dst, src, iface, s.neigh.Generation()) {
		return d, 0
	}
	return d, s.findRoute(now, ip.DestKey{Dst: dst, Src: src, Iface: iface}, d)
}

// findRoute makes d anew: local, on link, by a gateway, or unreachable.
func (s *Stack) findRoute(now umem.Time, key ip.DestKey, d *ip.Dest) socket.Errno {
	*d = ip.Dest{} // if it fails, nothing stays cached
	n := ip.Dest{Key: key, Src: key.Src, Hop: key.Dst}
	if a := s.address(key.Dst); a != nil || key.Dst.IsLoopback() {
		if a != nil && a.state != addrReady {
			return socket.EADDRNOTAVAIL
		}
		s.toSelf(&n)
		*d = n
		return 0
	}
	if e := s.findHop(&n); e != 0 {
		return e
	}
	if n.Src == (ip.Addr{}) {
		src, ok := s.sourceFor(n.Key.Dst, n.Iface)
		if !ok {
			return socket.EADDRNOTAVAIL
		}
		n.Src = src
	}
	f := &s.ifaces[n.Iface]
	n.MTU, n.Port = f.mtu, f.port
	mac := n.Key.Dst.GroupMAC()
	if n.Reach == ip.Unicast {
		var e socket.Errno
		if mac, e = s.resolve(now, &n); e != 0 {
			return e
		}
	}
	if !n.Wait {
		n.Gen = s.neigh.Generation()
	}
	n.SetHeader(mac, f.mac)
	*d = n
	return 0
}

// toSelf fills in a destination that is this host.
func (s *Stack) toSelf(n *ip.Dest) {
	if n.Src == (ip.Addr{}) {
		n.Src = n.Key.Dst
	}
	n.Reach, n.MTU, n.Gen = ip.Self, math.MaxUint16, s.neigh.Generation()
	n.SetHeader([6]byte{}, [6]byte{})
}

// findHop looks up interface and next hop.
func (s *Stack) findHop(n *ip.Dest) socket.Errno {
	dst := n.Key.Dst
	switch {
	case dst.IsMulticast() || dst == ip.Broadcast4:
		n.Reach, n.Iface = ip.Group, n.Key.Iface
		return 0
	case dst.IsLinkLocal() && !dst.Is4():
		n.Iface = n.Key.Iface
		return 0
	}
	r := s.routes.Lookup(dst)
	if r == nil || dst.IsAny() {
		s.family(dst.Is4()).OutNoRoutes++
		return socket.ENETUNREACH
	}
	n.Iface, n.Hop = r.Iface, r.Hop(dst)
	if s.isBroadcast(dst) {
		n.Reach = ip.Group
	}
	return 0
}

// resolve finds the link address of the next hop, or begins to: packets wait then.
func (s *Stack) resolve(now umem.Time, n *ip.Dest) ([6]byte, socket.Errno) {
	i, act, ok := s.neigh.Want(now, n.Iface, n.Hop, n.Src)
	if !ok {
		return [6]byte{}, socket.ENOBUFS
	}
	if act == link.Solicit {
		s.solicit(now, i)
	}
	usable := s.neigh.Use(now, i)
	s.arm(i)
	if !usable {
		n.Wait, n.Neighbour = true, i
		return [6]byte{}, 0
	}
	return s.neigh.MAC(i), 0
}

// sourceFor chooses the source address for a destination: of its family, on the
// interface if there is one, of its scope, with the longest common prefix (RFC
// 6724, section 5, rules 2 and 8; RFC 1122, section 3.3.4.3).
func (s *Stack) sourceFor(dst ip.Addr, iface uint8) (ip.Addr, bool) {
	best, at := -1, -1
	for i := range s.addrs {
		a := &s.addrs[i]
		if a.state != addrReady || a.addr.Is4() != dst.Is4() {
			continue
		}
		score := commonPrefix(a.addr, dst)
		if a.addr.IsLinkLocal() == (dst.IsLinkLocal() || dst.IsMulticast()) {
			score += 256
		}
		if a.iface == iface {
			score += 512
		}
		if score > best {
			best, at = score, i
		}
	}
	if at < 0 {
		return ip.Addr{}, false
	}
	return s.addrs[at].addr, true
}

func commonPrefix(a, b ip.Addr) int {
	if x := a.Hi ^ b.Hi; x != 0 {
		return bits.LeadingZeros64(x)
	}
	return 64 + bits.LeadingZeros64(a.Lo^b.Lo)
}

// sendIP prepends the headers of d to f, whose data is the payload of IP and which
// has a HoldTx, and sends it. owner is that of the sending socket.
func (s *Stack) sendIP(now umem.Time, f *umem.Frame, d *ip.Dest, p ip.Params, owner *socket.Owner) socket.Errno {
	n := f.Len()
	d.Put(f.Push(int(d.Size)), n, p)
	return s.emit(now, f, d, owner)
}

// emit sends f, complete with its headers and with a HoldTx: to the device's
// queue, to what waits for the neighbour, or to this host itself. It takes f in
// any case.
func (s *Stack) emit(now umem.Time, f *umem.Frame, d *ip.Dest, owner *socket.Owner) socket.Errno {
	s.family(d.Is4()).OutRequests++
	f.Port = d.Port
	switch {
	case d.Reach == ip.Self:
		return s.loop(f, d, owner)
	case d.Wait:
		return s.pend(f, d.Neighbour)
	case s.qdisc.Push(f):
		return 0
	}
	s.dropHeld(f, umem.HoldTx, QdiscFull)
	return socket.ENOBUFS
}
