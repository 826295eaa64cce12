package services

import (
	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/umem"
)

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

// chargen is RFC 864. The length of an answer is to be random; it walks through
// all lengths instead, so that a run can be repeated.
func chargen() xdpstack.DatagramHandler {
	// One count a worker, a cache line each.
	var answers [umem.MaxWorkers]struct {
		n uint64
		_ [56]byte
	}
	return func(d *xdpstack.Datagram) {
		if !loops(d) {
			count := &answers[d.Worker()]
			count.n++
			_ = d.Answer(lines[:count.n*131%(maxAnswer+1)])
		}
	}
}

// Shape of chargen's characters: lines of 72 of the 95 printable ones, each
// line beginning one further on (RFC 864).
const (
	firstChar, chars = ' ', 95
	lineLength       = 72
	maxAnswer        = 512 // of a datagram
	period           = chars * (lineLength + len("\r\n"))
)

// lines are some periods of characters: repeating them goes on where they end.
var lines = func() []byte {
	page := make([]byte, 0, 8*period)
	for line := range 8 * chars {
		for i := range lineLength {
			page = append(page, byte(firstChar+(line+i)%chars))
		}
		page = append(page, "\r\n"...)
	}
	return page
}()
