package stack

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// stream calls something on one of the handles, or receives a segment for a stream.
func (p *player) stream() {
	h := p.h
	op, which := p.byte(), p.byte()
	s, other := &p.sockets[which%8], p.sockets[which>>3%8]
	switch op % 12 {
	case 0:
		_ = h.s.Listen(*s, int(which&3))
	case 1:
		if n, err := h.s.Accept(*s); err == nil {
			_ = h.s.Close(other)
			p.sockets[which>>3%8] = n
		}
	case 2:
		_, _ = h.s.Send(*s, make([]byte, int(which)*20), which&1 != 0)
	case 3:
		p.forward(*s, other)
	case 4:
		_ = h.s.Shutdown(*s)
	case 5:
		_ = h.s.Abort(*s)
	case 6:
		h.s.SetTimer(*s, h.now+umem.Time(which)*umem.Millisecond)
	case 7:
		f := &families[which&1]
		h.s.LearnFlow(socket.AddrFrom(netip.AddrPortFrom(f.us, p.port())), socket.AddrFrom(netip.AddrPortFrom(f.peer, 2000)), int(which>>4))
	default:
		p.input(p.segment(), testChunk-umem.Headroom)
	}
}

// forward takes frames from one stream, and sends, keeps or releases them.
func (p *player) forward(src, dst socket.Handle) {
	h := p.h
	var frames [3]*umem.Frame
	n, _ := h.s.Take(src, frames[:])
	for _, f := range frames[:n] {
		h.lent++
		switch p.byte() & 3 {
		case 0:
			p.loans = append(p.loans, f)
			continue
		case 1:
			h.s.Consume(src, f.Len())
		default:
			if err := h.s.Forward(dst, src, f); err != socket.EAGAIN.Err() {
				h.lent--
				continue
			}
		}
		h.release(f)
	}
}

// listen has a listener from the beginning, so that segments meet one.
func (p *player) listen() {
	h, err := p.h.s.Open(socket.Stream, 0, socket.Owner{})
	if err == nil {
		_ = p.h.s.Bind(h, netip.AddrPortFrom(netip.IPv6Unspecified(), 7))
		_ = p.h.s.Listen(h, 1)
		p.sockets[7] = h
	}
}

// segment is one for a stream's ends: mostly one that fits its numbers.
func (p *player) segment() []byte {
	f := &families[p.byte()&1]
	g := segment{proto: wire.ProtoTCP, raw: true}
	t := wire.TCPFields{SrcPort: 2000 + uint16(p.byte()&1), DstPort: p.port(), Seq: uint32(p.byte()), Flags: wire.TCPFlags(p.byte()), Window: uint16(p.byte()) << 4}
	if do := p.byte(); do&3 != 0 {
		t.Flags = [4]wire.TCPFlags{wire.TCPSyn, wire.TCPSyn, wire.TCPAck, wire.TCPRst}[do>>2&3]
	}
	var c tcp.Info
	if p.h.s.tcp.Info(int(p.byte())%p.h.s.tcp.Cap(), &c) && c.Peer.Port != 0 && p.byte()&7 != 0 {
		f = &families[0]
		if !c.Peer.IP.Is4() {
			f = &families[1]
		}
		g.src, g.dst = c.Peer.IP.Netip(), c.Local.IP.Netip()
		t.SrcPort, t.DstPort = c.Peer.Port, c.Local.Port
		t.Seq, t.Ack = uint32(c.RcvNxt)+uint32(p.byte()>>6), uint32(c.SndUna)+uint32(p.byte()>>5)
		if t.Flags |= wire.TCPAck; p.byte()&3 != 0 {
			t.Flags &= wire.TCPAck | wire.TCPPsh | wire.TCPFin
		}
	}
	options := []byte{2, 4, p.byte(), p.byte(), 1, 3, 3, p.byte()}
	if t.Flags&wire.TCPSyn != 0 {
		t.Options = options
	}
	g.payload = make([]byte, wire.TCPLen+len(t.Options)+int(p.byte()))
	wire.PutTCP(g.payload, t)
	src, dst := f.peer, f.us
	if g.src.IsValid() {
		src, dst = g.src, g.dst
	}
	wire.SealTCP(g.payload, ip.FromNetip(src).Sum()+ip.FromNetip(dst).Sum()+wire.ProtoTCP+uint32(len(g.payload)))
	return g.bytes(f)
}
