package httpd

// maxChunkLine bounds the line before a chunk, its extensions included.
const maxChunkLine = 256

// part says what of a body comes next.
type part uint8

const (
	partLength    part = iota // octets of a body whose length is known
	partSize                  // hexadecimal digits of a chunk's size
	partExtension             // what follows them, up to CR
	partSizeEnd               // LF
	partChunk                 // octets of a chunk
	partChunkCR               // the CR LF behind them
	partChunkLF
	partTrailer    // first octet of a trailer line
	partTrailerMid // the others
	partTrailerEnd // LF of the empty line
	partDone
)

// body takes a body apart as it arrives (RFC 9112 sections 6.2 and 7.1).
type body struct {
	part  part
	line  uint16 // octets of this line, of all trailers
	left  int64  // octets of the chunk, or of the body, that are to come; the size while it is read
	total int64  // octets of content so far
	max   int64  // of content
}

// begin makes b ready for the body of a request; over says that it would exceed max.
func (b *body) begin(r *request, max int64) (over bool) {
	*b = body{max: max}
	switch {
	case r.is(flagChunked):
		b.part = partSize
	case r.length == 0:
		b.part = partDone
	default:
		b.left = r.length
	}
	return r.length > max
}

// next returns the next run of content, which lies in data, and how many octets are
// done with it: content and what came before it. The verdict is complete when the
// body ends there, needMore, or the status code of an error.
func (b *body) next(data []byte) (content []byte, n, verdict int) {
	for n < len(data) && b.part != partDone {
		if b.part == partLength || b.part == partChunk {
			m := int(min(int64(len(data)-n), b.left))
			content = data[n : n+m]
			b.took(m)
			return content, n + m, b.verdict()
		}
		if verdict := b.octet(data[n]); verdict != needMore {
			return nil, n, verdict
		}
		n++
	}
	return nil, n, b.verdict()
}

func (b *body) verdict() int {
	if b.part == partDone {
		return complete
	}
	return needMore
}

func (b *body) took(n int) {
	b.left -= int64(n)
	b.total += int64(n)
	switch {
	case b.left > 0:
	case b.part == partLength:
		b.part = partDone
	default:
		b.part = partChunkCR
	}
}

// octet takes one that is not content.
func (b *body) octet(c byte) int {
	switch b.part {
	case partSize, partExtension:
		if b.line++; b.line > maxChunkLine {
			return 400
		}
		return b.sizeOctet(c)
	case partSizeEnd:
		return b.sized(c)
	case partChunkCR:
		return b.expect(c, '\r', partChunkLF)
	case partChunkLF:
		b.line, b.left = 0, 0
		return b.expect(c, '\n', partSize)
	}
	if b.line++; b.line > maxHead {
		return 431
	}
	return b.trailerOctet(c)
}

func (b *body) expect(c, want byte, then part) int {
	if c != want {
		return 400
	}
	b.part = then
	return needMore
}

// sizeOctet reads the line before a chunk: a size, then extensions, which say
// nothing to us.
func (b *body) sizeOctet(c byte) int {
	digit, ok := hexDigit(c)
	switch {
	case c == '\r' && b.line > 1:
		b.part = partSizeEnd
	case b.part == partExtension && classes[c]&isValue != 0:
	case b.part == partExtension:
		return 400
	case ok:
		if b.left = b.left<<4 | int64(digit); b.left > b.max-b.total {
			return 413
		}
	case b.line > 1 && (c == ';' || isBlank(c)):
		b.part = partExtension
	default:
		return 400
	}
	return needMore
}

// sized is the end of that line: the chunk follows, or the trailers.
func (b *body) sized(c byte) int {
	b.line = 0
	if b.left == 0 {
		return b.expect(c, '\n', partTrailer)
	}
	return b.expect(c, '\n', partChunk)
}

// trailerOctet looks for the line that is empty.
func (b *body) trailerOctet(c byte) int {
	switch {
	case b.part == partTrailerEnd:
		return b.expect(c, '\n', partDone)
	case b.part == partTrailer && c == '\r':
		b.part = partTrailerEnd
	case c == '\n':
		b.part = partTrailer
	default:
		b.part = partTrailerMid
	}
	return needMore
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
