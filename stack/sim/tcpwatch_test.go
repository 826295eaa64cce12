package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// tcpWatch looks at every segment that leaves a host, and knows what no segment may
// do, whatever went before: it is a second, plain view of the rules.
type tcpWatch struct {
	ways map[way]*oneWay
	err  error

	resets, zeroWindows, repeats, wraps, crossed uint64
}

// way names one direction of a connection: addresses and ports.
type way struct {
	src, dst [16]byte
	ports    [2]uint16
}

func (w way) back() way { return way{w.dst, w.src, [2]uint16{w.ports[1], w.ports[0]}} }

// oneWay is what one end of a connection has said so far.
type oneWay struct {
	iss     tcp.Seq
	mss     int // that it takes
	scale   uint8
	scaled  bool
	nxt     tcp.Seq // after all that it sent
	edge    tcp.Seq // to which the other may send
	hasEdge bool
	fin     tcp.Seq
	hasFIN  bool
	again   bool // it began before, with another number
	sentAt  umem.Time
	acks    bool // ack means something
	ack     tcp.Seq
}

// sent is for Net.Sent.
func (w *tcpWatch) sent(n *Net) func(*Host, []byte) {
	w.ways = map[way]*oneWay{}
	return func(_ *Host, frame []byte) {
		if id, h, length, ok := parseSegment(frame); ok && w.err == nil {
			if err := w.segment(n.Now(), id, h, length); err != nil {
				w.err = fmt.Errorf("at %d ns, a segment to port %d, seq %d, ack %d, %d octets: %w", n.Now(), h.DstPort(), h.Seq(), h.Ack(), length, err)
				n.Fail("%w", w.err)
			}
		}
	}
}

// parseSegment finds the TCP header of a frame, and the length of its payload.
func parseSegment(frame []byte) (id way, h wire.TCP, length int, ok bool) {
	if len(frame) < 54 {
		return id, nil, 0, false
	}
	b := frame[ethernetHeader:]
	switch {
	case binary.BigEndian.Uint16(frame[12:]) == 0x0800 && b[9] == 6:
		copy(id.src[:], b[12:16])
		copy(id.dst[:], b[16:20])
		b = b[int(b[0]&15)*4 : binary.BigEndian.Uint16(b[2:])]
	case binary.BigEndian.Uint16(frame[12:]) == 0x86dd && b[6] == 6:
		copy(id.src[:], b[8:24])
		copy(id.dst[:], b[24:40])
		b = b[40 : 40+int(binary.BigEndian.Uint16(b[4:]))]
	default:
		return id, nil, 0, false
	}
	h, ok = wire.CheckTCP(b)
	if !ok {
		return id, nil, 0, false
	}
	id.ports = [2]uint16{h.SrcPort(), h.DstPort()}
	return id, h, len(b) - len(h), true
}

func (w *tcpWatch) segment(now umem.Time, id way, h wire.TCP, length int) error {
	flags := h.Flags()
	if flags.Has(wire.TCPRst) {
		w.resets++
		return nil
	}
	me := w.ways[id]
	if flags.Has(wire.TCPSyn) {
		if me == nil || me.iss != tcp.Seq(h.Seq()) {
			me = &oneWay{iss: tcp.Seq(h.Seq()), nxt: tcp.Seq(h.Seq()).Add(1), mss: 536, again: me != nil}
			w.ways[id] = me
		}
		o := tcp.ParseOptions(h.Options(), true)
		if o.MSS != 0 {
			me.mss = int(o.MSS)
		}
		if flags.Has(wire.TCPAck) {
			me.ack, me.acks = tcp.Seq(h.Ack()), true
		}
		me.scale, me.scaled = o.WindowScale, o.WindowScale != tcp.NoWindowScale
		return nil
	}
	peer := w.ways[id.back()]
	if me == nil || peer == nil || me.again || peer.again {
		return nil // whoever answers a SYN twice, having forgotten the first, may be heard with either number
	}
	if silent := now - me.sentAt; me.sentAt != 0 && silent > longestSilence && peer.acks && me.nxt.After(peer.ack) {
		return fmt.Errorf("after %d s, while octets %d to %d were not acknowledged", silent/umem.Second, peer.ack, me.nxt)
	}
	me.sentAt = now
	if err := w.window(me, peer, h); err != nil {
		return err
	}
	return w.data(me, peer, h, length)
}

// longestSilence is how long an end may say nothing while something is not acknowledged: the longest RTO twice, since
// what waits for a neighbour's address may never leave.
const longestSilence = 250 * umem.Second

// window judges what the sender of a segment says of its receive window.
func (w *tcpWatch) window(me, peer *oneWay, h wire.TCP) error {
	if !h.Flags().Has(wire.TCPAck) {
		return fmt.Errorf("without ACK")
	}
	ack, wnd := tcp.Seq(h.Ack()), int(h.Window())
	if me.scaled && peer.scaled {
		wnd <<= me.scale
	}
	if wnd == 0 {
		w.zeroWindows++
	}
	if ack.After(peer.nxt) {
		return fmt.Errorf("acknowledges %d, and only %d was sent", ack, peer.nxt)
	}
	edge := ack.Add(wnd)
	if me.hasEdge && edge.Before(me.edge) {
		return fmt.Errorf("takes back %d octets of its window", me.edge.Sub(edge))
	}
	me.edge, me.hasEdge, me.ack, me.acks = edge, true, ack, true
	return nil
}

// data judges what the segment carries.
func (w *tcpWatch) data(me, peer *oneWay, h wire.TCP, length int) error {
	seq := tcp.Seq(h.Seq())
	end := seq.Add(length)
	switch {
	case length > peer.mss:
		return fmt.Errorf("longer than the MSS of %d", peer.mss)
	case length > 0 && peer.hasEdge && end.After(peer.edge):
		return fmt.Errorf("%d octets beyond the window", end.Sub(peer.edge))
	case length > 0 && me.hasFIN && end.After(me.fin):
		return fmt.Errorf("%d octets after the FIN", end.Sub(me.fin))
	}
	if length > 0 && seq.Before(me.nxt) {
		w.repeats++
	}
	if length > 0 && uint32(end) < uint32(seq) {
		w.wraps++
	}
	if h.Flags().Has(wire.TCPFin) {
		if me.hasFIN && me.fin != end {
			return fmt.Errorf("a FIN at %d, and there was one at %d", end, me.fin)
		}
		if !me.hasFIN && peer.hasFIN && me.ack.AtMost(peer.fin) {
			w.crossed++
		}
		me.hasFIN, me.fin = true, end
		end = end.Add(1)
	}
	me.nxt = tcp.MaxSeq(me.nxt, end)
	return nil
}
