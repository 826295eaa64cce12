package socket

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/umem"
)

// defaultTTL is what packets leave with (RFC 1700's recommendation, Linux's
// net.ipv4.ip_default_ttl and hop_limit).
const defaultTTL = 64

// SetOptions replaces the options; zero bounds take the table's defaults.
func (s *Socket) SetOptions(o Options, cfg *Config) {
	s.flags = 0
	if o.Events {
		s.flags |= flagEvents
	}
	if o.V6Only {
		s.flags |= flagV6Only
	}
	if o.Broadcast {
		s.flags |= flagBroadcast
	}
	s.TTL, s.TOS = o.TTL, o.TOS
	if s.TTL == 0 {
		s.TTL = defaultTTL
	}
	s.recvFrames, s.recvLimit = int32(o.RecvFrames), int32(o.RecvBytes)
	if s.recvFrames == 0 {
		s.recvFrames = int32(cfg.RecvFrames)
	}
	if s.recvLimit == 0 {
		s.recvLimit = int32(cfg.RecvBytes)
	}
}

// SetOptions replaces the options of s. V6Only can be set only before the socket
// is bound (RFC 3493, section 5.3, as Linux has it).
func (t *Table) SetOptions(s *Socket, o Options) Errno {
	if s.class != unbound && o.V6Only != (s.flags&flagV6Only != 0) {
		return EINVAL
	}
	s.SetOptions(o, &t.cfg)
	t.lastKey = key{}
	return 0
}

// Handle names s.
func (s *Socket) Handle() Handle { return s.handle }

// Events reports whether datagrams come as events.
func (s *Socket) Events() bool { return s.flags&flagEvents != 0 }

// Broadcast reports whether s may send to broadcast addresses.
func (s *Socket) Broadcast() bool { return s.flags&flagBroadcast != 0 }

// CanSend reports whether s has a local port, or needs none.
func (s *Socket) CanSend() bool { return s.class != unbound || s.Family == Raw }

// Connected reports whether s has a peer.
func (s *Socket) Connected() bool { return s.Peer != Addr{} }

// TakeErr returns the pending error and clears it.
func (s *Socket) TakeErr() Errno {
	e := s.Err
	s.Err = 0
	return e
}

// Room reports whether the receive queue takes a datagram of n octets. One is
// always taken by an empty queue.
func (s *Socket) Room(n int) bool {
	q := s.recv.Len()
	return q == 0 || q < int(s.recvFrames) && int(s.recvBytes)+n <= int(s.recvLimit)
}

// Push queues a received datagram, which has a HoldReceive; first reports whether
// the queue was empty before.
func (s *Socket) Push(f *umem.Frame) (first bool) {
	s.recv.Push(f)
	s.recvBytes += int32(f.TotalLen())
	return s.recv.Len() == 1
}

// Peek is the datagram received first, or nil.
func (s *Socket) Peek(r *umem.Region) *umem.Frame { return s.recv.Peek(r) }

// Pop takes it, or gives nil.
func (s *Socket) Pop(r *umem.Region) *umem.Frame {
	f := s.recv.Pop(r)
	if f != nil {
		s.recvBytes -= int32(f.TotalLen())
	}
	return f
}

// QueuedBytes is how many octets wait.
func (s *Socket) QueuedBytes() int { return int(s.recvBytes) }

// Queued is the number of datagrams that wait.
func (s *Socket) Queued() int { return s.recv.Len() }

// Wants reports whether the raw socket s takes a packet of a protocol from src
// to dst.
func (s *Socket) Wants(proto uint8, dst, src ip.Addr) bool {
	return s.Proto == proto &&
		(s.Local.IP.IsAny() || s.Local.IP == dst) && (s.Peer.IP.IsAny() || s.Peer.IP == src)
}

// Speaks reports whether s, by its local address, can reach one of a's family.
func (s *Socket) Speaks(a ip.Addr) bool {
	v4 := a.Is4()
	switch {
	case s.class == unbound || s.Local.IP == ip.Any6 && s.flags&flagV6Only == 0:
		return !v4 || s.flags&flagV6Only == 0
	default:
		return s.Local.IP.Is4() == v4
	}
}
