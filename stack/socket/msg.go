package socket

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/umem"
)

// Family is the kind of a socket.
type Family uint8

// The families.
const (
	Datagram Family = iota + 1 // UDP
	Raw                        // the payload of IP, of one protocol
	Stream                     // TCP
)

// Handle names a socket: an index and the generation of its slot, so that a
// handle kept after Close is an error (EBADF) and never another socket. The
// zero Handle names none. A handle belongs to the Stack that gave it.
type Handle struct {
	Index, Gen uint32
}

// streamBit marks the handles of streams, which are a table of their own.
const streamBit = 1 << 31

// StreamHandle names the stream in a slot of the table of streams.
func StreamHandle(slot, gen uint32) Handle { return Handle{slot | streamBit, gen} }

// IsStream reports whether h is of a stream.
func (h Handle) IsStream() bool { return h.Index&streamBit != 0 }

// Slot is the small number that the socket has among those of its kind: streams, or all others.
func (h Handle) Slot() uint32 { return h.Index &^ streamBit }

// Owner is the process that a socket belongs to, as SCM_CREDENTIALS has it. It
// is attached to every message and seen by a receiver on the same host; a wire
// does not carry it.
type Owner struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	PID uint32 `json:"pid"`
}

// Addr is an address and a port, the sockaddr of both families. Raw sockets
// leave the port zero.
type Addr struct {
	IP   ip.Addr
	Port uint16
}

// AddrFrom converts from the standard library's form.
func AddrFrom(a netip.AddrPort) Addr { return Addr{ip.FromNetip(a.Addr()), a.Port()} }

// Netip converts to the standard library's form.
func (a Addr) Netip() netip.AddrPort { return netip.AddrPortFrom(a.IP.Netip(), a.Port) }

// IsZero reports whether a names nothing at all.
func (a Addr) IsZero() bool { return a == Addr{} }

// Flags of a message, as recvmsg(2) has them.
type Flags uint8

// The flags.
const (
	Peek     Flags = 1 << iota // in: leave the datagram in the queue
	Trunc                      // in: return the datagram's length even if the buffer is shorter; out: it was shorter
	DontWait                   // in: do not wait. The stack never does: who waits for the event reads this
	Local                      // out: the sender is on this host, and Cred is its owner
	More                       // in: more follows; a segment that is not full waits for it (streams)
	WaitAll                    // in: the whole of Data or nothing, unless the stream ends (streams)
)

// Msg is a message of any family, on its way in or out: struct msghdr.
type Msg struct {
	// Data is what to send, or the buffer to fill. The callee keeps no
	// reference to it.
	Data []byte
	// Len is how many octets of Data to send, when not all: more than there are
	// is EFAULT. RecvMsg ignores it.
	Len int

	Addr  Addr // SendMsg: the destination, zero for the connected one. RecvMsg: the sender
	Local Addr // SendMsg: the source address wanted, zero for the socket's. RecvMsg: where it was sent to

	Flags Flags

	// Control data, attached on receive.
	Cred  Owner     // of the sender, when Flags has Local
	TTL   uint8     // TTL or hop limit
	TOS   uint8     // type of service or traffic class
	Iface uint8     // interface that it came in on
	Time  umem.Time // when the batch that it came in was received
}

// Options of a socket. The zero value is the default everywhere.
type Options struct {
	Events     bool  // datagrams come as events with a borrowed frame, not into a queue
	V6Only     bool  // "::" takes no IPv4 (IPV6_V6ONLY)
	Broadcast  bool  // SO_BROADCAST
	TTL        uint8 // 0: 64
	TOS        uint8
	NoDelay    bool // of a stream: small segments go out at once (TCP_NODELAY)
	RecvFrames int  // bound of the receive queue; 0: Limits.RecvFrames
	RecvBytes  int  // 0: Limits.RecvBytes, of a stream Limits.StreamRecvBytes
	SendBytes  int  // of a stream: bound of the send queue; 0: Limits.StreamSendBytes
}
