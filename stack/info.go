package stack

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// SocketInfo is what can be seen of a socket of any family: what "ss" shows.
type SocketInfo struct {
	Handle      socket.Handle // of a connection that goes on after Close: stale
	Family      socket.Family
	Proto       uint8
	State       string // of a stream, in the RFC's words: "ESTABLISHED"; "UNCONN" of others
	Local, Peer socket.Addr
	Owner       socket.Owner
	RecvQueue   int // octets received and not taken; of a listener: connections that wait for Accept
	SendQueue   int // octets not acknowledged yet; of a listener: its backlog

	// Of a stream.
	Cwnd, Ssthresh, Mss int // octets
	Srtt, Rto           umem.Time
	Retransmits         uint64
}

// Sockets fills out with sockets from position from on, and returns how many, and where to go on: 0 at the end.
func (s *Stack) Sockets(from int, out []SocketInfo) (n, next int) {
	others := s.sockets.Cap()
	for i := max(from, 0); i < others+s.tcp.Cap(); i++ {
		if n == len(out) {
			return n, i
		}
		if i < others && s.sockets.Used(uint32(i)) {
			out[n] = datagramInfo(s.sockets.At(uint32(i)))
			n++
		}
		if i >= others && s.streamInfo(i-others, &out[n]) {
			n++
		}
	}
	return n, 0
}

func datagramInfo(so *socket.Socket) SocketInfo {
	return SocketInfo{
		Handle: so.Handle(), Family: so.Family, Proto: so.Proto, State: "UNCONN",
		Local: so.Local, Peer: so.Peer, Owner: so.Owner, RecvQueue: so.QueuedBytes(),
	}
}

func (s *Stack) streamInfo(i int, o *SocketInfo) bool {
	var c tcp.Info
	if !s.tcp.Info(i, &c) {
		return false
	}
	*o = SocketInfo{
		Handle: c.Handle, Family: socket.Stream, Proto: wire.ProtoTCP, State: c.State.String(),
		Local: c.Local, Peer: c.Peer, Owner: c.Owner, RecvQueue: c.RecvQueue, SendQueue: c.SendQueue,
		Cwnd: c.Cwnd, Ssthresh: c.Ssthresh, Mss: c.MSS, Srtt: c.SRTT, Rto: c.RTO, Retransmits: c.Retransmits,
	}
	return true
}
