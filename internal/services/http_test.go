package services

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
)

// big is larger than what a connection's queues hold.
var big = func() []byte {
	b := make([]byte, 3_000_001)
	for i := range b {
		b[i] = byte(i * 31 >> 7)
	}
	return b
}()

// website is a folder with a small file and a large one.
func website(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"index.html": []byte("home"), "big": big, ".secret": []byte("no")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "outside")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bare"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bothServers runs a test against http and go-http.
func bothServers(t *testing.T, test func(t *testing.T, a *xdpstack.Host, to string)) {
	t.Helper()
	for _, name := range []string{"http", "go-http"} {
		t.Run(name, func(t *testing.T) { everywhere(t, name+"=:80,"+website(t), test) })
	}
}

// client is net/http's, over a host.
func client(t *testing.T, h *xdpstack.Host) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: h.DialContext, MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do asks and returns the status and content.
func do(t *testing.T, c *http.Client, method, url string, body io.Reader, fields ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, content
}

func TestHTTP(t *testing.T) {
	bothServers(t, func(t *testing.T, a *xdpstack.Host, to string) {
		c := client(t, a)
		for _, q := range []struct {
			method, path, ranges string
			status               int
			content              string
		}{
			{"GET", "/", "", 200, "home"}, {"HEAD", "/", "", 200, ""}, {"GET", "/big", "", 200, string(big)},
			{"GET", "/big", "bytes=1000000-2499999", 206, string(big[1000000:2500000])},
			{"GET", "/", "bytes=9-", 416, "*"}, {"GET", "/none", "", 404, "*"}, {"GET", "/.secret", "", 404, "*"},
			{"GET", "/outside", "", 404, "*"}, {"GET", "/bare/", "", 404, "*"}, {"POST", "/", "", 405, "*"},
		} {
			resp, content := do(t, c, q.method, "http://"+to+q.path, nil, "Range", q.ranges)
			if resp.StatusCode != q.status || q.content != "*" && string(content) != q.content {
				t.Errorf("%+.60v: %d, %d octets %.60q", q, resp.StatusCode, len(content), content)
			}
		}
		resp, _ := do(t, c, "GET", "http://"+to+"/", nil)
		if resp, _ := do(t, c, "GET", "http://"+to+"/", nil, "If-Modified-Since", resp.Header.Get("Last-Modified")); resp.StatusCode != 304 {
			t.Errorf("%d", resp.StatusCode)
		}
	})
}

func TestHTTPUpload(t *testing.T) {
	want := fmt.Sprintf("%x\n", sha256.Sum256(big))
	bothServers(t, func(t *testing.T, a *xdpstack.Host, to string) {
		c := client(t, a)
		for _, u := range []struct {
			how  string
			body io.Reader
			more []string
		}{
			{"with its length", bytes.NewReader(big), nil},
			{"in chunks", struct{ io.Reader }{bytes.NewReader(big)}, nil},
			{"after 100 Continue", bytes.NewReader(big), []string{"Expect", "100-continue"}},
		} {
			resp, content := do(t, c, "PUT", "http://"+to+"/upload", u.body, u.more...)
			if resp.StatusCode != 200 || string(content) != want {
				t.Errorf("%s: %d, %q", u.how, resp.StatusCode, content)
			}
		}
	})
}

// TestHTTPManyAtOnce: downloads and uploads on one connection each.
func TestHTTPManyAtOnce(t *testing.T) {
	bothServers(t, func(t *testing.T, a *xdpstack.Host, to string) {
		c := client(t, a)
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				for k := range 2 {
					from := 100_000*i + k
					part := big[from : from+150_000]
					resp, content := do(t, c, "GET", "http://"+to+"/big", nil, "Range", fmt.Sprintf("bytes=%d-%d", from, from+len(part)-1))
					if resp.StatusCode != 206 || !bytes.Equal(content, part) {
						t.Errorf("%d, %d octets", resp.StatusCode, len(content))
					}
					_, content = do(t, c, "PUT", "http://"+to+"/upload", bytes.NewReader(part))
					if string(content) != fmt.Sprintf("%x\n", sha256.Sum256(part)) {
						t.Errorf("%q", content)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestHTTPPipeline: requests follow each other without a wait, cut anywhere; the client
// has ended when the responses come.
func TestHTTPPipeline(t *testing.T) {
	const n = 500
	bothServers(t, func(t *testing.T, a *xdpstack.Host, to string) {
		conn := dial(t, a, to)
		all := strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", n)
		go func() {
			for len(all) > 0 {
				k := min(len(all), 41)
				if _, err := io.WriteString(conn, all[:k]); err != nil {
					t.Error(err)
					return
				}
				all = all[k:]
			}
			_ = conn.(closeWriter).CloseWrite()
		}()
		in := bufio.NewReader(conn)
		for i := range n {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("response %d: %v", i, err)
			}
			if content, err := io.ReadAll(resp.Body); err != nil || string(content) != "home" {
				t.Fatalf("response %d: %q, %v", i, content, err)
			}
		}
		if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
			t.Errorf("then came %q, %v", rest, err)
		}
	})
}

// TestHTTPRefusesAndEnds: the answer to a request that cannot be answered arrives, whatever the client sends behind it.
func TestHTTPRefusesAndEnds(t *testing.T) {
	bothServers(t, func(t *testing.T, a *xdpstack.Host, to string) {
		for request, want := range map[string]int{
			"nonsense\r\n\r\n": 400, "GET / HTTP/1.1\r\n\r\n": 400,
			"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999\r\n\r\n":                        413,
			"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40) + "\r\n": 431,
		} {
			conn := dial(t, a, to)
			if _, err := io.WriteString(conn, request+strings.Repeat("more", 1000)); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%.60q: %v", request, err)
			}
			if resp.StatusCode != want || !resp.Close {
				t.Errorf("%.60q: %d, %v", request, resp.StatusCode, resp.Header)
			}
		}
	})
}

// TestHTTPConnections: one after the other, and many at once, come and go.
func TestHTTPConnections(t *testing.T) {
	bothServers(t, func(t *testing.T, a *xdpstack.Host, to string) {
		get := func() error {
			conn, err := a.Dial("tcp", to)
			if err != nil {
				return err
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
				return err
			}
			b, err := io.ReadAll(conn)
			if err == nil && !bytes.HasSuffix(b, []byte("\r\n\r\nhome")) {
				return fmt.Errorf("%q", b)
			}
			return err
		}
		for i := range 100 {
			if err := get(); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := get(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// TestHTTPCloseEndsConnections, idle or not.
func TestHTTPCloseEndsConnections(t *testing.T) {
	for _, name := range []string{"http", "go-http"} {
		t.Run(name, func(t *testing.T) {
			var conns []net.Conn
			everywhere(t, name+"=:80,"+website(t), func(t *testing.T, a *xdpstack.Host, to string) {
				for _, request := range []string{"", "GET / HTTP/1.1\r\n", "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"} {
					conn, err := a.Dial("tcp", to)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.WriteString(conn, request); err != nil {
						t.Fatal(err)
					}
					conns = append(conns, conn)
				}
			})
			for _, c := range conns {
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				if _, err := io.Copy(io.Discard, c); err != nil && isTimeout(err) {
					t.Error("a connection is still there")
				}
				_ = c.Close()
			}
		})
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}
