package bench

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/xdpstack/xdpstack"
)

// hostConn drives a connection of a Host from its worker: its handler. Of TCPCRR it is one after the other.
type hostConn struct {
	run    *tcpRun
	lane   *tcpLane
	worker *xdpstack.Worker
	stream *xdpstack.Stream
	buf    []byte // a request, or what is sent

	opened chan<- error // until the first connection is
	began  time.Time    // the transaction, or the connection
	due    int          // of an answer
	unsent []byte
	moved  bool // since the last timeout
}

// startHost opens the connections, spread over the workers, and waits until the first of each is open.
func (r *tcpRun) startHost() (stop func() error, err error) {
	h := r.cfg.Host
	lanes := make([]*tcpLane, min(h.Workers(), r.cfg.Connections))
	for i := range lanes {
		lanes[i] = r.newLane()
		if r.cfg.Shared {
			lanes[i].missing = "a shared worker has no thread of its own"
		}
	}
	opened := make(chan error, r.cfg.Connections)
	conns := make([]*hostConn, r.cfg.Connections)
	for i := range conns {
		w := i % len(lanes)
		c := &hostConn{run: r, lane: lanes[w], worker: h.Worker(w), buf: characters(r.cfg.Size), opened: opened}
		conns[i] = c
		r.running.Add(1)
		if !c.worker.Post(c.dial) {
			c.end(xdpstack.ErrClosed)
		}
	}
	stop = func() error { return r.stopHost(conns) }
	for range conns {
		err = errors.Join(err, <-opened)
	}
	if err != nil {
		r.stopping.Store(true)
		err = errors.Join(err, stop())
		r.running.Wait()
		return nil, err
	}
	return stop, nil
}

// stopHost resets all connections.
func (r *tcpRun) stopHost(conns []*hostConn) error {
	for _, c := range conns {
		c.worker.Post(func() { // a closed host has ended them
			if c.stream != nil {
				_ = c.stream.Abort() // one that has ended fails
			}
		})
	}
	return nil
}

// retransmitted is how many segments the whole Host sent again. Its workers are asked, so no lane may be locked.
func (r *tcpRun) retransmitted() uint64 {
	st, err := r.cfg.Host.Stats()
	if err != nil {
		return 0 // it is closed, and measuring over
	}
	return st.TCP.RetransSegs
}

// dial opens a connection, on the worker.
func (c *hostConn) dial() {
	if c.opened != nil && c.lane.missing != "" && !c.run.cfg.Shared {
		c.lane.count()
	}
	c.began = time.Now()
	s, err := c.worker.Dial(c.run.cfg.To, c)
	if err != nil {
		c.end(err)
		return
	}
	c.stream = s
	s.SetTimeout(c.run.cfg.Timeout)
}

// end is the end of the last connection. err is nil if it was to end.
func (c *hostConn) end(err error) {
	c.stream = nil
	if c.run.stopping.Load() {
		err = nil
	} else if err == nil {
		err = errEnded
	}
	err = c.run.explain(err)
	if c.opened != nil {
		c.opened <- err
		c.opened = nil
	} else {
		c.run.fail(err)
	}
	c.run.running.Done()
}

// Opened implements xdpstack.StreamHandler.
func (c *hostConn) Opened(*xdpstack.Stream) {
	c.moved = true
	if c.opened != nil {
		c.opened <- nil
		c.opened = nil
	}
	switch t := &c.run.test; {
	case t.name == "tcp-stream" && c.run.cfg.Receive:
	case t.name == "tcp-stream":
		c.Writable(c.stream)
	case len(c.buf) == 0:
		c.hangUp()
	default:
		c.ask()
	}
}

// ask sends a request.
func (c *hostConn) ask() {
	if c.run.test.name == "tcp-rr" {
		c.began = time.Now()
	}
	c.due, c.unsent = len(c.buf), c.buf
	c.push()
}

// push sends what is not sent yet.
func (c *hostConn) push() {
	n, err := c.stream.Send(c.unsent)
	if err != nil && !errors.Is(err, syscall.EAGAIN) {
		return // Closed comes, with the reason
	}
	c.unsent = c.unsent[n:]
}

// Writable implements xdpstack.StreamHandler.
func (c *hostConn) Writable(s *xdpstack.Stream) {
	if c.run.test.name != "tcp-stream" {
		c.push()
		return
	}
	for {
		n, err := s.Send(c.buf)
		c.lane.passed(n)
		c.moved = c.moved || n > 0
		if n < len(c.buf) || err != nil {
			return // Writable comes again, or Closed with the reason
		}
	}
}

// Data implements xdpstack.StreamHandler.
func (c *hostConn) Data(_ *xdpstack.Stream, segs []xdpstack.Segment) {
	n := 0
	for _, g := range segs {
		n += g.Len()
	}
	c.moved = true
	if c.run.test.name == "tcp-stream" {
		c.lane.passed(n)
		return
	}
	if c.due -= n; c.due > 0 {
		return
	}
	if c.run.test.name == "tcp-crr" {
		c.hangUp()
		return
	}
	c.lane.note(time.Since(c.began), 2*len(c.buf))
	c.ask()
}

// hangUp ends a connection of TCPCRR.
func (c *hostConn) hangUp() {
	if c.run.cfg.Reset {
		_ = c.stream.Abort() // if it has ended, Closed comes all the same
		return
	}
	_ = c.stream.CloseWrite() // as above
}

// EOF implements xdpstack.StreamHandler.
func (c *hostConn) EOF(s *xdpstack.Stream) { _ = s.Close() } // as above

// Timeout implements xdpstack.StreamHandler.
func (c *hostConn) Timeout(s *xdpstack.Stream) {
	if !c.moved {
		c.run.fail(c.run.explain(errNothing))
		_ = s.Abort() // as above
		return
	}
	c.moved = false
	s.SetTimeout(c.run.cfg.Timeout)
}

// Closed implements xdpstack.StreamHandler.
func (c *hostConn) Closed(_ *xdpstack.Stream, err error) {
	if c.run.test.name != "tcp-crr" || err != nil || c.run.stopping.Load() || c.opened != nil {
		c.end(err)
		return
	}
	if c.due > 0 {
		c.end(fmt.Errorf("before the answer: %w", errEnded))
		return
	}
	c.lane.note(time.Since(c.began), 2*len(c.buf))
	c.dial()
}
