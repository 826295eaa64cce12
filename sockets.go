package xdpstack

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// SocketInfo is what can be seen of a socket: the columns of ss(8).
type SocketInfo struct {
	Worker    int            `json:"worker"`
	Network   string         `json:"network"` // tcp, udp, raw
	State     string         `json:"state"`   // of RFC 9293, section 3.3.2; UNCONN of a datagram socket without a peer
	Local     netip.AddrPort `json:"local"`
	Peer      netip.AddrPort `json:"peer"`
	Owner     Owner          `json:"owner"`
	RecvQueue int            `json:"recv_q"` // octets not read yet; of a listener: connections not accepted yet
	SendQueue int            `json:"send_q"` // octets not acknowledged yet; of a listener: how many may wait

	// Of connections alone.
	Cwnd        int    `json:"cwnd_bytes,omitempty"`
	Ssthresh    int    `json:"ssthresh_bytes,omitempty"`
	MSS         int    `json:"mss,omitempty"`
	SRTT        int64  `json:"srtt_ns,omitempty"`
	RTO         int64  `json:"rto_ns,omitempty"`
	Retransmits uint64 `json:"retransmits,omitempty"`
}

// socketsAtOnce is how many sockets a worker tells of between two batches: more
// would make its packets wait.
const socketsAtOnce = 256

// Sockets lists every socket of the host, worker by worker. Workers go on in
// between: a socket that is opened or closed meanwhile may be missing, or listed.
func (h *Host) Sockets() (out []SocketInfo, err error) {
	infos := make([]stack.SocketInfo, socketsAtOnce)
	for worker := range h.shards {
		for from := 0; ; {
			var n, next int
			err := h.on(worker, func(s *shard) { n, next = s.stack.Sockets(from, infos) })
			if err != nil {
				return nil, err
			}
			for i := range infos[:n] {
				out = append(out, socketInfo(worker, &infos[i]))
			}
			if next == 0 {
				break
			}
			from = next
		}
	}
	return out, nil
}

func socketInfo(worker int, i *stack.SocketInfo) SocketInfo {
	return SocketInfo{
		Worker: worker, Network: networkOf(i.Family), State: i.State,
		Local: i.Local.Netip(), Peer: i.Peer.Netip(), Owner: i.Owner,
		RecvQueue: i.RecvQueue, SendQueue: i.SendQueue,
		Cwnd: i.Cwnd, Ssthresh: i.Ssthresh, MSS: i.Mss,
		SRTT: int64(i.Srtt), RTO: int64(i.Rto), Retransmits: i.Retransmits,
	}
}

func networkOf(f socket.Family) string {
	switch f {
	case socket.Stream:
		return "tcp"
	case socket.Datagram:
		return "udp"
	}
	return "raw"
}
