package echo

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The network of both pairs.
const (
	mtu        = 1500
	serverPort = 7 // RFC 862
	clientPort = 40007

	maxWindow = 64
	maxSize   = 1400
)

var (
	clientIP  = [4]byte{198, 18, 0, 1}
	serverIP  = [4]byte{198, 18, 0, 2}
	clientMAC = [6]byte{2, 0, 0, 0, 0, 1}
	serverMAC = [6]byte{2, 0, 0, 0, 0, 2}
)

// Errors of both pairs.
var (
	// ErrWindow says that a window or a size is out of range.
	ErrWindow = errors.New("echo: bad window")
	// ErrEcho says that what came back is not what was sent, or that nothing came.
	ErrEcho = errors.New("echo: wrong echo")
)

// Pair is a client and an echo server. It belongs to one goroutine.
type Pair interface {
	// RoundTrips has n datagrams of size octets sent, echoed and received, in
	// windows of so many requests: the next window begins when all of the one
	// before are back. Every echo is compared with its request.
	RoundTrips(n, window, size int) error
	// Close ends both stacks.
	Close() error
}

// check says what is wrong with the arguments of RoundTrips.
func check(window, size int) error {
	if window < 1 || window > maxWindow || size < 8 || size > maxSize {
		return fmt.Errorf("%w: %d datagrams of %d octets; take 1 to %d of 8 to %d", ErrWindow, window, size, maxWindow, maxSize)
	}
	return nil
}

// mark numbers a datagram, so that no echo passes for another.
func mark(b []byte, seq uint64) { binary.LittleEndian.PutUint64(b, seq) }

// verify compares an echo with what mark made of a pattern that is zero otherwise.
func verify(b []byte, size int, seq uint64) error {
	if len(b) != size || binary.LittleEndian.Uint64(b) != seq {
		return fmt.Errorf("%w: %d octets where %d of number %d were due", ErrEcho, len(b), size, seq)
	}
	return nil
}
