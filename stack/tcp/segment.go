package tcp

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// Header is what the header of a segment that arrived says, and how long its payload is.
type Header struct {
	Seq, Ack Seq
	Flags    wire.TCPFlags
	Window   uint16
	Len      int // of the payload
	Options  wire.Options
}

// has reports whether any of the control bits in f is set.
func (h *Header) has(f wire.TCPFlags) bool { return h.Flags&f != 0 }

// length is SEG.LEN: SYN and FIN count.
func (h *Header) length() int {
	n := h.Len
	if h.has(wire.TCPSyn) {
		n++
	}
	if h.has(wire.TCPFin) {
		n++
	}
	return n
}

// route is the way to c's peer.
func (t *Table) route(now umem.Time, c *Conn) (*ip.Dest, socket.Errno) {
	return t.net.Route(now, c.peer, c.local, c.iface)
}

// emit puts headers before the data of f, the payload with the sum given, and sends it. f has a
// HoldTx. A segment that the layers below do not take is lost, as on any wire.
func (t *Table) emit(now umem.Time, c *Conn, f *umem.Frame, seq Seq, flags wire.TCPFlags, sum uint32, options []byte) {
	d, e := t.route(now, c)
	if e != 0 {
		c.soft = e
		t.pool.Release(f, umem.HoldTx)
		return
	}
	if d.Reach == ip.Self && f.Held(umem.HoldRetransmit) {
		if f = t.twin(f); f == nil {
			return
		}
	}
	window := t.offer(c, flags)
	ack := Seq(0)
	if flags&wire.TCPAck != 0 {
		ack = c.rcv.nxt
		c.rcv.acked = ack
		c.flags &^= flagACKNow | flagACKSoon
		c.delack = umem.Never
	}
	n, size := f.Len(), wire.TCPLen+len(options)
	b := f.Push(int(d.Size) + size)
	h := b[d.Size:]
	copy(h[wire.TCPLen:], options)
	sum += put(h, c.localPort, c.peerPort, seq, ack, flags, window, len(options)) + d.Pseudo(wire.ProtoTCP, n+size)
	if len(options) > 0 {
		sum += checksum.Sum(options, 0)
	}
	binary.BigEndian.PutUint16(h[16:18], checksum.Field(sum))
	d.Put(b, n+size, ip.Params{Proto: wire.ProtoTCP, TTL: c.ttl, TOS: c.tos})
	t.count.OutSegs++
	t.net.Emit(now, f, d, &c.owner)
}

// put writes a header whose checksum is 0, and returns its sum. It sums the fields, not the octets: what was just
// written in small pieces is slow to read in large ones.
func put(b []byte, src, dst uint16, seq, ack Seq, flags wire.TCPFlags, window uint16, options int) uint32 {
	h := (*[wire.TCPLen]byte)(b)
	ports := uint32(src)<<16 | uint32(dst)
	last := uint32((wire.TCPLen+options)/4)<<28 | uint32(flags)<<16 | uint32(window)
	binary.BigEndian.PutUint32(h[0:4], ports)
	binary.BigEndian.PutUint32(h[4:8], uint32(seq))
	binary.BigEndian.PutUint32(h[8:12], uint32(ack))
	binary.BigEndian.PutUint32(h[12:16], last)
	binary.BigEndian.PutUint32(h[16:20], 0)
	sum := uint64(ports) + uint64(seq) + uint64(ack) + uint64(last)
	sum = sum>>32 + sum&0xffffffff
	return uint32(sum>>16) + uint32(sum&0xffff)
}

// twin copies a payload that has to stay here while it is sent to this host itself, whose receiver
// will hold the frame.
func (t *Table) twin(f *umem.Frame) *umem.Frame {
	g := t.pool.Get(umem.ClassControl)
	if g != nil {
		t.pool.Hold(g, umem.HoldTx)
		copy(g.Put(f.Len()), f.Bytes())
	}
	t.pool.Release(f, umem.HoldTx)
	return g
}

