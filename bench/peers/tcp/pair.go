package tcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// The network of both pairs.
const (
	mtu = 1500

	maxSize   = 1 << 10  // of a request
	writeSize = 64 << 10 // of a stream, at a time
)

var (
	serverAddr = netip.MustParseAddrPort("198.18.0.2:7") // RFC 862
	clientAddr = netip.MustParseAddr("198.18.0.1")
	clientMAC  = [6]byte{2, 0, 0, 0, 0, 1}
	serverMAC  = [6]byte{2, 0, 0, 0, 0, 2}
)

// bits is the length of both addresses' prefix.
const bits = 15

// Errors of both pairs.
var (
	// ErrSize says that a size is out of range.
	ErrSize = errors.New("tcp: bad size")
	// ErrAnswer says that an answer is not what was sent, or that none came.
	ErrAnswer = errors.New("tcp: wrong answer")
)

// Pair is a client and a server. It belongs to one goroutine.
type Pair interface {
	// RoundTrips has n requests of size octets sent and answered, one after the other, and compares each answer.
	RoundTrips(n, size int) error
	// Stream has n octets sent, and returns when all have arrived.
	Stream(n int) error
	// Connections opens n connections, one after the other, and closes each: the client first.
	Connections(n int) error
	// Close ends both stacks.
	Close() error
}

// checkSize says what is wrong with a request's size.
func checkSize(size int) error {
	if size < 8 || size > maxSize {
		return fmt.Errorf("%w: %d octets; take 8 to %d", ErrSize, size, maxSize)
	}
	return nil
}

// mark numbers a request, so that no answer passes for another.
func mark(b []byte, seq uint64) { binary.LittleEndian.PutUint64(b, seq) }

// verify compares an answer with what mark made of a pattern that is zero otherwise.
func verify(b []byte, size int, seq uint64) error {
	if len(b) != size || binary.LittleEndian.Uint64(b) != seq {
		return fmt.Errorf("%w: %d octets where %d of number %d were due", ErrAnswer, len(b), size, seq)
	}
	return nil
}
