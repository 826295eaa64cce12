package httpd

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// whole parses a head that is there at once.
func whole(head []byte) (p parser, verdict int) {
	verdict = p.parse(head)
	return p, verdict
}

// pieces parses it as it grows by as much as step says.
func inPieces(head []byte, step func() int) (p parser, verdict int) {
	for n := 0; n < len(head) && verdict == needMore; {
		n = min(len(head), n+step())
		verdict = p.parse(head[:n:n])
	}
	return p, verdict
}

func TestHeads(t *testing.T) {
	long := strings.Repeat("x", maxHead)
	for _, c := range []struct {
		name, head string
		want       int
	}{
		{"plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", complete},
		{"line feeds alone", "GET / HTTP/1.1\nHost: a\n\n", complete},
		{"empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", complete},
		{"HTTP/1.0 needs no host", "GET / HTTP/1.0\r\n\r\n", complete},
		{"a later minor version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", complete},
		{"absolute-form", "GET http://a:80/b?c HTTP/1.1\r\nHost: a\r\n\r\n", complete},
		{"absolute-form without a path", "GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n", complete},
		{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", complete},
		{"asterisk of OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", complete},
		{"blanks around a value", "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", complete},
		{"not whole", "GET / HTTP/1.1\r\nHost: a\r\n", needMore},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		{"host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
		{"HTTP/0.9", "GET /\r\n\r\n", 400},
		{"two blanks", "GET  / HTTP/1.1\r\n\r\n", 400},
		{"blank behind", "GET / HTTP/1.1 \r\n\r\n", 400},
		{"no method", " / HTTP/1.1\r\n\r\n", 400},
		{"method that is no token", "GE(T / HTTP/1.1\r\n\r\n", 400},
		{"control in the target", "GET /\x01 HTTP/1.1\r\n\r\n", 400},
		{"octet above 127 in the target", "GET /\xff HTTP/1.1\r\n\r\n", 400},
		{"fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"asterisk of GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"user in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"no authority", "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"other protocol", "GET / HTTQ/1.1\r\n\r\n", 400},
		{"version without a dot", "GET / HTTP/111\r\n\r\n", 400},
		{"blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		{"folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
		{"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
		{"no name", "GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
		{"carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400},
		{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400},
		{"length that is no number", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", 400},
		{"negative length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
		{"length with a sign", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
		{"two lengths", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"list of lengths", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400},
		{"length beyond 64 bits", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
		{"length and chunks", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"chunks in HTTP/1.0", "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"chunks twice", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"target too long", "GET /" + long, 414},
		{"field too long", "GET / HTTP/1.1\r\nX: " + long, 431},
		{"fields too long together", "GET / HTTP/1.1\r\n" + strings.Repeat("X: "+long[:100]+"\r\n", maxHead/100), 431},
		{"too many fields", "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", maxFields+1), 431},
		{"endless empty lines", strings.Repeat("\r\n", maxHead), 414},
		{"unknown method", "BREW / HTTP/1.1\r\n\r\n", 501},
		{"method in small letters", "get / HTTP/1.1\r\n\r\n", 501},
		{"unknown transfer coding", "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"unknown expectation", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := whole([]byte(c.head)); got != c.want {
				t.Errorf("at once: %d, want %d", got, c.want)
			}
			if _, got := inPieces([]byte(c.head), func() int { return 1 }); got != c.want {
				t.Errorf("octet by octet: %d, want %d", got, c.want)
			}
		})
	}
}

func TestWhatAHeadSays(t *testing.T) {
	const fields = "Host: a\r\nIf-None-Match: \"x\"\r\nIf-modified-since: then\r\nRANGE: bytes=1-\r\nIf-Range:now\r\n" +
		"Content-Length: 12\r\nExpect: 100-Continue\r\nConnection: upgrade, CLOSE ,x\r\n\r\nbody"
	head := []byte("PUT /up%20load?x=/y HTTP/1.1\r\n" + fields)
	p, verdict := whole(head)
	if verdict != complete || string(head[p.at:]) != "body" {
		t.Fatalf("%d, then %q", verdict, head[p.at:])
	}
	r := &p.req
	for _, c := range []struct {
		what string
		at   span
		want string
	}{
		{"path", r.path, "/up%20load"}, {"If-None-Match", r.noneMatch, `"x"`}, {"If-Modified-Since", r.modified, "then"},
		{"Range", r.ranges, "bytes=1-"}, {"If-Range", r.ifRange, "now"},
	} {
		if got := c.at.of(head); string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if r.method != methodPut || r.length != 12 || r.flags != flagHost|flagLength|flagContinue|flagClose || r.keepAlive() {
		t.Errorf("%+v", r)
	}
}

func TestKeepAlive(t *testing.T) {
	for _, c := range []struct {
		version, connection string
		want                bool
	}{
		{"1.1", "", true}, {"1.1", "close", false}, {"1.1", "keep-alive, close", false}, {"1.1", "closed", true},
		{"1.0", "", false}, {"1.0", "Keep-Alive", true}, {"1.0", "keep-alive,close", false},
	} {
		p, verdict := whole([]byte("GET / HTTP/" + c.version + "\r\nHost: a\r\nConnection: " + c.connection + "\r\n\r\n"))
		if verdict != complete || p.req.keepAlive() != c.want {
			t.Errorf("%+v: %d, %v", c, verdict, p.req.keepAlive())
		}
	}
}

// heads are what fuzzing starts from.
var heads = []string{
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /a/b%20c?d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"PUT /upload HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
	"PUT /upload HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n",
	"GET http://a/b HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nIf-None-Match: *\r\n\r\n",
	"\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\nX-Y: \t z \r\n\r\n", "GET /..%2f HTTP/1.1\r\nHost: a\r\n\r\n",
}

// FuzzHead: however a head is cut the verdict is the same, and what is accepted here
// package net/http accepts too, and reads in the same way.
func FuzzHead(f *testing.F) {
	for i, h := range heads {
		f.Add([]byte(h), uint64(i))
	}
	f.Fuzz(func(t *testing.T, head []byte, seed uint64) {
		p, verdict := whole(head)
		rng := rand.New(rand.NewPCG(seed, 0))
		q, got := inPieces(head, func() int { return 1 + rng.IntN(1+rng.IntN(100)) })
		if got != verdict || verdict == complete && q != p {
			t.Fatalf("at once %d %+v, in pieces %d %+v", verdict, p, got, q)
		}
		if verdict == complete {
			compare(t, head, &p)
		}
	})
}

// compare holds a head that was accepted against net/http.
func compare(t *testing.T, head []byte, p *parser) {
	t.Helper()
	r := &p.req
	target := head[bytes.IndexByte(head, ' ')+1:]
	if p.at > len(head) || target[0] != '/' || r.is(flagChunked) && r.method != methodPut {
		return // net/http is stricter about authorities, and there is no path to compare
	}
	decoded, ok := unescape(r.path.of(head))
	if !ok || r.minor > 1 {
		return // answered by 400 later; net/http knows no such version
	}
	// Empty lines before the request line, and folding, are where net/http differs.
	std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(head[:p.at], "\r\n"))))
	if err != nil {
		if _, bad := url.ParseRequestURI(string(target[:bytes.IndexByte(target, ' ')])); bad != nil {
			return
		}
		t.Fatalf("accepted; net/http says %v", err)
	}
	if std.URL.Path != decoded && !strings.HasPrefix(decoded, "//") {
		t.Errorf("path %q, net/http %q", decoded, std.URL.Path)
	}
	if chunked := len(std.TransferEncoding) > 0; chunked != r.is(flagChunked) {
		t.Errorf("chunked %v, net/http %v", r.is(flagChunked), chunked)
	}
	if r.is(flagLength) && std.ContentLength != r.length {
		t.Errorf("length %d, net/http %d", r.length, std.ContentLength)
	}
	if std.Close == r.keepAlive() && r.minor > 0 {
		t.Errorf("close %v, net/http %v", !r.keepAlive(), std.Close)
	}
}

// TestEverySplit: two requests in a row, cut at every place.
func TestEverySplit(t *testing.T) {
	for _, h := range heads {
		p, verdict := whole([]byte(h))
		for cut := range len(h) {
			sizes := []int{cut, len(h)}
			q, got := inPieces([]byte(h), func() int { n := sizes[0]; sizes = sizes[1:]; return n })
			if got != verdict || q != p {
				t.Errorf("%q cut at %d: %d %+v, want %d %+v", h, cut, got, q, verdict, p)
			}
		}
	}
}

func TestParsingDoesNotAllocate(t *testing.T) {
	head := []byte(heads[2])
	if n := testing.AllocsPerRun(100, func() { whole(head) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHead(b *testing.B) {
	head := []byte("GET /index.html HTTP/1.1\r\nHost: 198.18.0.2\r\n\r\n")
	for b.Loop() {
		if _, verdict := whole(head); verdict != complete {
			b.Fatal(verdict)
		}
	}
}

// chunk encodes content in chunks as a rng cuts it.
func chunk(rng *rand.Rand, content []byte) (out []byte) {
	for len(content) > 0 {
		n := 1 + rng.IntN(len(content))
		out = fmt.Appendf(out, "%x%s\r\n%s\r\n", n, []string{"", ";x=y", " ;q=\"1\""}[rng.IntN(3)], content[:n])
		content = content[n:]
	}
	return append(out, []string{"0\r\n\r\n", "00;x\r\n\r\n", "0\r\nA: b\r\nC: d\r\n\r\n"}[rng.IntN(3)]...)
}

// take runs a body over data in pieces; rest is what followed it.
func take(b *body, data []byte, step func() int) (content, rest []byte, verdict int) {
	for len(data) > 0 && verdict == needMore {
		part := data[:min(len(data), step())]
		for len(part) > 0 && verdict == needMore {
			var run []byte
			var n int
			run, n, verdict = b.next(part)
			content, part, data = append(content, run...), part[n:], data[n:]
		}
	}
	return content, data, verdict
}

func TestChunksInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	for range 1000 {
		want := make([]byte, rng.IntN(300))
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		var b body
		b.begin(&request{flags: flagChunked}, 1000)
		data := append(chunk(rng, want), "GET"...)
		content, rest, verdict := take(&b, data, func() int { return 1 + rng.IntN(20) })
		if verdict != complete || !bytes.Equal(content, want) || string(rest) != "GET" || b.total != int64(len(want)) {
			t.Fatalf("%q: %d, content %q, rest %q", data, verdict, content, rest)
		}
	}
}

func TestChunksThatAreNone(t *testing.T) {
	for _, c := range []struct {
		data string
		want int
	}{
		{"\r\n", 400}, {"g\r\n", 400}, {"5\nhello", 400}, {"5\r\nhelloX", 400}, {"5\r\nhello\rX", 400}, {"5\rX", 400},
		{"-1\r\n", 400}, {"5 \x01\r\n", 400}, {";\r\n", 400}, {"0\r\n\rX", 400},
		{"5;" + strings.Repeat("x", maxChunkLine), 400}, {strings.Repeat("0", maxChunkLine+1), 400},
		{"65\r\n", 413}, {"ffffffffffffffffffff\r\n", 413}, {"0\r\n" + strings.Repeat("A: b\r\n", maxHead/5), 431},
	} {
		for _, step := range []int{1, 1 << 20} {
			var b body
			b.begin(&request{flags: flagChunked}, 100)
			if _, _, verdict := take(&b, []byte(c.data), func() int { return step }); verdict != c.want {
				t.Errorf("%.20q by %d: %d, want %d", c.data, step, verdict, c.want)
			}
		}
	}
}

func TestChunksBeyondTheLimitTogether(t *testing.T) {
	var b body
	b.begin(&request{flags: flagChunked}, 100)
	data := strings.Repeat("32\r\n"+strings.Repeat("x", 50)+"\r\n", 2) + "1\r\n"
	if _, _, verdict := take(&b, []byte(data), func() int { return 7 }); verdict != 413 {
		t.Errorf("%d", verdict)
	}
}
