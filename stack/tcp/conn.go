package tcp

import (
	"unsafe"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// State of a connection (RFC 9293, section 3.3.2).
type State uint8

// The states. Closed is also that of a socket that is only bound, or over.
const (
	Closed State = iota
	Listen
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait
	numStates
)

var stateNames = [numStates]string{
	"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
	"CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
}

// String is the state in the RFC's words.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// synchronized reports a state in which both sides know each other's numbers.
func (s State) synchronized() bool { return s >= Established }

// Ready says what became possible on a socket.
type Ready uint8

// The levels.
const (
	ReadyIn        Ready = 1 << iota // data in order, or what Accept gives
	ReadyEOF                         // the peer's FIN
	ReadyOut                         // room to send again
	ReadyConnected                   // Connect's handshake is done
	ReadyAccept                      // of a listener
	ReadyTimer                       // SetTimer's time
	ReadyClosed                      // over
)

// flags of a connection.
type flags uint32

const (
	flagBound   flags = 1 << iota // on the chain of its port
	flagFiled                     // in the table of keys
	flagOrphan                    // no handle: the application closed it
	flagEmbryo                    // a listener's, not accepted yet
	flagV6Only                    // listens to IPv6 alone at "::"
	flagNoDelay                   // no Nagle
	flagCork                      // more was promised
	flagFull                      // a Send took less than all: ReadyOut is wanted
	flagForward                   // a Forward was refused: it needs no frame of the pool
	flagFIN                       // FIN is queued behind the data
	flagFINSent                   // and was sent
	flagFINLost                   // and is to be sent again
	flagEOF                       // the peer's FIN was reached
	flagACKNow                    // an ACK is owed at once
	flagACKSoon                   // an ACK is owed
	flagSYN                       // SYN is to be sent, with ACK in SYN-RECEIVED
	flagSYNLost                   // it was sent again
	flagPersist                   // the timer probes a window
	flagForce                     // the next lost segment goes out whatever the window says: fast retransmit
	flagScaled                    // both sides scale their windows (RFC 7323, section 2.2)
)

// Conn is one connection, or a listener. It holds no Go pointer, and what every
// segment needs comes first.
type Conn struct {
	state State
	iface uint8 // of a link-local peer
	ttl   uint8
	tos   uint8
	flags flags

	// RFC 9293, section 3.3.1.
	snd struct {
		una, nxt Seq
		small    Seq    // the end of the last segment sent that was not full
		wnd      uint32 // from una on
		max      uint32 // the largest that wnd ever was
		wl1, wl2 Seq
		mss      uint16 // octets of payload
		scale    uint8
	}
	rcv struct {
		nxt   Seq
		edge  Seq    // the first number beyond the window: it never goes back
		acked Seq    // the last acknowledgment sent
		used  uint32 // octets that the window stays closed for: queued, lent, or forwarded and not acknowledged yet
		gone  uint32 // of those, the forwarded
		limit uint32 // of used and window together
		mss   uint16 // the largest payload that came
		scale uint8
	}
	ready   Ready
	err     socket.Errno // what ended it
	pending socket.Errno // the same, until a call has told
	retries uint8        // timeouts in a row
	probes  uint8        // backoff of window probes

	queue SendQueue
	recv  RecvQueue
	cc    Congestion
	rtt   RTT

	// Deadlines. The wheel's timer of the slot is set to the first of them, or earlier.
	rtx    umem.Time // retransmission, persist, or what a closing state waits for
	delack umem.Time
	app    umem.Time

	links [numLinks]link
	port  uint32 // next that is bound to a port of the same bucket

	local, peer         ip.Addr
	localPort, peerPort uint16
	soft                socket.Errno // an ICMP error that did not end it
	challenges          uint8        // ACKs in the interval that began at challenged
	sndLimit            uint32
	delivered           uint64 // octets acknowledged since the beginning
	deliveredAt         umem.Time
	challenged          umem.Time
	lastSent            umem.Time // data
	flowTold            umem.Time // see FoundHere

	owner       socket.Owner
	iss, irs    Seq
	retransmits uint32

	// Of a listener, and of its children who theirs is.
	parent  socket.Handle
	half    list // half-open, oldest first
	accept  list // to be accepted, oldest first
	backlog int32
}

// A Conn fits into seven cache lines: this fails to compile when it does not.
const _ = uint(7*64 - unsafe.Sizeof(Conn{}))

// Local is the connection's own end.
func (c *Conn) Local() socket.Addr { return socket.Addr{IP: c.local, Port: c.localPort} }

// Peer is the other end.
func (c *Conn) Peer() socket.Addr { return socket.Addr{IP: c.peer, Port: c.peerPort} }

// State is the connection's.
func (c *Conn) State() State { return c.state }

// Owner is who opened it.
func (c *Conn) Owner() socket.Owner { return c.owner }

func (c *Conn) is(f flags) bool { return c.flags&f != 0 }

// window is what of the offered window is left.
func (c *Conn) window() int { return c.rcv.edge.Sub(c.rcv.nxt) }

// outstanding reports whether something that was sent is not acknowledged.
func (c *Conn) outstanding() bool { return c.snd.una != c.snd.nxt }