// mss is what c's peer may send in a segment: what the link and a chunk take (RFC
// 9293, section 3.7.1).
func (t *Table) mss(now umem.Time, c *Conn) uint16 {
	d, e := t.route(now, c)
	if e != 0 {
		return defaultMSS(c.peer)
	}
	n := int(d.MTU) + wire.EthernetLen - int(d.Size) - wire.TCPLen
	return uint16(min(n, t.region.ChunkSize()-umem.Headroom))
}

// defaultMSS is that of a peer that names none (RFC 9293, section 3.7.1).
func defaultMSS(peer ip.Addr) uint16 {
	if peer.Is4() {
		return 536
	}
	return 1220
}

// Reset answers a segment that belongs to no connection with RST (RFC 9293, section 3.10.7.1).
func (t *Table) Reset(now umem.Time, h *Header, local, remote socket.Addr, iface uint8) {
	if h.has(wire.TCPRst) {
		return
	}
	d, e := t.net.Route(now, remote.IP, local.IP, iface)
	if e != 0 {
		return
	}
	f := t.pool.Get(umem.ClassControl)
	if f == nil {
		t.count.NoControlFrame++
		return
	}
	t.pool.Hold(f, umem.HoldTx)
	seq, ack, flags := h.Ack, Seq(0), wire.TCPRst
	if !h.has(wire.TCPAck) {
		seq, ack, flags = 0, h.Seq.Add(h.length()), wire.TCPRst|wire.TCPAck
	}
	b := f.Push(int(d.Size) + wire.TCPLen)
	sum := put(b[d.Size:], local.Port, remote.Port, seq, ack, flags, 0, 0) + d.Pseudo(wire.ProtoTCP, wire.TCPLen)
	binary.BigEndian.PutUint16(b[int(d.Size)+16:], checksum.Field(sum))
	d.Put(b, wire.TCPLen, ip.Params{Proto: wire.ProtoTCP, TTL: defaultTTL})
	t.count.OutSegs++
	t.count.OutRsts++
	t.net.Emit(now, f, d, &nobody)
}

// nobody is the owner of a RST that no connection sends: Linux's overflow ID.
var nobody = socket.Owner{UID: 65534, GID: 65534}

// space is how large the window may be now: the buffer's rest, and no more than half of what the pool's
// frames still take at what this connection's frames carry, so that what is promised shrinks as
// frames run out (dynamic thresholds; Choudhury and Hahne, 1998). When they are short it is as many segments as the
// pool still takes of a queue: of a burst into a larger window most would be dropped.
func (t *Table) space(c *Conn) int {
	room := int(c.rcv.limit) - int(c.rcv.used)
	free, few := t.pool.ReceiveShare()
	if few == 0 {
		return 0
	}
	budget := max(free*c.recv.PerFrame()/2, few*int(max(c.rcv.mss, c.snd.mss))-int(c.rcv.used))
	return max(min(room, budget), 0)
}

// offer is the window field of the next segment. The edge of the window moves when that is worth it
// (RFC 9293, section 3.8.6.2.2), and never back. Rounding to the scale is upwards: else the
// edge would go back by a little as data comes in.
func (t *Table) offer(c *Conn, flags wire.TCPFlags) uint16 {
	have := max(c.window(), 0) // a FIN takes a number beyond a window that data has used up
	if n := t.space(c); n-have >= min(int(c.rcv.limit/2), int(c.rcv.mss)) {
		have = n
	}
	shift := uint(0)
	if c.is(flagScaled) && flags&wire.TCPSyn == 0 {
		shift = uint(c.rcv.scale)
	}
	field := min((have+1<<shift-1)>>shift, 0xffff)
	if edge := c.rcv.nxt.Add(field << shift); edge.After(c.rcv.edge) {
		c.rcv.edge = edge
	}
	return uint16(field)
}

// scaleFor is the shift with which a window of n octets fits its field (RFC 7323, section 2.3).
func scaleFor(n uint32) (shift uint8) {
	for n>>shift > 0xffff && shift < MaxWindowScale {
		shift++
	}
	return shift
}
