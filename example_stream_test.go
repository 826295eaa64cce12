package xdpstack_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack"
)

// echoer sends back what comes, in the frames that it came in. While the peer does not read, its own
// data waits, and so the window closes.
type echoer struct {
	xdpstack.StreamEvents
	waiting []xdpstack.Segment
	ended   bool // the peer sends no more
}

func (e *echoer) Data(c *xdpstack.Stream, segs []xdpstack.Segment) {
	for _, g := range segs {
		c.Retain(g)
		e.waiting = append(e.waiting, g)
	}
	e.Writable(c)
}

func (e *echoer) Writable(c *xdpstack.Stream) {
	for len(e.waiting) > 0 && c.Forward(c, e.waiting[0]) == nil {
		e.waiting = e.waiting[1:]
	}
	if e.ended && len(e.waiting) == 0 {
		_ = c.CloseWrite()
	}
}

func (e *echoer) EOF(c *xdpstack.Stream) {
	e.ended = true
	e.Writable(c)
}

func (e *echoer) Closed(c *xdpstack.Stream, _ error) {
	for _, g := range e.waiting {
		c.Release(g)
	}
}

// An echo server on the event API: no copy, no goroutine.
func ExampleHost_HandleStream() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	srv, err := h.HandleStream("tcp", ":7", func(*xdpstack.Stream) xdpstack.StreamHandler { return &echoer{} })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("echo on", srv.Addr())
	_ = h.Wait(context.Background())
}

// asker sends one line and waits a second for the answer.
type asker struct {
	xdpstack.StreamEvents
	answer chan string
}

func (a *asker) Opened(c *xdpstack.Stream) {
	c.SetTimeout(time.Second)
	_, _ = c.Send([]byte("anybody there?\n"))
}

func (a *asker) Data(c *xdpstack.Stream, segs []xdpstack.Segment) {
	a.answer <- string(segs[0].Bytes())
	_ = c.Close()
}

func (a *asker) Timeout(c *xdpstack.Stream) { _ = c.Abort() }

func (a *asker) Closed(_ *xdpstack.Stream, err error) { close(a.answer) }

// A client on the event API. The goroutine only waits: the handler runs on a worker.
func ExampleHost_DialStream() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	a := &asker{answer: make(chan string, 1)}
	if err := h.DialStream(netip.MustParseAddrPort("198.18.0.1:7"), a); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", <-a.answer)
}
