package httpd

import "bytes"

// Limits of a request's head.
const (
	maxHead   = 8 << 10 // octets, the empty line included
	maxFields = 100
)

// method is what the server knows of methods.
type method uint8

const (
	methodUnknown method = iota // 501
	methodOther                 // of RFC 9110 or RFC 5789, not allowed here: 405
	methodGet
	methodHead
	methodPut
)

// flags of a request.
type flags uint8

const (
	flagClose      flags = 1 << iota // Connection: close
	flagKeepAlive                    // Connection: keep-alive, which HTTP/1.0 needs
	flagChunked                      // Transfer-Encoding: chunked
	flagLength                       // Content-Length
	flagContinue                     // Expect: 100-continue
	flagHost                         // Host, once
	flagExpectMore                   // Expect: of something else
)

// span is a run of octets of the head.
type span struct{ from, to uint16 }

func (s span) of(head []byte) []byte { return head[s.from:s.to] }

// empty: the field was not there, or had no value.
func (s span) empty() bool { return s.from == s.to }

// request is a head that was parsed. It refers to the head's octets by offset, so
// that they may be moved.
type request struct {
	method method
	minor  uint8 // of HTTP/1
	flags  flags

	path      span // of the target, as it came; empty means "/" (RFC 9112 section 3.2.2)
	noneMatch span // If-None-Match
	modified  span // If-Modified-Since
	ranges    span // Range
	ifRange   span // If-Range
	length    int64
}

func (r *request) is(f flags) bool { return r.flags&f != 0 }

// keepAlive: the connection outlives the response (RFC 9112 section 9.3).
func (r *request) keepAlive() bool {
	if r.is(flagClose) {
		return false
	}
	return r.minor > 0 || r.is(flagKeepAlive)
}

// plain: nothing in the request asks for more than a file.
func (r *request) plain() bool {
	return r.method == methodGet && r.minor > 0 && r.flags == flagHost &&
		r.noneMatch.empty() && r.modified.empty() && r.ranges.empty()
}

// Verdicts of the parser beside the status codes of what is wrong.
const (
	needMore = 0
	complete = 200
)

// parser reads the head of a request as it arrives. Its verdict depends on the octets
// alone, not on how they were cut, since a line is looked at when it is whole.
type parser struct {
	at      int // where the line begins that is not whole yet
	scanned int // how far its end was looked for
	fields  int
	started bool // the request line is through
	req     request
}

// parse goes on with head, which begins where the request does and has what came
// since the last call behind what it had then. It returns needMore, complete (at is the
// head's length then) or the status code of an error.
func (p *parser) parse(head []byte) int {
	for {
		i := bytes.IndexByte(head[p.scanned:], '\n')
		if i < 0 {
			i = len(head) - p.scanned
			if p.scanned += i; p.scanned >= maxHead {
				return p.tooLong()
			}
			return needMore
		}
		end := p.scanned + i
		if end >= maxHead {
			return p.tooLong()
		}
		from, line := p.at, head[p.at:end]
		p.at, p.scanned = end+1, end+1
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if verdict := p.line(from, line); verdict != needMore {
			return verdict
		}
	}
}

func (p *parser) tooLong() int {
	if !p.started {
		return 414
	}
	return 431
}

// line takes a whole line, without its end.
func (p *parser) line(from int, line []byte) int {
	switch {
	case len(line) > 0 && !p.started:
		p.started = true
		return p.requestLine(from, line)
	case len(line) > 0:
		if p.fields++; p.fields > maxFields {
			return 431
		}
		return p.field(from, line)
	case p.started:
		return p.end()
	}
	return needMore // an empty line before the request line (RFC 9112 section 2.2)
}

// requestLine is method SP request-target SP HTTP-version (RFC 9112 section 3).
func (p *parser) requestLine(from int, line []byte) int {
	first := bytes.IndexByte(line, ' ')
	if first <= 0 || !all(line[:first], isToken) {
		return 400
	}
	second := bytes.IndexByte(line[first+1:], ' ')
	if second <= 0 {
		return 400
	}
	second += first + 1
	if verdict := p.version(line[second+1:]); verdict != needMore {
		return verdict
	}
	p.req.method = methodOf(line[:first])
	if p.req.method == methodUnknown {
		return 501
	}
	return p.target(from+first+1, line[first+1:second])
}

// version takes HTTP/1.x; a higher x means what 1 does (RFC 9112 section 2.3).
func (p *parser) version(b []byte) int {
	if len(b) != len("HTTP/1.1") || string(b[:5]) != "HTTP/" || !isDigit(b[5]) || b[6] != '.' || !isDigit(b[7]) {
		return 400
	}
	if b[5] != '1' {
		return 505
	}
	p.req.minor = b[7] - '0'
	return needMore
}

func methodOf(b []byte) method {
	switch string(b) {
	case "GET":
		return methodGet
	case "HEAD":
		return methodHead
	case "PUT":
		return methodPut
	case "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH":
		return methodOther
	}
	return methodUnknown
}

// target finds the path in an origin-form or an absolute-form (RFC 9112 section 3.2).
// Other forms belong to methods that are not allowed here.
func (p *parser) target(from int, b []byte) int {
	if !all(b, isTarget) {
		return 400
	}
	path := 0
	switch {
	case b[0] == '/':
	case p.req.method == methodOther:
		return needMore
	case len(b) > len("http://") && equalFold(b[:len("http://")], "http://"):
		authority := b[len("http://"):]
		if i := bytes.IndexAny(authority, "/?"); i >= 0 {
			authority = authority[:i]
		}
		if len(authority) == 0 || !all(authority, isHost) {
			return 400
		}
		path = len("http://") + len(authority)
	default:
		return 400
	}
	to := len(b)
	if i := bytes.IndexByte(b[path:], '?'); i >= 0 {
		to = path + i
	}
	p.req.path = span{uint16(from + path), uint16(from + to)}
	return needMore
}

// end is the empty line: what the fields say together.
func (p *parser) end() int {
	r := &p.req
	switch {
	case r.minor > 0 && !r.is(flagHost): // RFC 9112 section 3.2
		return 400
	case r.is(flagChunked) && (r.minor == 0 || r.is(flagLength)): // RFC 9112 section 6.1: someone wants it read in two ways
		return 400
	case r.is(flagExpectMore): // RFC 9110 section 10.1.1
		return 417
	}
	return complete
}
