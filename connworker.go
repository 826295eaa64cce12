package xdpstack

import (
	"net/netip"
	"runtime"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// lingerFor is how long a closed connection waits for room to send what was written while the peer
// takes nothing, as long as the stack keeps one whose peer does not close.
const lingerFor = 60 * umem.Second

// connTurn bounds what one connection copies out of a lent slice in a turn.
const connTurn = 128 << 10

// connWorker is what the worker alone knows of a connection. All methods in this file run
// on the worker.
type connWorker struct {
	more      bool         // the stack's receive queue may not be empty
	eof       bool         // the peer's FIN is in it
	over      bool         // the connection has ended
	errno     socket.Errno // why
	blocked   bool         // until ReadyOut
	finSent   bool
	lingering bool // closed, and waiting for room
	room      int  // in the send queue, when it was last looked whether that grows
}

// yield lets the worker of a connection finish what it copies.
func yield() { runtime.Gosched() }

// wake wakes a goroutine when the batch is through, or now when the batch takes no more.
func (s *shard) wake(sig signal) {
	if !s.waker.add(sig) {
		sig.wake()
	}
}

// attachConn makes c the receiver of a connection that the stack has.
func (s *shard) attachConn(c *tcpConn, h socket.Handle) error {
	local, err := s.stack.LocalAddr(h)
	if err != nil {
		return err
	}
	peer, err := s.stack.Peer(h)
	if err != nil {
		return err
	}
	c.handle, c.local, c.peer = h, local.Netip(), peer.Netip()
	s.attachStream(h, c)
	return nil
}

// run implements posted: take what the goroutines put on the rings, and do as they ask.
func (c *tcpConn) run(s *shard) {
	c.dirty.Store(false)
	c.serve(s)
}

func (c *tcpConn) serve(s *shard) {
	if s.streamReceiver(c.handle) == nil {
		return // closed
	}
	asks := c.asks.Load()
	if asks&askOption != 0 {
		c.setOptions(s)
	}
	c.fill(s)
	c.drain(s)
	c.end(s, asks)
}

func (c *tcpConn) setOptions(s *shard) {
	c.asks.And(^askOption)
	_ = s.stack.SetOptions(c.handle, socket.Options{NoDelay: !c.did(connDelay)}) // the handle is live
}

// ready implements streamReceiver.
func (c *tcpConn) ready(s *shard, e *stack.Event) {
	if e.Ready&stack.ReadyConnected != 0 {
		c.opened.Store(true)
		s.wake(c.writable)
	}
	if e.Ready&(stack.ReadyIn|stack.ReadyEOF|stack.ReadyClosed) != 0 {
		c.far.more = true
		c.far.eof = c.far.eof || e.Ready&stack.ReadyEOF != 0
	}
	if e.Ready&stack.ReadyClosed != 0 {
		c.far.over, c.far.errno = true, e.Errno
		c.cut(s, e.Errno)
	}
	c.fill(s)
	if e.Ready&stack.ReadyOut != 0 {
		c.far.blocked = false
		c.drain(s)
	}
	asks := c.asks.Load()
	if c.far.lingering && c.hopeless(s, e.Ready) {
		asks |= askAbort
	}
	if asks != 0 {
		c.end(s, asks)
	}
}

// linger waits for room to send what was written.
func (c *tcpConn) linger(s *shard) {
	c.far.lingering, c.far.room = true, s.stack.SendRoom(c.handle)
	s.stack.SetTimer(c.handle, s.now+lingerFor)
}

// hopeless says whether to linger no longer: the peer sends what nobody will read, or took nothing for too long. One that
// is slow, and takes something, gets all.
func (c *tcpConn) hopeless(s *shard, r stack.Ready) bool {
	switch {
	case r&stack.ReadyIn != 0:
		return true
	case r&(stack.ReadyOut|stack.ReadyTimer) == 0:
		return false
	}
	before := c.far.room
	c.linger(s)
	return r&stack.ReadyOut == 0 && c.far.room <= before
}

// hostCloses is called when the host closes, for what is left then: connections whose Close the
// worker has not heard of yet, that linger, or that no goroutine has got.
func (c *tcpConn) hostCloses(s *shard) {
	c.state.Or(connClosed)
	c.serve(s) // not run: it may be in the worker's queue, and be posted again
	if s.streamReceiver(c.handle) != nil {
		c.finish(s, true)
	}
}

// fill takes back what the reader is through with, and lends it what the stack has.
func (c *tcpConn) fill(s *shard) {
	c.takeBackFrames(s)
	before := c.rx.pushed.Load()
	for c.far.more {
		room := c.rx.room()
		if len(room) == 0 {
			break
		}
		n, err := s.stack.Take(c.handle, room)
		c.rx.pushed.Store(c.rx.pushed.Load() + uint32(n))
		c.far.more = n == len(room) && err == nil
		if c.asks.Load()&askDeaf != 0 {
			c.takeBackFrames(s)
		}
	}
	if !c.far.more && c.readEnd.Load() == 0 {
		switch {
		case c.far.eof || c.far.over && c.far.errno == 0: // a RST after the FIN takes nothing away, as with Linux's SOCK_DONE
			c.readEnd.Store(endOfStream)
		case c.far.errno != 0:
			c.readEnd.Store(uint32(c.far.errno))
		}
	}
	if (c.rx.pushed.Load() != before || c.readEnd.Load() != 0) && c.readerWaits.Load() {
		s.wake(c.readable)
	}
}

// takeBackFrames releases the frames that were read, and opens the window for them.
func (c *tcpConn) takeBackFrames(s *shard) {
	done := c.rx.done.Load()
	if c.asks.Load()&askDeaf != 0 {
		done = c.rx.pushed.Load() // no reader looks any more
	}
	octets := 0
	for f := c.rx.pop(done); f != nil; f = c.rx.pop(done) {
		octets += f.Len()
		s.stack.Release(f)
	}
	if octets > 0 {
		s.stack.Consume(c.handle, octets)
	}
}

// drain gives the stack what was written: the ring first, then what is lent.
func (c *tcpConn) drain(s *shard) {
	if c.far.blocked || c.far.over {
		return
	}
	// Taken before the ring is looked at: what the writer put there came before.
	lent := c.lend.CompareAndSwap(lendOffered, lendBusy)
	for b, more := c.tx.next(); len(b) > 0 && !c.far.blocked; b, more = c.tx.next() {
		c.tx.take(c.send(s, b, more || lent))
	}
	if !lent {
		return
	}
	if b := c.lent[c.lentSent:]; !c.far.blocked {
		turn := b[:min(len(b), connTurn)]
		c.lentSent += c.send(s, turn, len(turn) < len(b))
	}
	if c.lentSent < len(c.lent) && c.writeEnd.Load() == 0 {
		c.lend.Store(lendOffered)
		if !c.far.blocked {
			c.touch() // the turn's share is used up
		}
		return
	}
	c.lend.Store(lendNone)
	s.wake(c.writable)
}

// send gives the stack octets, and returns how many it took. When that is not all the
// connection is blocked, or cut.
func (c *tcpConn) send(s *shard, b []byte, more bool) int {
	n, err := s.stack.Send(c.handle, b, more)
	if n == len(b) {
		return n
	}
	c.far.blocked = true
	if e, ok := err.(socket.Errno); ok && e != socket.EAGAIN {
		c.writeEnd.CompareAndSwap(0, uint32(e))
		c.tx.drop()
		return 0
	}
	return n
}

// cut ends sending, and a dial that is under way.
func (c *tcpConn) cut(s *shard, errno socket.Errno) {
	if errno == 0 {
		errno = socket.EPIPE
	}
	c.writeEnd.CompareAndSwap(0, uint32(errno))
	c.tx.drop()
	c.lend.CompareAndSwap(lendOffered, lendNone)
	s.wake(c.writable)
}

// end does what Close and CloseWrite asked for, once what was written is with the stack.
func (c *tcpConn) end(s *shard, asks uint32) {
	b, _ := c.tx.next()
	switch {
	case asks&askClose != 0 && (asks&askAbort != 0 || c.unread()):
		c.finish(s, true)
	case asks&askClose != 0 && c.writeEnd.Load() != 0:
		c.finish(s, false)
	case len(b) > 0 && asks&askClose != 0:
		if !c.far.lingering {
			c.linger(s)
		}
	case len(b) > 0:
	case asks&askClose != 0:
		c.finish(s, false)
	case asks&askFin != 0 && !c.far.finSent && !c.far.over:
		c.far.finSent = true
		_ = s.stack.Shutdown(c.handle) // an error says that it has ended: ReadyClosed comes
	}
}

// unread says that something received was not read when the connection was closed.
func (c *tcpConn) unread() bool {
	return c.asks.Load()&askDeaf == 0 && c.rx.done.Load() != c.rx.pushed.Load()
}

// finish gives back all that the connection has of the worker.
func (c *tcpConn) finish(s *shard, abort bool) {
	c.asks.Or(askDeaf)
	pushed := c.rx.pushed.Load()
	for f := c.rx.pop(pushed); f != nil; f = c.rx.pop(pushed) {
		s.stack.Release(f)
	}
	if abort {
		_ = s.abortStream(c.handle) // an error says that it is gone already
		return
	}
	_ = s.detachStream(c.handle) // likewise
}

// dial opens the connection from this worker.
func (c *tcpConn) dial(s *shard, peer netip.AddrPort) error {
	h, err := s.stack.Open(socket.Stream, 0, s.host.owner)
	if err != nil {
		return err
	}
	err = s.stack.SetOptions(h, socket.Options{NoDelay: true})
	if err == nil {
		err = s.stack.Connect(h, peer)
	}
	if err == nil || err == socket.EINPROGRESS.Err() {
		err = s.attachConn(c, h)
	}
	if err != nil {
		_ = s.stack.Close(h) // err says what is wrong
	}
	return err
}
