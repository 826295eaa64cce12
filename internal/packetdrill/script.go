package packetdrill

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Script is a text that was understood.
type Script struct {
	Name    string
	Options map[string]string // by name, without the dashes
	Events  []Event
}

// When is the time of an event.
type When struct {
	Relative   bool // to the event before
	Any        bool // *
	Range      bool // from Start to End
	Blocks     bool // a call that begins at Start and returns at End
	Start, End umem.Time
}

// Event is one thing that happens: exactly one of the last fields is set.
type Event struct {
	Line, Col int
	When      When

	In, Out *Packet
	ICMP    *ICMP
	Call    *Call
	Assert  []*Expr
}

// Packet is a segment as a script writes it: its numbers count from the initial ones.
type Packet struct {
	Remote, Local uint16 // ports; 0: the flow's
	Flags         wire.TCPFlags
	Seq           uint32
	Len           int
	Ack           uint32
	Win           int // -1: not there
	Urg           int // -1: not there
	AnyOptions    bool
	Options       []Option
}

// Option is one of a segment.
type Option struct {
	Kind uint8
	A, B uint32   // mss, wscale; TS val and ecr
	Sack []uint32 // pairs
}

// ICMP is an error about a segment of ours.
type ICMP struct {
	Code string
	Seq  uint32
}

// Call is a call of sockets and what it gives.
type Call struct {
	Name   string
	Args   []*Arg
	Result int64
	Errno  socket.Errno // with a result of -1
}

// Arg is an argument: the first of its fields that is set says what it is.
type Arg struct {
	Any    bool // ...
	Words  []string
	List   []*Arg // [a, b]
	Fields map[string]*Arg
	Args   []*Arg // of Words[0], as a function
	Number int64

	IsNumber, IsList, IsCall bool
	Line, Col                int
}

// errnos by their names.
var errnos = map[string]socket.Errno{
	"EFAULT": socket.EFAULT, "EBADF": socket.EBADF, "EMSGSIZE": socket.EMSGSIZE, "EADDRINUSE": socket.EADDRINUSE,
	"EADDRNOTAVAIL": socket.EADDRNOTAVAIL, "ECONNREFUSED": socket.ECONNREFUSED, "EHOSTUNREACH": socket.EHOSTUNREACH,
	"ENETUNREACH": socket.ENETUNREACH, "EAGAIN": socket.EAGAIN, "EINVAL": socket.EINVAL, "ENOBUFS": socket.ENOBUFS,
	"EISCONN": socket.EISCONN, "EDESTADDRREQ": socket.EDESTADDRREQ, "ENFILE": socket.ENFILE, "EACCES": socket.EACCES,
	"EAFNOSUPPORT": socket.EAFNOSUPPORT, "ENOPROTOOPT": socket.ENOPROTOOPT, "EPROTONOSUPPORT": socket.EPROTONOSUPPORT,
	"ENOTCONN": socket.ENOTCONN, "ECONNRESET": socket.ECONNRESET, "EPIPE": socket.EPIPE, "ETIMEDOUT": socket.ETIMEDOUT,
	"EINPROGRESS": socket.EINPROGRESS, "EALREADY": socket.EALREADY, "ECONNABORTED": socket.ECONNABORTED,
	"EOPNOTSUPP": socket.EOPNOTSUPP,
}

// errnoName is the name of e.
func errnoName(e socket.Errno) string {
	for name, v := range errnos {
		if v == e {
			return name
		}
	}
	return "0"
}
