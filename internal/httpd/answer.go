package httpd

import (
	"encoding/hex"
	"net/http"
	"strconv"
)

// uploadPath is where a body may be sent to.
const uploadPath = "/upload"

// answer answers a request, or a head that is none.
func (c *conn) answer(head []byte, verdict int) {
	c.w.left -= requestCost
	if verdict != complete {
		c.refuse(verdict)
		return
	}
	r := &c.parser.req
	c.closing = !r.keepAlive()
	switch r.method {
	case methodGet, methodHead:
		// What a body would mean here is not defined (RFC 9110 section 9.3.1), and whoever
		// overlooks it takes it for a request.
		if r.length > 0 || r.is(flagChunked) {
			c.refuse(400)
			return
		}
		c.get(head)
	case methodPut:
		c.put(head)
	default:
		c.notAllowed("GET, HEAD")
	}
}

// get answers from the cache, or has the disk open the file.
func (c *conn) get(head []byte) {
	path := c.parser.req.path.of(head)
	f := c.w.cache.find(path)
	if f == nil || c.w.now-f.checked >= recheck {
		c.lookUp(path, f, head)
		return
	}
	if !c.parser.req.plain() {
		c.serve(f, head)
		return
	}
	response := f.dated(c.w.today())
	rest := c.write(response)
	switch sent := len(response) - len(rest); {
	case len(rest) == 0:
		c.sent()
	case sent < f.head: // the head's date is renewed where it lies: what is left of it is kept apart
		c.unsent, c.content = append([]byte(nil), response[sent:f.head]...), f.data
		c.enter(sending)
	default:
		c.content = rest
		c.enter(sending)
	}
}

// lookUp has the disk open what a path stands for; known is what it stood for a
// while ago. Others are answered with that meanwhile.
func (c *conn) lookUp(path []byte, known *file, head []byte) {
	name, verdict := resolve(path)
	if verdict != complete {
		c.fail(verdict)
		return
	}
	if known != nil {
		known.checked = c.w.now
	}
	c.keep(head)
	c.phase, c.since = opening, c.w.now
	j := c.nextJob()
	j.name, j.known = name, known
	c.submit()
}

// nextJob is the connection's job, empty.
func (c *conn) nextJob() *job {
	if c.job == nil {
		c.job = new(job)
	}
	*c.job = job{back: c.back}
	return c.job
}

// submit gives the job to the disk. It comes back to finished.
func (c *conn) submit() {
	if c.waiting = c.w.disk.submit(c.job); !c.waiting {
		c.closing = true
		c.unavailable()
	}
}

// unavailable: there is too much to do, or too much open.
func (c *conn) unavailable() {
	if c.phase == sending { // the head promised more
		c.finish(c.stream.Abort)
		return
	}
	c.failWith(503, "Retry-After: 1\r\n")
}

// finished takes the job back from the disk.
func (c *conn) finished() {
	c.waiting = false
	j := *c.job // a copy: the next job may be on its way before this one is through
	c.job.file, c.job.known = nil, nil
	switch c.phase {
	case opening:
		c.opened(&j)
	case sending:
		c.readPiece(&j)
	default:
		c.closeFile() // the connection is gone
		if j.name != "" && j.file != nil && j.file.handle != nil {
			go j.file.handle.Close()
		}
	}
	c.w.disk.release(&j)
}

// opened answers from what the disk found.
func (c *conn) opened(j *job) {
	path := c.parser.req.path.of(c.head)
	if j.err != nil {
		c.w.cache.drop(string(path))
		c.missing(path, j.err)
		return
	}
	if j.file.handle == nil {
		j.file.checked = c.w.now
		c.w.cache.put(string(path), j.file)
	}
	c.serve(j.file, c.head)
}

