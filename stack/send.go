package stack

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/udp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// defaultTTL is what the stack's own answers leave with.
const defaultTTL = 64

// maxPayload is the most that a datagram's length field allows (RFC 768).
const maxPayload = 65535 - wire.UDPLen

// SendMsg sends a message of any family: the data is copied into a frame. It
// returns how many octets it sent, all or none. Its checks come in the order of
// Linux's sock_sendmsg and what follows it:
//
//	EFAULT        m.Len claims more than m.Data has
//	EBADF         the handle is stale
//	…             a pending error of the socket, which this clears
//	EMSGSIZE      more than one packet takes: nothing is fragmented
//	EDESTADDRREQ, EISCONN, EINVAL, EAFNOSUPPORT, EADDRNOTAVAIL, EACCES: the addresses
//	ENETUNREACH   no route
//	ENOBUFS       no frame, or a full queue
//
// On a stream it is Send: part of the data may be sent; More is looked at, the addresses are not.
//
// A host that does not answer shows later: as EHOSTUNREACH, of the socket's next
// call when it is connected.
func (s *Stack) SendMsg(now umem.Time, h socket.Handle, m *socket.Msg) (int, error) {
	n := m.Len
	if n == 0 {
		n = len(m.Data)
	}
	if n < 0 || n > len(m.Data) {
		return 0, socket.EFAULT.Err()
	}
	if h.IsStream() {
		s.now = now
		n, e := s.sendMsgStream(h, m.Data[:n], m.Flags)
		return n, e.Err()
	}
	so := s.sockets.Get(h)
	if so == nil {
		return 0, socket.EBADF.Err()
	}
	if e := so.TakeErr(); e != 0 {
		return 0, e.Err()
	}
	if n > maxPayload {
		return 0, socket.EMSGSIZE.Err()
	}
	d, to, e := s.destine(now, so, m.Addr, m.Local.IP, m.Iface)
	if e != 0 {
		return 0, e.Err()
	}
	if e = s.fits(so, d, n); e == 0 {
		e = s.copyOut(now, so, d, to, m.Data[:n])
	}
	if e != 0 {
		return 0, e.Err()
	}
	return n, nil
}

// destine finds out where a message goes: to is the destination given, or zero
// for the peer; from the source address given, or zero for the socket's own.
func (s *Stack) destine(now umem.Time, so *socket.Socket, to socket.Addr, from ip.Addr, iface uint8) (*ip.Dest, socket.Addr, socket.Errno) {
	switch {
	case so.Connected():
		if to.IsZero() {
			to = so.Peer
		} else if to != so.Peer {
			return nil, to, socket.EISCONN
		}
	case to.IsZero():
		return nil, to, socket.EDESTADDRREQ
	case !so.Speaks(to.IP):
		return nil, to, socket.EAFNOSUPPORT
	}
	if from == (ip.Addr{}) && !so.Local.IP.IsAny() {
		from = so.Local.IP
	}
	iface = s.scope(to.IP, iface)
	d := s.dests.Slot(to.IP, from, iface)
	if d.Fresh(to.IP, from, iface, s.neigh.Generation()) && d.Reach != ip.Group && so.CanSend() && to.Port != 0 {
		return d, to, 0
	}
	d, e := s.destineSlow(now, so, to, ip.DestKey{Dst: to.IP, Src: from, Iface: iface})
	return d, to, e
}

// destineSlow makes all the checks that a cached destination has passed, and binds
// an unbound datagram socket.
func (s *Stack) destineSlow(now umem.Time, so *socket.Socket, to socket.Addr, key ip.DestKey) (*ip.Dest, socket.Errno) {
	if so.Family == socket.Datagram && to.Port == 0 {
		return nil, socket.EINVAL
	}
	if key.Src.IsMulticast() || s.isBroadcast(key.Src) { // bound to a group: no source
		key.Src = ip.Addr{}
	}
	if key.Src != (ip.Addr{}) && (!s.owns(key.Src) || key.Src.Is4() != to.IP.Is4()) {
		return nil, socket.EADDRNOTAVAIL
	}
	if !so.CanSend() {
		wild := ip.Any6
		if to.IP.Is4() {
			wild = ip.Any4
		}
		if e := s.sockets.Bind(so, socket.Addr{IP: wild}); e != 0 {
			return nil, e
		}
	}
	d, e := s.route(now, key)
	if e == 0 && d.Reach == ip.Group && !to.IP.IsMulticast() && !so.Broadcast() {
		e = socket.EACCES
	}
	return d, e
}

// fits reports EMSGSIZE when n octets do not fit into one packet to d.
func (s *Stack) fits(so *socket.Socket, d *ip.Dest, n int) socket.Errno {
	n += int(d.Size) - wire.EthernetLen
	if so.Family == socket.Datagram {
		n += wire.UDPLen
	}
	if n > int(d.MTU) || n > s.region.ChunkSize()-umem.Headroom {
		return socket.EMSGSIZE
	}
	return 0
}

// copyOut copies data into a frame, summing it on the way, and sends it.
func (s *Stack) copyOut(now umem.Time, so *socket.Socket, d *ip.Dest, to socket.Addr, data []byte) socket.Errno {
	f := s.pool.Get(umem.ClassSend)
	if f == nil {
		s.counters.NoSendFrame++
		return socket.ENOBUFS
	}
	s.pool.Hold(f, umem.HoldTx)
	sum := checksum.Copy(f.Put(len(data)), data, 0)
	if so.Family == socket.Raw {
		return s.sendRaw(now, f, so, d)
	}
	return s.sendUDP(now, f, so, d, to.Port, sum)
}

// sendUDP prepends the headers to f, whose data is the payload with the partial
// sum given, and which has a HoldTx, and sends it.
func (s *Stack) sendUDP(now umem.Time, f *umem.Frame, so *socket.Socket, d *ip.Dest, to uint16, sum uint32) socket.Errno {
	n := f.Len()
	b := f.Push(int(d.Size) + wire.UDPLen)
	length := n + wire.UDPLen
	udp.Put(b[d.Size:], so.Local.Port, to, n, d.Pseudo(wire.ProtoUDP, length), sum)
	d.Put(b, length, ip.Params{Proto: wire.ProtoUDP, TTL: so.TTL, TOS: so.TOS})
	s.family(d.Is4()).UDPOutDatagrams++
	return s.emit(now, f, d, &so.Owner)
}

// icmp6Sum is where an ICMPv6 message has its checksum.
const icmp6Sum = 2

// sendRaw sends f, whose data is what the owner of a raw socket wants behind the IP
// header. Only the checksum of ICMPv6 is filled in, since its sender cannot know the
// source address (RFC 3542, section 3.1).
func (s *Stack) sendRaw(now umem.Time, f *umem.Frame, so *socket.Socket, d *ip.Dest) socket.Errno {
	if so.Proto == wire.ProtoICMPv6 && !d.Is4() {
		b := f.Bytes()
		if len(b) < icmp6Sum+2 {
			s.pool.Release(f, umem.HoldTx)
			return socket.EINVAL
		}
		binary.BigEndian.PutUint16(b[icmp6Sum:], 0)
		sum := checksum.Sum(b, d.Pseudo(wire.ProtoICMPv6, len(b)))
		binary.BigEndian.PutUint16(b[icmp6Sum:], checksum.Field(sum))
	}
	return s.sendIP(now, f, d, ip.Params{Proto: so.Proto, TTL: so.TTL, TOS: so.TOS}, &so.Owner)
}
