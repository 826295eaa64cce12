package stack

import "github.com/xdpstack/xdpstack/stack/tcp"

// Counters are what a stack has counted since New. Where Linux has a counter for
// the same, in /proc/net/snmp, snmp6 or netstat, it has Linux's name.
type Counters struct {
	Drops [NumReasons]uint64 `json:"-"` // by Reason; as a list they have their names

	V4, V6 Family

	TCP tcp.Counters

	ARP        ARPCounters
	Neighbours NeighbourCounters

	PartialChecksums uint64 // accepted by policy PartialOK
	NoChecksums      uint64 // UDP over IPv4 without one
	SumReused        uint64 // datagrams sent with the payload sum of their reception
	Copied           uint64 // frames given to SendFrame that had to be copied
	HandedOff        uint64 // frames given to other workers
	EventsLost       uint64 // events other than datagrams that found the queue full
	NoSendFrame      uint64 // sends that the pool had no frame for
	NoControlFrame   uint64 // ARP, ND and ICMP packets that the pool had no frame for
}

// Family are the counters of one address family.
type Family struct {
	InReceives    uint64
	InDelivers    uint64
	OutRequests   uint64
	OutNoRoutes   uint64
	Loopback      uint64 // packets from this host to itself
	ICMPInMsgs    uint64
	ICMPInErrors  uint64 // malformed or with a wrong checksum
	ICMPInEchos   uint64
	ICMPOutMsgs   uint64
	ICMPOutEchos  uint64 // echo replies
	ICMPOutErrors uint64 // unreachables and parameter problems
	ICMPLimited   uint64 // errors that the rate limit kept back
	ICMPDelivered uint64 // errors received that a socket heard of
	UDPInDatagrams,
	UDPNoPorts,
	UDPInErrors,
	UDPOutDatagrams,
	UDPRcvbufErrors uint64
}

// ARPCounters count ARP packets (RFC 826).
type ARPCounters struct {
	InRequests, InReplies   uint64
	OutRequests, OutReplies uint64
}

// NeighbourCounters count what happened to neighbours of both families.
type NeighbourCounters struct {
	InSolicits, InAdverts   uint64 // ND
	OutSolicits, OutAdverts uint64
	Wanted                  uint64 // asked of worker 0
	Resolved                uint64
	Failed                  uint64 // three requests without an answer
	Conflicts               uint64
	Defended                uint64
}

// family is the counters of a packet's family.
func (s *Stack) family(v4 bool) *Family {
	if v4 {
		return &s.counters.V4
	}
	return &s.counters.V6
}

// Counters is what the stack has counted. It is the stack's own memory: for
// reading, by the stack's goroutine.
func (s *Stack) Counters() *Counters { return &s.counters }
