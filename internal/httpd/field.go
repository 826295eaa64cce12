package httpd

import "bytes"

// field takes a field line: name ":" OWS value OWS (RFC 9112 section 5). A line
// folded from the one before begins with a blank, which is no name.
func (p *parser) field(from int, line []byte) int {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !all(line[:colon], isToken) {
		return 400
	}
	first, last := colon+1, len(line)
	for first < last && isBlank(line[first]) {
		first++
	}
	for last > first && isBlank(line[last-1]) {
		last--
	}
	value := line[first:last]
	if !all(value, isValue) {
		return 400
	}
	return p.known(line[:colon], value, span{uint16(from + first), uint16(from + last)})
}

// known notes the fields that matter here.
func (p *parser) known(name, value []byte, at span) int {
	r := &p.req
	switch len(name) {
	case len("Host"):
		if equalFold(name, "host") {
			return p.host(value)
		}
	case len("Range"):
		noteFirst(&r.ranges, name, "range", at)
	case len("Expect"):
		if equalFold(name, "expect") {
			p.expect(value)
		}
	case len("If-Range"):
		noteFirst(&r.ifRange, name, "if-range", at)
	case len("Connection"):
		if equalFold(name, "connection") {
			p.connection(value)
		}
	case len("If-None-Match"):
		noteFirst(&r.noneMatch, name, "if-none-match", at)
	case len("Content-Length"):
		if equalFold(name, "content-length") {
			return p.contentLength(value)
		}
	case len("Transfer-Encoding"): // and If-Modified-Since
		if equalFold(name, "transfer-encoding") {
			return p.transferEncoding(value)
		}
		noteFirst(&r.modified, name, "if-modified-since", at)
	}
	return needMore
}

func noteFirst(to *span, name []byte, want string, at span) {
	if to.empty() && equalFold(name, want) {
		*to = at
	}
}

// host must come once (RFC 9112 section 3.2).
func (p *parser) host(value []byte) int {
	if p.req.is(flagHost) || !all(value, isHost) {
		return 400
	}
	p.req.flags |= flagHost
	return needMore
}

// expect knows one expectation, which HTTP/1.0 cannot have (RFC 9110 section 10.1.1).
func (p *parser) expect(value []byte) {
	switch {
	case p.req.minor == 0:
	case equalFold(value, "100-continue"):
		p.req.flags |= flagContinue
	default:
		p.req.flags |= flagExpectMore
	}
}

// connection is a list of options (RFC 9110 section 7.6.1).
func (p *parser) connection(value []byte) {
	for len(value) > 0 {
		option := value
		if i := bytes.IndexByte(value, ','); i >= 0 {
			option, value = value[:i], value[i+1:]
		} else {
			value = nil
		}
		switch option = bytes.Trim(option, " \t"); {
		case equalFold(option, "close"):
			p.req.flags |= flagClose
		case equalFold(option, "keep-alive"):
			p.req.flags |= flagKeepAlive
		}
	}
}

// contentLength is digits, once: of two lengths a proxy before us may have taken the
// other (RFC 9112 section 6.3).
func (p *parser) contentLength(value []byte) int {
	n, ok := decimal(value)
	if !ok || p.req.is(flagLength) {
		return 400
	}
	p.req.flags |= flagLength
	p.req.length = n
	return needMore
}

// transferEncoding knows chunked alone (RFC 9112 section 6.1).
func (p *parser) transferEncoding(value []byte) int {
	if p.req.is(flagChunked) {
		return 400
	}
	if !equalFold(value, "chunked") {
		return 501
	}
	p.req.flags |= flagChunked
	return needMore
}

// decimal reads digits alone; what does not fit is no number.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// equalFold compares b with a word in lower case; ASCII alone, unlike bytes.EqualFold.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Classes of octets.
const (
	isToken  uint8 = 1 << iota // RFC 9110 section 5.6.2
	isValue                    // of a field: RFC 9110 section 5.5
	isTarget                   // of a request target: what is visible, but for what RFC 3986 never has
	isHost                     // of an authority, without user information
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if letter || c < 0x80 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0 {
			t[c] |= isToken
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= isValue
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[c] |= isTarget
		}
		if letter || c < 0x80 && bytes.IndexByte([]byte("-._~!$&'()*+,;=:[]%"), byte(c)) >= 0 {
			t[c] |= isHost
		}
	}
	return t
}()

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
