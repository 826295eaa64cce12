package httpd

import (
	"errors"
	"hash"
	"syscall"
	"time"

	"github.com/xdpstack/xdpstack/umem"
)

// stream is what a conn needs of a *xdpstack.Stream.
type stream interface {
	Send(data []byte) (int, error)
	SendRoom() int
	CloseWrite() error
	Close() error
	Abort() error
	SetTimeout(d time.Duration)
}

// phase is what a connection does.
type phase uint8

const (
	reading   phase = iota // a head, or waits for one
	receiving              // a body
	opening                // waits for the disk to open the file
	sending                // a response that the send queue did not take at once
	lingering              // FIN is sent; what arrives is thrown away, so that no RST overtakes the response (RFC 9112 section 9.6)
	over
)

// conn is a connection as HTTP sees it. Requests are answered one after the other: while
// one is, input takes nothing.
type conn struct {
	stream stream
	w      *worker

	phase    phase
	closing  bool // the response is the last
	interim  bool // what is sent is 100 Continue: the body comes next
	served   bool // a request was answered
	parser   parser
	head     []byte    // of the request, when its segment could not be waited for
	since    umem.Time // when the phase began, or the last look at what moved
	deadline umem.Time // for the head, once it began
	moved    int64     // octets received, or given to the send queue, since then
	room     int       // of the send queue, then

	body body
	hash hash.Hash

	unsent  []byte // of the response's head
	content []byte // of its content, from a cached file
	file    *file  // of its content, from an open one
	offset  int64
	end     int64

	job     *job // once it was needed
	back    returner
	waiting bool // for job
}

// open starts the connection.
func (c *conn) open() {
	c.since = c.w.now
	c.stream.SetTimeout(c.w.cfg.HeadTimeout)
}

// input takes octets of the request, or several, and returns how many: not all when a
// response must be sent first, or when the event's work is done.
func (c *conn) input(b []byte) (n int) {
	for n < len(b) && c.takes() {
		switch c.phase {
		case reading:
			n += c.readHead(b[n:])
		case receiving:
			n += c.readBody(b[n:])
		default:
			n = len(b)
		}
	}
	return n
}

// takes: input would take something.
func (c *conn) takes() bool {
	switch c.phase {
	case reading, receiving:
		return c.w.left > 0
	case lingering, over:
		return true
	}
	return false
}

// readHead takes octets of a head, and answers it when it is whole. A head in one
// segment stays there.
func (c *conn) readHead(b []byte) int {
	old := len(c.head)
	if old == 0 {
		verdict := c.parser.parse(b)
		if verdict == needMore {
			c.begun(b)
			return len(b)
		}
		at := c.parser.at
		c.answer(b[:at], verdict)
		return at
	}
	b = b[:min(len(b), maxHead-old)]
	c.head = append(c.head, b...)
	verdict := c.parser.parse(c.head)
	if verdict == needMore {
		return len(b)
	}
	at := c.parser.at
	c.head = c.head[:at]
	c.answer(c.head, verdict)
	return max(0, at-old) // 0: too long, and the line that is began earlier
}

// begun keeps the beginning of a head. It must be whole in a while, however
// much of it comes in time.
func (c *conn) begun(b []byte) {
	c.head = append(c.w.head(), b...)
	c.deadline = c.w.now + umem.Time(c.w.cfg.HeadTimeout)
	c.stream.SetTimeout(c.w.cfg.HeadTimeout)
}

// keep moves the head out of its segment.
func (c *conn) keep(head []byte) {
	if len(c.head) == 0 {
		c.head = append(c.w.head(), head...)
	}
}

// write sends b and returns what the send queue did not take.
func (c *conn) write(b []byte) []byte {
	n, err := c.stream.Send(b)
	if err != nil && !errors.Is(err, syscall.EAGAIN) {
		c.abandon() // Closed says why
		return nil
	}
	c.w.left -= n
	c.moved += int64(n)
	return b[n:]
}

// emit sends a response, or as much as goes; head must not be kept, content may.
func (c *conn) emit(head, content []byte) {
	if rest := c.write(head); len(rest) > 0 {
		c.unsent = append([]byte(nil), rest...)
	} else if len(content) > 0 {
		content = c.write(content)
	}
	c.content = content
	if len(c.unsent) == 0 && len(c.content) == 0 && c.file == nil {
		c.sent()
		return
	}
	c.enter(sending)
	if len(c.unsent) == 0 && len(c.content) == 0 {
		c.pump()
	}
}

