package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// arriveListen takes a segment for a listener (RFC 9293, section 3.10.7.2).
func (t *Table) arriveListen(now umem.Time, l *Conn, h *Header, local, remote socket.Addr, iface uint8) Fate {
	switch {
	case h.has(wire.TCPRst), remote.Port == 0: // no peer has port 0: it is reserved
		return Outside
	case h.has(wire.TCPAck):
		t.Reset(now, h, local, remote, iface)
		return Unwanted
	case !h.has(wire.TCPSyn):
		return Outside
	}
	return t.passiveOpen(now, l, h, local, remote, iface, 0)
}

// passiveOpen answers a SYN. iss is where numbers begin; 0: to be chosen. The SYN's data, if any, is
// not kept: the peer sends it again (RFC 9293, section 3.10.7.2, asks to queue it; without TCP
// Fast Open no sender has any).
func (t *Table) passiveOpen(now umem.Time, l *Conn, h *Header, local, remote socket.Addr, iface uint8, iss Seq) Fate {
	if l.accept.n >= l.backlog {
		t.count.ListenOverflows++
		t.count.ListenDrops++
		return Overflow
	}
	if int(l.half.n) >= t.cfg.SynBacklog {
		t.dropOldestHalf(l)
	}
	c := t.alloc(now)
	if c == nil && l.half.n > 0 {
		t.dropOldestHalf(l)
		c = t.alloc(now)
	}
	if c == nil {
		t.count.ListenDrops++
		return Overflow
	}
	c.local, c.localPort, c.peer, c.peerPort, c.iface = local.IP, local.Port, remote.IP, remote.Port, iface
	c.ttl, c.tos, c.owner = l.ttl, l.tos, l.owner
	c.flags = flagEmbryo | l.flags&flagNoDelay
	c.rcv.limit, c.sndLimit = l.rcv.limit, l.sndLimit
	c.iss = iss
	if !t.file(c) {
		t.free(c)
		t.count.ListenDrops++
		return Overflow
	}
	t.count.PassiveOpens++
	c.parent = t.handle(l)
	t.learn(c, h)
	t.clampMSS(now, c)
	t.begin(now, c, SynReceived)
	t.push(&l.half, linkPlace, c)
	return Done
}

// dropOldestHalf forgets the half-open connection that waited longest: under a flood of SYNs the
// others have a chance to be real.
func (t *Table) dropOldestHalf(l *Conn) {
	if l.half.n > 0 {
		t.count.TCPReqQFullDrop++
		t.end(&t.conns[l.half.first], 0)
	}
}

// begin sends SYN, or SYN and ACK, soon.
func (t *Table) begin(now umem.Time, c *Conn, state State) {
	if c.iss == 0 {
		c.iss = t.chooseISS(now, c)
	}
	if state == SynSent {
		c.snd.mss = defaultMSS(c.peer)
		c.rcv.scale = scaleFor(c.rcv.limit)
	}
	c.snd.una, c.snd.nxt, c.snd.small = c.iss, c.iss, c.iss
	c.queue.Init(c.iss.Add(1))
	c.state = state
	c.flags |= flagSYN
	c.rcv.mss = guessedMSS
	t.touch(c)
}

// guessedMSS is taken for the size of the segments that the peer sends until larger ones come: two of them
// call for an ACK (as in Linux's tcp_initialize_rcv_mss).
const guessedMSS = 536

// learn takes what the peer's SYN says: its number, window and options.
func (t *Table) learn(c *Conn, h *Header) {
	o := ParseOptions(h.Options, true)
	have := c.window()
	c.irs = h.Seq
	c.rcv.nxt = h.Seq.Add(1)
	c.rcv.edge = c.rcv.nxt.Add(have)
	c.rcv.acked = c.rcv.nxt
	c.snd.mss = defaultMSS(c.peer)
	if o.MSS != 0 {
		c.snd.mss = max(o.MSS, leastMSS)
	}
	c.rcv.scale = scaleFor(c.rcv.limit)
	if o.WindowScale != NoWindowScale {
		c.flags |= flagScaled
		c.snd.scale = o.WindowScale
	}
	c.snd.wnd, c.snd.wl1 = uint32(h.Window), h.Seq
}

// leastMSS is taken for any smaller one that a peer names, or segments would hardly carry more than
// headers (Linux's TCP_MIN_SND_MSS is 48; CVE-2019-11479).
const leastMSS = 64

// arriveSynSent is RFC 9293, section 3.10.7.3.
func (t *Table) arriveSynSent(now umem.Time, c *Conn, h *Header, local, remote socket.Addr, iface uint8) Fate {
	acked := h.has(wire.TCPAck)
	if acked && (h.Ack.AtMost(c.iss) || h.Ack.After(c.snd.nxt)) { // first
		t.Reset(now, h, local, remote, iface)
		return Unwanted
	}
	if h.has(wire.TCPRst) { // second
		if !acked {
			return Outside
		}
		t.count.AttemptFails++
		t.end(c, socket.ECONNREFUSED)
		return Done
	}
	if !h.has(wire.TCPSyn) { // fourth and fifth
		return Outside
	}
	t.learn(c, h)
	t.clampMSS(now, c)
	if !acked { // both opened at once
		c.state = SynReceived
		c.flags |= flagSYN
		t.touch(c)
		return Done
	}
	t.established(now, c, h)
	c.flags |= flagACKNow
	t.tell(c, ReadyConnected|ReadyOut)
	return Done
}

// clampMSS bounds what the peer takes by what the way to it takes.
func (t *Table) clampMSS(now umem.Time, c *Conn) { c.snd.mss = min(c.snd.mss, t.mss(now, c)) }
