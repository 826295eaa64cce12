package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// kind is what pass 3 does with a packet.
type kind uint8

const (
	kindDrop kind = iota // why says it
	kindARP
	kindUDP
	kindTCP
	kindICMP4
	kindICMP6
	kindOther   // some other protocol: raw sockets, or an error
	kindProblem // IPv6 headers that call for a parameter problem
)

// packet is what the passes of Input tell each other about a frame. Its data is
// at the transport header, for UDP at the payload.
type packet struct {
	src, dst socket.Addr

	sock  uint32 // the socket, or the connection, when found
	epoch uint32 // of the connections' table, when it was looked up
	found bool

	kind  kind
	why   Reason
	iface uint8
	proto uint8
	tos   uint8
	ttl   uint8
	group bool // sent to a group or broadcast, of the network or the link
	local bool // from this host itself

	code    uint8  // kindProblem: of the ICMPv6 parameter problem
	pointer uint16 // kindProblem, kindOther: octet at fault; IPv6 only
}

// v4 reports the packet's family.
func (p *packet) v4() bool { return p.dst.IP.Is4() }

// refuse makes p a packet to drop.
func (p *packet) refuse(why Reason) { p.kind, p.why = kindDrop, why }

// inputBatch takes a batch through the passes: parse all, look all up, process
// all, so that the second finds its buckets and the third its sockets in the
// cache.
func (s *Stack) inputBatch(now umem.Time, frames []*umem.Frame) {
	batch := s.batch[:len(frames)]
	for i, f := range frames {
		s.parse(f, &batch[i])
	}
	for i := range batch {
		switch p := &batch[i]; p.kind {
		case kindUDP:
			p.sock, p.found = s.sockets.Find(p.proto, p.dst, p.src)
		case kindTCP:
			p.sock, p.found = s.tcp.Find(p.dst, p.src)
			p.epoch = s.tcp.Epoch()
		}
	}
	for i, f := range frames {
		s.process(now, f, &batch[i])
	}
}

func (s *Stack) process(now umem.Time, f *umem.Frame, p *packet) {
	switch p.kind {
	case kindTCP:
		s.inputTCP(now, f, p)
	case kindUDP:
		s.inputUDP(now, f, p)
	case kindICMP4:
		s.inputICMP4(now, f, p)
	case kindICMP6:
		s.inputICMP6(now, f, p)
	case kindARP:
		s.inputARP(now, f, p)
	case kindOther:
		s.inputOther(now, f, p)
	case kindProblem:
		s.sendProblem(now, f, p)
		s.drop(f, p.why)
	default:
		s.drop(f, p.why)
	}
}

// maxHeaders is the most that headers of the link and network layers and the
// first octets of the transport layer take.
var maxHeaders = wire.EthernetLen + wire.IPv6Len + wire.DefaultExtLimits.Octets + wire.TCPMaxLen

// parse checks the headers of f and pulls them. The data of a packet from this
// host to itself begins with a link header too, see local.go.
func (s *Stack) parse(f *umem.Frame, p *packet) {
	*p = packet{}
	if f.Next() != nil {
		if _, ok := f.Pullup(min(f.TotalLen(), maxHeaders)); !ok {
			p.refuse(PullupFailed)
			return
		}
	}
	eth, ok := wire.CheckEthernet(f.Bytes())
	if !ok {
		p.refuse(LinkTooShort)
		return
	}
	f.MarkLink()
	f.Pull(wire.EthernetLen)
	if f.Flags&umem.FlagLocal != 0 {
		p.local = true
	} else if why := s.parseLink(f, p, eth); why != noReason {
		p.refuse(why)
		return
	}
	switch eth.Type() {
	case wire.EtherTypeIPv4:
		s.parse4(f, p)
	case wire.EtherTypeIPv6:
		s.parse6(f, p)
	case wire.EtherTypeARP:
		p.kind = kindARP
	default:
		p.refuse(EtherType)
	}
}

// parseLink checks that a frame from a wire is for this station.
func (s *Stack) parseLink(f *umem.Frame, p *packet, eth wire.Ethernet) Reason {
	p.iface = noIface
	if f.In < umem.PortWorker {
		p.iface = s.byPort[f.In]
	}
	if p.iface == noIface {
		return NoInterface
	}
	if eth.Group() {
		p.group = true
	} else if eth.Dst() != s.ifaces[p.iface].mac {
		return OtherHost
	}
	return noReason
}

// admit checks the addresses of a packet, before anything is looked up by them.
func (s *Stack) admit(p *packet) Reason {
	if !p.local && p.src.IP.Martian() {
		return MartianSource
	}
	mine := false
	for i := range s.addrs {
		a := &s.addrs[i]
		if a.state != addrReady { // perhaps another host's, whose answer we wait for
			continue
		}
		if a.addr == p.src.IP && !p.local {
			return OwnSource
		}
		mine = mine || a.addr == p.dst.IP
	}
	if mine {
		if p.group {
			return LinkGroup
		}
		return noReason
	}
	return s.admitGroup(p)
}

// admitGroup checks a destination that is no address of this host.
func (s *Stack) admitGroup(p *packet) Reason {
	dst := p.dst.IP
	switch {
	case dst.IsMulticast():
		p.group = true
		if !s.member(dst) {
			return NotMember
		}
	case s.isBroadcast(dst):
		p.group = true
	case p.local && dst.IsLoopback():
	default:
		return NotForUs
	}
	return noReason
}

// classify decides by protocol what pass 3 does with an IP packet. Its data is at
// the transport header.
func (s *Stack) classify(f *umem.Frame, p *packet) {
	s.family(p.v4()).InDelivers++
	switch {
	case p.proto == wire.ProtoTCP:
		s.parseTCP(f, p)
	case p.proto == wire.ProtoUDP:
		s.parseUDP(f, p)
	case p.proto == wire.ProtoICMPv4 && p.v4():
		p.kind = kindICMP4
	case p.proto == wire.ProtoICMPv6 && !p.v4():
		p.kind = kindICMP6
	default:
		p.kind = kindOther
	}
	if p.src.IP == (ip.Addr{}) && p.kind != kindICMP6 {
		p.refuse(MartianSource) // only ND's probes have no source (RFC 4862, section 5.4.2)
	}
}

// inputOther is for protocols that nobody here speaks but raw sockets.
func (s *Stack) inputOther(now umem.Time, f *umem.Frame, p *packet) {
	if s.raw(f, p) {
		s.pool.Free(f)
		return
	}
	s.sendUnknownProtocol(now, f, p)
	s.drop(f, UnknownProtocol)
}