// enter begins a phase that must show progress.
func (c *conn) enter(p phase) {
	if c.phase == over {
		return
	}
	c.phase = p
	c.watch()
}

// watch begins a look at how much moves.
func (c *conn) watch() {
	c.since, c.moved, c.room = c.w.now, 0, c.stream.SendRoom()
	c.stream.SetTimeout(c.w.cfg.StallTimeout)
}

// stalled: next to nothing has moved since watch. Of a response that counts which the peer has
// acknowledged: what was put in the send queue, and the room that came about there.
func (c *conn) stalled() bool {
	moved := c.moved
	if c.phase == sending {
		moved += int64(c.stream.SendRoom() - c.room)
	}
	return moved < c.w.cfg.StallOctets && !c.waiting
}

// pump goes on sending.
func (c *conn) pump() {
	if c.phase != sending {
		return
	}
	if len(c.unsent) > 0 {
		if c.unsent = c.write(c.unsent); len(c.unsent) > 0 {
			return
		}
	}
	if len(c.content) > 0 {
		if c.content = c.write(c.content); len(c.content) > 0 {
			return
		}
	}
	switch {
	case c.phase != sending || c.waiting:
	case c.file != nil && c.offset < c.end:
		c.readOn()
	default:
		c.sent()
	}
}

// sent: the response is in the send queue.
func (c *conn) sent() {
	c.closeFile()
	switch {
	case c.phase == over:
	case c.interim:
		c.interim = false
		c.enter(receiving)
	case c.closing:
		c.linger()
	default:
		c.next()
	}
}

// next waits for the next request. The timer is left as it is: timeout looks
// whether it means anything.
func (c *conn) next() {
	c.phase, c.served, c.since = reading, true, c.w.now
	c.parser = parser{}
	c.freeHead()
}

func (c *conn) linger() {
	c.freeHead()
	c.phase = lingering
	_ = c.stream.CloseWrite()
	c.stream.SetTimeout(c.w.cfg.LingerTimeout)
}

// inputEnded: the peer sends no more, and all it sent has been taken.
func (c *conn) inputEnded() {
	switch c.phase {
	case reading, receiving, lingering:
		c.finish(c.stream.Close)
	}
}

// timeout is for a timer that may mean an earlier phase.
func (c *conn) timeout() {
	cfg, w := c.w.cfg, c.w
	switch c.phase {
	case reading:
		c.timeoutReading()
	case receiving, opening, sending:
		due := c.since + umem.Time(cfg.StallTimeout)
		switch {
		case w.now < due:
			c.again(due)
		case !c.stalled():
			c.watch()
		case c.phase == receiving:
			c.refuse(408)
		default:
			c.finish(c.stream.Abort)
		}
	case lingering:
		c.finish(c.stream.Close)
	}
}

// timeoutReading: a head that began must be whole by its deadline; before it begins a
// connection may idle, a new one less long.
func (c *conn) timeoutReading() {
	if len(c.head) > 0 {
		if c.w.now < c.deadline {
			c.again(c.deadline)
			return
		}
		c.refuse(408)
		return
	}
	due := c.since + umem.Time(c.w.cfg.HeadTimeout)
	if c.served {
		due = c.since + umem.Time(c.w.cfg.IdleTimeout)
	}
	if c.w.now < due {
		c.again(due)
		return
	}
	c.finish(c.stream.Close)
}

func (c *conn) again(at umem.Time) { c.stream.SetTimeout(time.Duration(at - c.w.now)) }

// finish ends the connection by Close or Abort.
func (c *conn) finish(how func() error) {
	_ = how()
	c.abandon()
}

// abandon frees what the connection holds. A job that is under way comes back to done.
func (c *conn) abandon() {
	c.phase = over
	c.unsent, c.content = nil, nil
	c.freeHead()
	c.freeHash()
	if !c.waiting {
		c.closeFile()
	}
}

func (c *conn) freeHead() {
	if c.head != nil {
		c.w.freeHead(c.head)
		c.head = nil
	}
}

func (c *conn) freeHash() {
	if c.hash != nil {
		c.w.freeHash(c.hash)
		c.hash = nil
	}
}

// closeFile is not done here: closing may block.
func (c *conn) closeFile() {
	if c.file != nil {
		go c.file.handle.Close()
		c.file = nil
	}
}
