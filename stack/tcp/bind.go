package tcp

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Bind gives c its local address, which the caller has checked to be the host's; port 0 chooses one.
// EINVAL: it has one.
func (t *Table) Bind(c *Conn, local socket.Addr) socket.Errno {
	if c.is(flagBound) || c.state != Closed || c.peerPort != 0 {
		return socket.EINVAL
	}
	if local.Port == 0 {
		port, ok := t.freePort(c, local.IP)
		if !ok {
			return socket.EADDRINUSE
		}
		local.Port = port
	} else if t.conflict(c, local) {
		return socket.EADDRINUSE
	}
	c.local, c.localPort = local.IP, local.Port
	c.flags |= flagBound
	head := &t.ports[local.Port%portBuckets]
	c.port, *head = *head, t.index(c)
	return 0
}

// unbind is Bind's reverse. Connections in TIME-WAIT keep no port from others.
func (t *Table) unbind(c *Conn) {
	if !c.is(flagBound) {
		return
	}
	c.flags &^= flagBound
	p := &t.ports[c.localPort%portBuckets]
	for i := t.index(c); *p != i; {
		p = &t.conns[*p].port
	}
	*p = c.port
	c.port = none
}

// conflict reports whether a bound socket has local, or an address that overlaps it.
func (t *Table) conflict(c *Conn, local socket.Addr) bool {
	for i := t.ports[local.Port%portBuckets]; i != none; i = t.conns[i].port {
		o := &t.conns[i]
		if o != c && o.localPort == local.Port && overlap(c, local.IP, o, o.local) {
			return true
		}
	}
	return false
}

// overlap reports whether a segment could be for either address.
func overlap(c *Conn, a ip.Addr, o *Conn, b ip.Addr) bool {
	if !a.IsAny() && !b.IsAny() {
		return a == b
	}
	return c.covers(a)&o.covers(b) != 0
}

// covers says which families c takes at an address: bit 0 IPv4, bit 1 IPv6.
func (c *Conn) covers(a ip.Addr) uint8 {
	switch {
	case a.Is4():
		return 1
	case a == ip.Any6 && !c.is(flagV6Only):
		return 3
	}
	return 2
}

// Speaks reports whether c, by its local address, can reach one of a's family.
func (c *Conn) Speaks(a ip.Addr) bool {
	if !c.is(flagBound) || c.local == ip.Any6 && !c.is(flagV6Only) {
		return !a.Is4() || !c.is(flagV6Only)
	}
	return c.local.Is4() == a.Is4()
}

// freePort chooses a port of this worker's run to bind to.
func (t *Table) freePort(c *Conn, local ip.Addr) (uint16, bool) {
	first, n := t.cfg.Ports.Run()
	offset := uint32(t.hash(&key{local: local}))
	for range n {
		port := first + uint16((t.nextPort+offset)%uint32(n))
		t.nextPort++
		if !t.conflict(c, socket.Addr{IP: local, Port: port}) {
			return port, true
		}
	}
	return 0, false
}

// portTries is how many ports of connections in TIME-WAIT are passed over before
// one of them is taken.
const portTries = 64

// choosePort gives c, whose addresses and peer are set, a port that no
// connection to that peer has: one after the other, from a place that is secret and
// differs for every peer (RFC 6056, section 3.3.3). The ports follow each other, so that the
// one used longest ago comes next; when TIME-WAIT has them all, such a connection gives
// its own up: its number space goes on in the new one (see nextISSGap). Zero: none
// is free.
func (t *Table) choosePort(c *Conn) (port uint16, old *Conn) {
	first, n := t.cfg.Ports.Run()
	k := makeKey(c.Local(), c.Peer())
	offset := uint32(t.hash(&k))
	aged := 0
	for range n {
		c.localPort = first + uint16((t.nextPort+offset)%uint32(n))
		t.nextPort++
		i, taken := t.get(makeKey(c.Local(), c.Peer()))
		switch {
		case !taken && !t.conflict(c, c.Local()):
			return c.localPort, nil
		case taken && t.conns[i].state == TimeWait && t.conns[i].is(flagOrphan):
			if old == nil {
				port, old = c.localPort, &t.conns[i]
			}
			aged++
		}
		if aged == portTries {
			break
		}
	}
	c.localPort = port
	return port, old
}

// Listen makes a bound socket a listener, or changes its backlog.
func (t *Table) Listen(c *Conn, backlog int) socket.Errno {
	if backlog <= 0 {
		backlog = t.cfg.Backlog
	}
	switch {
	case c.state == Listen:
		c.backlog = int32(backlog)
		return 0
	case !c.is(flagBound) || c.state != Closed || c.peerPort != 0:
		return socket.EINVAL
	case !t.file(c):
		return socket.EADDRINUSE
	}
	c.state = Listen
	c.backlog = int32(backlog)
	return 0
}

// Accept takes the connection that waited longest.
func (t *Table) Accept(l *Conn) (socket.Handle, socket.Errno) {
	if l.state != Listen {
		return socket.Handle{}, socket.EINVAL
	}
	c := t.pop(&l.accept, linkPlace)
	if c == nil {
		return socket.Handle{}, socket.EAGAIN
	}
	c.flags &^= flagEmbryo
	if c.ready != 0 {
		t.tell(c, c.ready)
	}
	return t.handle(c), 0
}

// Connect begins a handshake (RFC 9293, section 3.10.1): the SYN leaves with the next
// Flush. local is the source address that routing chose.
func (t *Table) Connect(now umem.Time, c *Conn, peer socket.Addr, local ip.Addr, iface uint8) socket.Errno {
	switch {
	case c.state == SynSent || c.state == SynReceived:
		return socket.EALREADY
	case c.state != Closed:
		return socket.EISCONN
	case c.peerPort != 0: // it failed, or is over
		return socket.ECONNABORTED
	}
	was := c.local
	if !c.is(flagBound) || c.local.IsAny() {
		c.local = local
	}
	c.peer, c.peerPort, c.iface = peer.IP, peer.Port, iface
	if e := t.fileConnect(c); e != 0 {
		c.peer, c.peerPort, c.local = ip.Addr{}, 0, was
		return e
	}
	t.count.ActiveOpens++
	t.begin(now, c, SynSent)
	return 0
}

// fileConnect enters c under both ends, and finds it a port.
func (t *Table) fileConnect(c *Conn) socket.Errno {
	if c.is(flagBound) {
		c.iss = 0
		if !t.file(c) {
			return socket.EADDRINUSE
		}
		return 0
	}
	port, old := t.choosePort(c)
	if port == 0 {
		c.localPort = 0
		return socket.EADDRNOTAVAIL
	}
	if old != nil {
		c.iss = old.snd.nxt.Add(nextISSGap)
		t.end(old, 0)
	}
	if !t.file(c) {
		c.localPort = 0
		return socket.ENOBUFS
	}
	return 0
}
