package httpd

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/umem"
)

// fakeStream is a stream whose send queue has room for so much.
type fakeStream struct {
	out     []byte
	room    int
	fin     bool
	closed  bool
	aborted bool
	timeout time.Duration
}

func (s *fakeStream) Send(data []byte) (int, error) {
	n := min(len(data), s.room)
	s.out = append(s.out, data[:n]...)
	s.room -= n
	return n, nil
}
func (s *fakeStream) SendRoom() int              { return s.room }
func (s *fakeStream) CloseWrite() error          { s.fin = true; return nil }
func (s *fakeStream) Close() error               { s.closed = true; return nil }
func (s *fakeStream) Abort() error               { s.aborted = true; return nil }
func (s *fakeStream) SetTimeout(d time.Duration) { s.timeout = d }

// ended: by whom matters not.
func (s *fakeStream) ended() bool { return s.fin || s.closed || s.aborted }

// rig is a connection on a fake stream, its worker on a folder of a test.
type rig struct {
	*conn
	t    testing.TB
	s    *fakeStream
	done chan struct{} // the disk's
	held []byte        // given, and not taken yet
}

const endless = 1 << 30

// at is the wall clock of rigs.
var at = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// folder has the files that tests ask for.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"index.html": "home", "a.txt": "abcdefghij", "empty": "", "sub/index.html": "below", "bare/x": "x", "a b.TXT": "blank",
		".hidden": "no", ".well-known/y": "known", "sub/.git/config": "no",
		"edge": strings.Repeat("e", cachedFile), "large.bin": string(large()),
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range [][2]string{{"/etc/passwd", "outside"}, {"a.txt", "inside"}} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// large is a file that is not cached.
func large() []byte {
	b := make([]byte, 700_001)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func newTestWorker(t testing.TB, cfg Config) *worker {
	t.Helper()
	root, err := os.OpenRoot(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.complete()
	d := newDisk(root)
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	w := newWorker(&cfg, d)
	w.wall = func() time.Time { return at }
	return w
}

func newRig(t testing.TB, w *worker) *rig {
	t.Helper()
	r := &rig{t: t, s: &fakeStream{room: endless}, done: make(chan struct{}, 1)}
	r.conn = &conn{stream: r.s, w: w, back: r}
	r.open()
	return r
}

// jobDone implements returner.
func (r *rig) jobDone() bool {
	r.done <- struct{}{}
	return true
}

// say gives octets to the connection, and has it go on until it waits for more, or for
// room to send.
func (r *rig) say(data string) {
	r.t.Helper()
	r.held = append(r.held, data...)
	r.goOn()
}

func (r *rig) goOn() {
	r.t.Helper()
	for {
		r.w.begin(r.w.now)
		n := r.input(r.held)
		for i := range r.held[:n] { // their segment is somebody else's now
			r.held[i] = '?'
		}
		r.held = r.held[n:]
		switch {
		case r.waiting:
			select {
			case <-r.done:
			case <-time.After(10 * time.Second):
				r.t.Fatal("the disk does not answer")
			}
			r.w.begin(r.w.now)
			r.finished()
		case n == 0:
			return
		}
	}
}

// more makes room to send.
func (r *rig) more(room int) {
	r.t.Helper()
	r.s.room += room
	r.w.begin(r.w.now)
	r.pump()
	r.goOn()
}

// pass lets time pass, and the timer fire.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	r.w.begin(r.w.now + umem.Time(d))
	r.timeout()
	r.goOn()
}

// reply takes one response off what was sent.
func (r *rig) reply(method string) (*http.Response, string) {
	r.t.Helper()
	in := bytes.NewReader(r.s.out)
	buffered := bufio.NewReader(in)
	resp, err := http.ReadResponse(buffered, &http.Request{Method: method})
	if err != nil {
		r.t.Fatalf("%v: %q", err, r.s.out)
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%v: %.200q", err, r.s.out)
	}
	r.s.out = r.s.out[len(r.s.out)-in.Len()-buffered.Buffered():]
	return resp, string(content)
}

// ask is say and reply; nothing else may have been sent.
func (r *rig) ask(request string) (*http.Response, string) {
	r.t.Helper()
	r.say(request)
	method, _, _ := strings.Cut(strings.TrimSpace(request), " ")
	resp, content := r.reply(method)
	if len(r.s.out) > 0 {
		r.t.Fatalf("then came %q", r.s.out)
	}
	return resp, content
}
