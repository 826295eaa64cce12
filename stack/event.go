package stack

import (
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Kind says what an Event tells.
type Kind uint8

// The kinds.
const (
	_ Kind = iota

	// Datagram: Socket, which has Options.Events, received Frame. Its bytes are
	// the payload, Src and Dst its ends. The receiver has a HoldApp on it and
	// ends that with Stack.Release, SendFrame or Reply.
	Datagram
	// Readable: the receive queue of Socket is no longer empty.
	Readable
	// Failed: Errno befell what Socket sent to Peer.
	Failed
	// Conflict: another host, at MAC, uses Peer.IP, an address of ours on Iface.
	// During detection the address is given up; later it is defended.
	Conflict
	// AddressReady: Peer.IP passed detection and is usable.
	AddressReady
	// NeighbourChanged: on worker 0, when there are several workers. Neighbour is
	// to be given to Stack.LearnNeighbour of all others.
	NeighbourChanged
	// NeighbourWanted: on the others. Neighbour's address and interface are to be
	// given to Stack.ResolveNeighbour of worker 0.
	NeighbourWanted
	// Stream: Ready says what became possible on the stream Socket; with ReadyClosed,
	// Errno says why, zero for an orderly end. A socket has one such event a batch.
	Stream
	// FlowFound: a packet that worker Worker handed on belongs to a connection here:
	// Local and Peer are to be given to that worker's Stack.LearnFlow.
	FlowFound
)

// Event is something that the application, or the host around the stack, must
// hear. Which fields count depends on Kind.
type Event struct {
	Kind   Kind
	Errno  socket.Errno
	Ready  Ready
	Worker uint8
	Iface  uint8
	MAC    [6]byte
	Socket socket.Handle
	Local  socket.Addr
	Peer   socket.Addr
	Frame  *umem.Frame

	Neighbour link.Neighbour
}

// Src is the sender of a Datagram's frame, read from its headers.
func (e *Event) Src() socket.Addr { return source(e.Frame) }

// Dst is where a Datagram was sent to.
func (e *Event) Dst() socket.Addr { return destination(e.Frame) }

// Cred is the owner of the sending socket, when that is on this host.
func (e *Event) Cred() (socket.Owner, bool) { return credentials(e.Frame) }
