package services

import (
	"errors"
	"fmt"
	"io"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/httpd"
)

// service is a well-known port and how to start it.
type service struct {
	port   uint16
	folder bool // takes one, and needs it
	start  func(h *xdpstack.Host, s Spec) (io.Closer, error)
}

// The ports that IANA gave them.
const (
	echoPort    = 7
	discardPort = 9
	chargenPort = 19
	httpPort    = 80
	goHTTPPort  = 8080
)

var table = map[string]service{
	"echo":    {echoPort, false, both(echo, echoStream)},
	"discard": {discardPort, false, both(discard, discardStream)},
	"chargen": {chargenPort, false, both(chargen, chargenStream)},
	"http":    {httpPort, true, startHTTP},
	"go-http": {goHTTPPort, true, startGoHTTP},
}

// Start starts a service on h, for both families unless its address says otherwise. Closing what it returns ends it.
func Start(h *xdpstack.Host, s Spec) (io.Closer, error) {
	c, err := table[s.Name].start(h, s)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Name, err)
	}
	return c, nil
}

// both starts a service over UDP and over TCP.
func both(datagrams func() xdpstack.DatagramHandler, streams func(c *xdpstack.Stream) xdpstack.StreamHandler) func(*xdpstack.Host, Spec) (io.Closer, error) {
	return func(h *xdpstack.Host, s Spec) (io.Closer, error) {
		u, err := h.HandleDatagram("udp", s.Address, datagrams())
		if err != nil {
			return nil, err
		}
		t, err := h.HandleStream("tcp", s.Address, streams)
		if err != nil {
			return nil, errors.Join(err, u.Close())
		}
		return closers{t, u}, nil
	}
}

func startHTTP(h *xdpstack.Host, s Spec) (io.Closer, error) {
	srv, err := httpd.Start(h, httpd.Config{Address: s.Address, Dir: s.Dir})
	if err != nil { // no *Server in the interface
		return nil, err
	}
	return srv, nil
}

// closers are closed as one.
type closers []io.Closer

// Close implements io.Closer.
func (c closers) Close() (err error) {
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}
