package socket

// Errno is an error of a socket call, named as the system's. It is a byte, so
// that a socket can keep one and an event can carry one; the zero Errno is no
// error and is never returned as one.
type Errno uint8

// The errors. The comment says what to do.
const (
	_               Errno = iota
	EFAULT                // the message claims more octets than its buffer has
	EBADF                 // the handle is stale or was never given: the socket is closed
	EMSGSIZE              // larger than the path takes in one packet: send less
	EADDRINUSE            // another socket has the address: choose another port, or 0
	EADDRNOTAVAIL         // not an address of this host, or it is not usable (yet)
	ECONNREFUSED          // nobody listens there (ICMP port unreachable)
	EHOSTUNREACH          // the next hop does not answer, or a router says so
	ENETUNREACH           // no route: add one
	EAGAIN                // nothing there now: wait for the event
	EINVAL                // the call does not fit the socket's family or state
	ENOBUFS               // a queue or the pool is full: try again after a turn
	EISCONN               // connected already, and another destination was given
	EDESTADDRREQ          // neither connected nor a destination given
	ENFILE                // the table of sockets is full: raise Limits.Sockets
	EACCES                // broadcast, and the socket's Options do not allow it
	EAFNOSUPPORT          // the address is of the other family
	ENOPROTOOPT           // the peer does not know the protocol (ICMP)
	EPROTONOSUPPORT       // no such family or protocol
	ENOTCONN              // the call needs a peer: Connect first
	ECONNRESET            // the peer reset the connection
	EPIPE                 // our side of the stream is closed: nothing can be sent
	ETIMEDOUT             // the peer does not answer any more
	EINPROGRESS           // the handshake is under way: wait for the event
	EALREADY              // Connect was called already
	ECONNABORTED          // the connection was given up by this host
	EOPNOTSUPP            // the call does not fit the kind of socket
	numErrnos
)

var errnoText = [numErrnos]string{
	"no error",
	"bad buffer: the message claims more octets than it has",
	"bad socket handle: closed, or never opened",
	"message too long for one packet: send less",
	"address in use: choose another port, or port 0",
	"address not available: this host does not have it, or not yet",
	"connection refused: nobody listens at the destination",
	"host unreachable: the next hop does not answer",
	"network unreachable: no route leads there",
	"nothing available now: try again on the next event",
	"invalid argument for this socket",
	"no buffer space: a queue or the frame pool is full",
	"already connected to another destination",
	"destination address required: connect, or name one",
	"too many sockets: raise the limit",
	"permission denied: broadcast must be allowed in the options",
	"address family not supported by the socket",
	"protocol not available at the destination",
	"protocol not supported",
	"not connected",
	"connection reset by the peer",
	"broken pipe: the stream's sending side is closed",
	"connection timed out: the peer does not answer",
	"operation in progress: wait for the event",
	"already in progress",
	"connection aborted by this host",
	"operation not supported by this kind of socket",
}

// Error is one line that says what to do.
func (e Errno) Error() string {
	if e < numErrnos {
		return errnoText[e]
	}
	return "unknown socket error"
}

// Err is e as an error, nil for zero.
func (e Errno) Err() error {
	if e == 0 {
		return nil
	}
	return errors[e]
}

// errors are the interface values of all Errnos, made once: converting on the
// data path must not allocate.
var errors = func() (t [numErrnos]error) {
	for i := range t {
		t[i] = Errno(i)
	}
	return
}()
