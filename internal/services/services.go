package services

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sort"
	"strconv"
	"strings"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/umem"
)

// ErrUnknown means that no service has that name.
var ErrUnknown = errors.New("unknown service")

// service is a handler and its well-known port.
type service struct {
	port    uint16
	handler func() xdpstack.DatagramHandler
}

// The ports that IANA gave them.
const (
	echoPort    = 7
	discardPort = 9
	chargenPort = 19
)

var table = map[string]service{
	"echo":    {echoPort, echo},
	"discard": {discardPort, discard},
	"chargen": {chargenPort, chargen},
}

// Names are the services, sorted.
func Names() (names []string) {
	for n := range table {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Check fails with ErrUnknown, and what there is, when no service has the name.
func Check(name string) error {
	if _, ok := table[name]; !ok {
		return fmt.Errorf("%w %q; there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	return nil
}

// Start starts the named service on every address of h, both families. Closing
// what it returns ends it.
func Start(h *xdpstack.Host, name string) (io.Closer, error) {
	if err := Check(name); err != nil {
		return nil, err
	}
	s := table[name]
	return h.HandleDatagram("udp", net.JoinHostPort("", strconv.Itoa(int(s.port))), s.handler())
}

// loops reports whether an answer to d would go to a service.
func loops(d *xdpstack.Datagram) bool {
	switch d.From().Port() {
	case echoPort, discardPort, chargenPort:
		return true
	}
	return false
}

// echo is RFC 862.
func echo() xdpstack.DatagramHandler {
	return func(d *xdpstack.Datagram) {
		if !loops(d) {
			_ = d.Reply() // what the stack cannot send it counts
		}
	}
}

// discard is RFC 863.
func discard() xdpstack.DatagramHandler { return func(*xdpstack.Datagram) {} }

// Shape of chargen's answers: lines of 72 of the 95 printable characters, each
// line beginning one further on (RFC 864).
const (
	firstChar, chars = ' ', 95
	lineLength       = 72
	maxAnswer        = 512
)

// chargen is RFC 864. The length of an answer is to be random; it walks through
// all lengths instead, so that a run can be repeated.
func chargen() xdpstack.DatagramHandler {
	// One count a worker, a cache line each.
	var answers [umem.MaxWorkers]struct {
		n uint64
		_ [56]byte
	}
	page := generate()
	return func(d *xdpstack.Datagram) {
		if !loops(d) {
			count := &answers[d.Worker()]
			count.n++
			_ = d.Answer(page[:count.n*131%(maxAnswer+1)])
		}
	}
}

func generate() []byte {
	var page []byte
	for line := 0; len(page) < maxAnswer; line++ {
		for i := range lineLength {
			page = append(page, byte(firstChar+(line+i)%chars))
		}
		page = append(page, '\r', '\n')
	}
	return page[:maxAnswer]
}
