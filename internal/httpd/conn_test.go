package httpd

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// get is a request of HTTP/1.1 with more fields.
func get(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
}

func TestFiles(t *testing.T) {
	w := newTestWorker(t, Config{})
	for _, c := range []struct {
		path    string
		status  int
		content string
		ctype   string
	}{
		{"/", 200, "home", "text/html; charset=utf-8"},
		{"/index.html", 200, "home", "text/html; charset=utf-8"},
		{"/a.txt?query", 200, "abcdefghij", "text/plain; charset=utf-8"},
		{"/a%20b.TXT", 200, "blank", "text/plain; charset=utf-8"},
		{"/%61.txt", 200, "abcdefghij", "text/plain; charset=utf-8"},
		{"//./a.txt", 200, "abcdefghij", "text/plain; charset=utf-8"},
		{"http://else/a.txt", 200, "abcdefghij", "text/plain; charset=utf-8"},
		{"http://else", 200, "home", "text/html; charset=utf-8"},
		{"/empty", 200, "", "application/octet-stream"},
		{"/edge", 200, strings.Repeat("e", cachedFile), "application/octet-stream"},
		{"/large.bin", 200, string(large()), "application/octet-stream"},
		{"/sub/", 200, "below", "text/html; charset=utf-8"},
		{"/inside", 200, "abcdefghij", "application/octet-stream"},
		{"/.well-known/y", 200, "known", "application/octet-stream"},
		{"/sub", 301, "Moved Permanently\n", "text/plain; charset=utf-8"},
		{"/bare/", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/none", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/a.txt/", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/" + strings.Repeat("n", 300), 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/outside", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/.hidden", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/%2ehidden", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/sub/.git/config", 404, "Not Found\n", "text/plain; charset=utf-8"},
		{"/../a.txt", 400, "Bad Request\n", "text/plain; charset=utf-8"},
		{"/..%2f..%2fetc/passwd", 400, "Bad Request\n", "text/plain; charset=utf-8"},
		{"/%2e%2e/etc/passwd", 400, "Bad Request\n", "text/plain; charset=utf-8"},
		{"/sub/..", 400, "Bad Request\n", "text/plain; charset=utf-8"},
		{"/%00", 400, "Bad Request\n", "text/plain; charset=utf-8"},
		{"/%zz", 400, "Bad Request\n", "text/plain; charset=utf-8"},
		{"/%2", 400, "Bad Request\n", "text/plain; charset=utf-8"},
	} {
		t.Run(c.path, func(t *testing.T) {
			r := newRig(t, w)
			for range 2 { // from the disk, then from the cache
				resp, content := r.ask(get(c.path))
				if resp.StatusCode != c.status || content != c.content || resp.Header.Get("Content-Type") != c.ctype {
					t.Errorf("%d, %.50q, %v", resp.StatusCode, content, resp.Header)
				}
				if resp.Header.Get("Date") != "Sat, 03 Feb 2001 04:05:06 GMT" {
					t.Errorf("%v", resp.Header)
				}
				head, content := r.ask(strings.Replace(get(c.path), "GET", "HEAD", 1))
				if head.StatusCode != c.status || content != "" || head.ContentLength != resp.ContentLength {
					t.Errorf("HEAD: %d, %q, %v", head.StatusCode, content, head.Header)
				}
			}
			if r.s.ended() {
				t.Error("the connection did not live on")
			}
		})
	}
}

func TestAFolderWithoutItsSlash(t *testing.T) {
	r := newRig(t, newTestWorker(t, Config{}))
	for _, path := range []string{"/sub", "//sub"} { // "//sub/" would be another host
		if resp, _ := r.ask(get(path)); resp.Header.Get("Location") != "/sub/" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

func TestConditionsAndRanges(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	resp, _ := r.ask(get("/a.txt"))
	tag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	if modified != "Sat, 03 Feb 2001 03:05:06 GMT" || !strings.HasPrefix(tag, `W/"`) || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%v", resp.Header)
	}
	for _, c := range []struct {
		fields  string
		status  int
		content string
	}{
		{"If-None-Match: " + tag, 304, ""},
		{"If-None-Match: \"x\", " + tag[2:] + " ,\"y\"", 304, ""},
		{"If-None-Match: *", 304, ""},
		{"If-None-Match: \"x\"", 200, "abcdefghij"},
		{"If-None-Match: \"x\"\r\nIf-Modified-Since: " + modified, 200, "abcdefghij"},
		{"If-Modified-Since: " + modified, 304, ""},
		{"If-Modified-Since: Sat, 03 Feb 2001 03:05:07 GMT", 304, ""},
		{"If-Modified-Since: Saturday, 03-Feb-01 03:05:06 GMT", 304, ""},
		{"If-Modified-Since: Sat, 03 Feb 2001 03:05:05 GMT", 200, "abcdefghij"},
		{"If-Modified-Since: yesterday", 200, "abcdefghij"},
		{"Range: bytes=0-0", 206, "a"},
		{"Range: bytes=2-4", 206, "cde"},
		{"Range: Bytes=8-100", 206, "ij"},
		{"Range: bytes=7-", 206, "hij"},
		{"Range: bytes=-3", 206, "hij"},
		{"Range: bytes=-30", 206, "abcdefghij"},
		{"Range: bytes=10-", 416, "Requested Range Not Satisfiable\n"},
		{"Range: bytes=-0", 416, "Requested Range Not Satisfiable\n"},
		{"Range: bytes=4-2", 200, "abcdefghij"},
		{"Range: bytes=0-1,3-4", 200, "abcdefghij"},
		{"Range: bytes=-", 200, "abcdefghij"},
		{"Range: bytes=a-b", 200, "abcdefghij"},
		{"Range: lines=1-2", 200, "abcdefghij"},
		{"Range: bytes=2-4\r\nIf-Range: " + modified, 206, "cde"},
		{"Range: bytes=2-4\r\nIf-Range: " + tag, 200, "abcdefghij"},
		{"Range: bytes=2-4\r\nIf-None-Match: " + tag, 304, ""},
	} {
		t.Run(c.fields, func(t *testing.T) {
			resp, content := r.ask(get("/a.txt", c.fields))
			if resp.StatusCode != c.status || content != c.content {
				t.Errorf("%d, %q, %v", resp.StatusCode, content, resp.Header)
			}
			switch want := resp.Header.Get("Content-Range"); {
			case c.status == 206:
				first := strings.Index("abcdefghij", content)
				if want != fmt.Sprintf("bytes %d-%d/10", first, first+len(content)-1) {
					t.Errorf("Content-Range: %s", want)
				}
			case c.status == 416 && want != "bytes */10":
				t.Errorf("Content-Range: %s", want)
			}
		})
	}
}

// TestRangesOfALargeFile: it is read in pieces from the first octet asked for.
func TestRangesOfALargeFile(t *testing.T) {
	r := newRig(t, newTestWorker(t, Config{}))
	whole := string(large())
	for _, c := range []struct {
		ranges, want string
	}{{"1-300000", whole[1:300001]}, {"699990-", whole[699990:]}, {"-200000", whole[len(whole)-200000:]}} {
		resp, content := r.ask(get("/large.bin", "Range: bytes="+c.ranges))
		if resp.StatusCode != 206 || content != c.want {
			t.Errorf("%s: %d, %d octets", c.ranges, resp.StatusCode, len(content))
		}
	}
	if resp, _ := r.ask(get("/large.bin", "Range: bytes=700001-")); resp.StatusCode != 416 {
		t.Errorf("%d", resp.StatusCode)
	}
	if resp, _ := r.ask(get("/large.bin", "If-Modified-Since: "+resp304)); resp.StatusCode != 304 {
		t.Errorf("%d", resp.StatusCode)
	}
}

const resp304 = "Sat, 03 Feb 2001 03:05:06 GMT"

// TestRequestsThatEndTheConnection are answered, and then FIN is sent; what arrives
// afterwards is thrown away.
func TestRequestsThatEndTheConnection(t *testing.T) {
	w := newTestWorker(t, Config{MaxBody: 100})
	for _, c := range []struct {
		request string
		status  int
	}{
		{get("/", "Connection: close"), 200},
		{"GET / HTTP/1.0\r\n\r\n", 200},
		{"GET /none HTTP/1.0\r\n\r\n", 404},
		{"nonsense\r\n\r\n", 400},
		{get("/", "Content-Length: 5"), 400},
		{"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n", 413},
		{"PUT /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413},
		{"PUT /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
		{"PUT /else HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 405},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 405},
		{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
		{"PUT /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br\r\n\r\n", 501},
		{"PUT /upload HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
		{"GET /" + strings.Repeat("x", maxHead), 414},
		{"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", maxHead), 431},
		{"GET / HTTP/3.0\r\n\r\n", 505},
	} {
		t.Run(fmt.Sprintf("%.60q", c.request), func(t *testing.T) {
			r := newRig(t, w)
			resp, _ := r.ask(c.request + get("/") + "more")
			if resp.StatusCode != c.status || !resp.Close {
				t.Errorf("%d, %v", resp.StatusCode, resp.Header)
			}
			if !r.s.fin || r.s.closed || len(r.held) > 0 {
				t.Errorf("%+v, %d octets not taken", r.s, len(r.held))
			}
			r.inputEnded()
			if !r.s.closed {
				t.Error("the peer ended too, and the connection is still there")
			}
		})
	}
}

func TestMethodsThatAreNotAllowed(t *testing.T) {
	r := newRig(t, newTestWorker(t, Config{}))
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "PUT /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		resp, _ := r.ask(request)
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || r.s.ended() {
			t.Errorf("%q: %d %v", request, resp.StatusCode, resp.Header)
		}
	}
}

func TestHTTP10KeepsAliveWhenAsked(t *testing.T) {
	r := newRig(t, newTestWorker(t, Config{}))
	for range 2 {
		resp, content := r.ask("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		if resp.Header.Get("Connection") != "keep-alive" || content != "abcdefghij" || r.s.ended() {
			t.Errorf("%v %q", resp.Header, content)
		}
	}
}

// TestPipelines: many requests, cut anywhere, sent through a queue with little
// room, are answered in order.
func TestPipelines(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	w := newTestWorker(t, Config{})
	kinds := []struct{ request, want string }{
		{get("/a.txt"), "abcdefghij"}, {get("/edge"), strings.Repeat("e", cachedFile)}, {get("/large.bin"), string(large())},
		{get("/none"), "Not Found\n"}, {get("/a.txt", "Range: bytes=1-2"), "bc"},
		{upload("hello"), digest("hello")}, {uploadChunks("hello", "world"), digest("helloworld")},
	}
	for range 40 {
		var all strings.Builder
		var want []string
		for range 1 + rng.IntN(12) {
			k := kinds[rng.IntN(len(kinds))]
			all.WriteString(k.request)
			want = append(want, k.want)
		}
		r := newRig(t, w)
		r.s.room = rng.IntN(3000)
		for text := all.String(); len(text) > 0; {
			n := min(len(text), 1+rng.IntN(200))
			r.say(text[:n])
			text = text[n:]
		}
		for r.phase != reading || len(r.held) > 0 {
			r.more(1 + rng.IntN(200_000))
		}
		for i, want := range want {
			if resp, content := r.reply("GET"); content != want {
				t.Fatalf("response %d: %d, %d octets, want %d", i, resp.StatusCode, len(content), len(want))
			}
		}
		if len(r.s.out) > 0 || r.s.ended() {
			t.Fatalf("then came %q; %+v", r.s.out, r.s)
		}
	}
}

func upload(content string) string {
	return fmt.Sprintf("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
}

func uploadChunks(chunks ...string) string {
	s := "PUT /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range chunks {
		s += fmt.Sprintf("%x\r\n%s\r\n", len(c), c)
	}
	return s + "0\r\n\r\n"
}

func digest(content string) string { return fmt.Sprintf("%x\n", sha256.Sum256([]byte(content))) }

func TestUploads(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	big := string(large())
	for _, c := range []struct{ request, want string }{
		{upload("hello"), digest("hello")}, {upload(""), digest("")}, {"PUT /upload HTTP/1.1\r\nHost: a\r\n\r\n", digest("")},
		{upload(big), digest(big)}, {uploadChunks("a", "bc", big), digest("abc" + big)}, {uploadChunks(), digest("")},
	} {
		resp, content := r.ask(c.request)
		if resp.StatusCode != 200 || content != c.want || r.s.ended() {
			t.Errorf("%.80q: %d, %q", c.request, resp.StatusCode, content)
		}
	}
}

// TestContinue: who waits for it gets it before the body, and once.
func TestContinue(t *testing.T) {
	r := newRig(t, newTestWorker(t, Config{}))
	r.s.room = 10 // it does not go at once
	r.say("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	r.more(endless)
	if string(r.s.out) != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("%q", r.s.out)
	}
	r.s.out = nil
	if resp, content := r.ask("hello"); resp.StatusCode != 200 || content != digest("hello") {
		t.Errorf("%d, %q", resp.StatusCode, content)
	}
}

// TestOneEventIsBounded: a body and a pipeline are put off after workPerEvent.
func TestOneEventIsBounded(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	r.ask(get("/edge"))
	r.w.begin(0)
	r.input([]byte(strings.Repeat(get("/edge"), 100)))
	if sent := len(r.s.out); sent > 256<<10 {
		t.Errorf("sent %d octets in one event", sent)
	}
	r = newRig(t, w)
	r.w.begin(0)
	head := len(upload("")) + 6
	if n := r.input([]byte(upload(string(large())))); n > head+40<<10 {
		t.Errorf("hashed %d octets in one event", n)
	}
}

// TestAFileThatChanges is served as it is within a second.
func TestAFileThatChanges(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	name := filepath.Join(w.disk.root.Name(), "a.txt")
	for i, want := range []string{"first", "second, longer", ""} {
		if want == "" {
			_ = os.Remove(name)
		} else if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		r.w.now += recheck
		resp, content := r.ask(get("/a.txt"))
		if want != "" && (content != want || resp.StatusCode != 200) || want == "" && resp.StatusCode != 404 {
			t.Errorf("%d: %d, %q, want %q", i, resp.StatusCode, content, want)
		}
	}
	if len(w.cache.by) != 0 || w.cache.octets != 0 {
		t.Errorf("%d files, %d octets in the cache", len(w.cache.by), w.cache.octets)
	}
}

// TestAFileThatShrinks while it is sent: the length was promised, so the connection is reset.
func TestAFileThatShrinks(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	r.s.room = 100_000
	r.say(get("/large.bin"))
	if err := os.Truncate(filepath.Join(w.disk.root.Name(), "large.bin"), 10); err != nil {
		t.Fatal(err)
	}
	r.more(endless)
	if !r.s.aborted {
		t.Errorf("%+v", r.s)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newCache()
	content := make([]byte, cachedFile)
	for i := range 3 * cachedFiles {
		f := &file{}
		f.compose(content[:i%cachedFile])
		c.put(fmt.Sprint(i), f)
		c.find([]byte("7")) // used again and again
	}
	total := 0
	for _, f := range c.ring {
		total += len(f.response)
	}
	if len(c.ring) > cachedFiles || c.octets > cachedContent || total != c.octets || len(c.by) != len(c.ring) {
		t.Errorf("%d files, %d octets, in fact %d", len(c.ring), c.octets, total)
	}
	if c.find([]byte("7")) == nil || c.find([]byte("8")) != nil {
		t.Error("what is used went before what is not")
	}
}

// TestDateIsOfTheSecond: it is renewed with the clock, also in responses made up before.
func TestDateIsOfTheSecond(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	clock := at
	w.wall = func() time.Time { return clock }
	for range 3 {
		for _, path := range []string{"/a.txt", "/none"} {
			resp, _ := r.ask(get(path))
			if got := resp.Header.Get("Date"); got != clock.Format(http.TimeFormat) {
				t.Errorf("%s, and it is %v", got, clock)
			}
		}
		clock = clock.Add(300 * time.Millisecond)
		w.now += 300_000_000
		r.ask(get("/a.txt"))
		clock = clock.Add(700 * time.Millisecond)
		w.now += 700_000_000
	}
}

// TestAHeadThatIsCutKeepsItsDate: while it waits for room, another connection renews the
// date of the same response.
func TestAHeadThatIsCutKeepsItsDate(t *testing.T) {
	w := newTestWorker(t, Config{})
	r, other := newRig(t, w), newRig(t, w)
	r.ask(get("/a.txt"))
	r.s.room = strings.Index("HTTP/1.1 200 OK\r\nDate: Sat, 03 Feb 2001 04:05:06 GMT", "6 GMT")
	r.say(get("/a.txt"))
	w.now += 500_000_000
	w.wall = func() time.Time { return at.Add(14 * time.Second) } // a clock that is put right
	w.date.next = 0
	other.ask(get("/a.txt"))
	r.more(endless)
	if resp, _ := r.reply("GET"); resp.Header.Get("Date") != "Sat, 03 Feb 2001 04:05:06 GMT" {
		t.Errorf("%v", resp.Header)
	}
}

func TestKeepAliveDoesNotAllocate(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	request := []byte(get("/a.txt"))
	r.ask(string(request))
	r.s.out = make([]byte, 0, 1<<20)
	body := []byte(upload("hello"))
	n := testing.AllocsPerRun(100, func() {
		r.w.begin(r.w.now)
		r.input(request)
		r.input(request[:20])
		r.input(request[20:])
		r.input(body)
		r.s.out = r.s.out[:0]
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	w := newTestWorker(b, Config{})
	r := newRig(b, w)
	request := []byte(get("/a.txt"))
	r.ask(string(request))
	for b.Loop() {
		r.w.begin(r.w.now)
		r.input(request)
		r.s.out = r.s.out[:0]
	}
}
