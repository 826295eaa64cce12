package socket

import "github.com/xdpstack/xdpstack/stack/ip"

// Ports is the range of ephemeral ports and this worker's run of it.
type Ports struct {
	Low, High       uint16
	Worker, Workers int
}

// run is how many ports each worker has; what does not divide is left over.
func (p Ports) run() int { return (int(p.High) - int(p.Low) + 1) / p.Workers }

// Run is the first port of this worker's run, and how many there are.
func (p Ports) Run() (first uint16, n int) {
	n = p.run()
	return uint16(int(p.Low) + p.Worker*n), n
}

// WorkerOf is the worker whose run port lies in.
func (p Ports) WorkerOf(port uint16) (int, bool) {
	if port < p.Low || port > p.High {
		return 0, false
	}
	w := (int(port) - int(p.Low)) / p.run()
	return w, w < p.Workers
}

// Bind files s under a local address; port 0 chooses one. Raw sockets are not
// filed: for them the address is a filter. The caller has checked that the
// address is the host's.
func (t *Table) Bind(s *Socket, local Addr) Errno {
	if s.Family == Raw {
		s.Local = Addr{IP: local.IP}
		return 0
	}
	if s.class != unbound {
		return EINVAL
	}
	if local.Port == 0 {
		port, ok := t.ephemeral(s, local.IP)
		if !ok {
			return EADDRINUSE
		}
		local.Port = port
	} else if t.conflict(s, local) {
		return EADDRINUSE
	}
	s.Local = local
	if !t.file(s) {
		s.Local = Addr{}
		return ENOBUFS
	}
	return 0
}

// Connect files s under both ends. local is the source address that routing
// chose, used when s has none; a zero peer dissolves the connection (connect(2),
// AF_UNSPEC).
func (t *Table) Connect(s *Socket, peer Addr, local ip.Addr) Errno {
	if s.Family == Raw {
		s.Peer = Addr{IP: peer.IP}
		return 0
	}
	if s.class == unbound {
		if peer.IsZero() {
			return 0
		}
		if err := t.Bind(s, Addr{IP: local}); err != 0 {
			return err
		}
	}
	old := *s
	t.unfile(s)
	if s.Peer = peer; s.Local.IP.IsAny() && !peer.IsZero() {
		s.Local.IP = local
	}
	if _, taken := t.get(s.key()); !taken && t.file(s) {
		return 0
	}
	s.Peer, s.Local = old.Peer, old.Local
	t.file(s) // its place was just given up
	return EADDRINUSE
}

// conflict reports whether a socket has local, or an address that overlaps it.
func (t *Table) conflict(s *Socket, local Addr) bool {
	for i := t.ports[portBucket(s.Proto, local.Port)]; i != none; i = t.sockets[i].portNext {
		o := &t.sockets[i]
		if o != s && o.Proto == s.Proto && o.Local.Port == local.Port && overlap(s, local.IP, o, o.Local.IP) {
			return true
		}
	}
	return false
}

// overlap reports whether a datagram could be for either address.
func overlap(s *Socket, a ip.Addr, o *Socket, b ip.Addr) bool {
	if !a.IsAny() && !b.IsAny() {
		return a == b
	}
	return s.covers(a)&o.covers(b) != 0
}

// covers says which families s takes at an address: bit 0 IPv4, bit 1 IPv6.
func (s *Socket) covers(a ip.Addr) uint8 {
	switch {
	case a.Is4():
		return 1
	case a == ip.Any6 && s.flags&flagV6Only == 0:
		return 3
	}
	return 2
}

// ephemeral chooses a port of this worker's run that nobody has: one after the
// other from a random place (RFC 6056, section 3.3.1).
func (t *Table) ephemeral(s *Socket, local ip.Addr) (uint16, bool) {
	low, n := t.cfg.Ports.Run()
	first := int(low)
	start := int(t.cfg.Random % uint64(n))
	t.cfg.Random = t.cfg.Random*6364136223846793005 + 1442695040888963407
	for j := range n {
		port := uint16(first + (start+j)%n)
		if !t.conflict(s, Addr{local, port}) {
			return port, true
		}
	}
	return 0, false
}