// serve answers with a file, whole or in part, or with the news that it has not changed.
func (c *conn) serve(f *file, head []byte) {
	r := &c.parser.req
	w, status := rangeOf(r, head, f)
	if notModified(r, head, f) {
		status = 304
	}
	if f.handle != nil {
		c.file, c.offset, c.end = f, w.from, w.to
	}
	if status == 416 {
		c.closeFile()
		c.unsatisfiable(f)
		return
	}
	var content []byte
	if bare := status == 304 || r.method == methodHead; bare {
		c.closeFile()
	} else if f.data != nil {
		content = f.data[w.from:w.to]
	}
	b, _ := f.appendHead(c.w.scratch[:0], status, w, c.w.today().text[:], c.connection())
	c.emit(b, content)
}

// connection is the field that says whether it lives on, where that must be said.
func (c *conn) connection() string {
	switch {
	case c.closing:
		return "Connection: close\r\n"
	case c.parser.req.minor == 0:
		return "Connection: keep-alive\r\n"
	}
	return ""
}

// readOn has the disk read the next piece: as much as there is room to send.
func (c *conn) readOn() {
	j := c.nextJob()
	j.file, j.offset = c.file, c.offset
	j.length = int(min(int64(max(c.stream.SendRoom(), pieceMin)), c.end-c.offset))
	c.submit()
}

// readPiece sends a piece. What the send queue does not take is read again: Writable
// goes on.
func (c *conn) readPiece(j *job) {
	if len(j.buf) == 0 { // an error, or the file has become shorter than the head said
		c.finish(c.stream.Abort)
		return
	}
	rest := c.write(j.buf)
	c.offset += int64(len(j.buf) - len(rest))
	if len(rest) == 0 {
		c.pump()
	}
}

// put takes a body and answers with its SHA-256.
func (c *conn) put(head []byte) {
	r := &c.parser.req
	if string(r.path.of(head)) != uploadPath {
		c.notAllowed("GET, HEAD")
		return
	}
	if c.body.begin(r, c.w.cfg.MaxBody) {
		c.refuse(413)
		return
	}
	c.hash = c.w.hash()
	switch {
	case c.body.part == partDone:
		c.hashed()
	case r.is(flagContinue):
		c.interim = true
		c.emit(continueLine, nil)
	default:
		c.enter(receiving)
	}
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// readBody hashes what it can of b, where it lies.
func (c *conn) readBody(b []byte) int {
	content, n, verdict := c.body.next(b[:min(len(b), max(1, c.w.left/hashCost))])
	c.hash.Write(content)
	c.w.left -= n * hashCost
	c.moved += int64(n)
	switch verdict {
	case needMore:
	case complete:
		c.hashed()
	default:
		c.refuse(verdict)
	}
	return n
}

// hashed answers an upload.
func (c *conn) hashed() {
	c.hash.Sum(c.w.sum[:0])
	c.freeHash()
	b, _ := appendStatus(c.w.scratch[:0], 200, c.w.today().text[:], c.connection())
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 65\r\n\r\n"...)
	c.emit(append(hex.AppendEncode(b, c.w.sum[:]), '\n'), nil)
}

// notAllowed answers a method that the target does not have. A body would have to be
// taken for nothing: the connection ends instead.
func (c *conn) notAllowed(allow string) {
	r := &c.parser.req
	if r.length > 0 || r.is(flagChunked) {
		c.closing = true
	}
	c.failWith(405, "Allow: "+allow+"\r\n")
}

func (c *conn) unsatisfiable(f *file) {
	c.failWith(416, "Content-Range: bytes */"+strconv.FormatInt(f.size, 10)+"\r\n")
}

// refuse answers a request that cannot be answered, and ends the connection: where the
// next request begins is not known.
func (c *conn) refuse(status int) {
	c.closing = true
	c.freeHash()
	c.fail(status)
}

// fail answers with an error.
func (c *conn) fail(status int) { c.failWith(status, "") }

// failWith has more fields.
func (c *conn) failWith(status int, fields string) {
	text := http.StatusText(status)
	b, _ := appendStatus(c.w.scratch[:0], status, c.w.today().text[:], c.connection())
	b = append(append(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: "...), strconv.Itoa(len(text)+1)...)
	b = append(append(append(b, "\r\n"...), fields...), "\r\n"...)
	if c.parser.req.method != methodHead {
		b = append(append(b, text...), '\n')
	}
	c.emit(b, nil)
}
