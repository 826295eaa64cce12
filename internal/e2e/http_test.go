package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// website makes a folder with a file of 612 octets and a large one, whose SHA-256 it returns.
func website(t testing.TB, large int64) (dir, sum string) {
	t.Helper()
	dir = t.TempDir()
	hash := sha256.New()
	f, err := os.Create(filepath.Join(dir, "large.bin"))
	if err == nil {
		_, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(random(testenv.Seed(t)), large))
		err = errors.Join(err, f.Close(), os.WriteFile(filepath.Join(dir, "index.html"), bytes.Repeat([]byte("x"), 612), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, fmt.Sprintf("%x", hash.Sum(nil))
}

// web runs both HTTP servers on host a.
func web(t testing.TB, l *lab.Lab, dir string, words ...string) *process {
	t.Helper()
	return run(t, l, append([]string{"--service", "http=:80," + dir, "--service", "go-http=:8080," + dir}, words...)...)
}

// servers are their ports.
var servers = []struct {
	name string
	port uint16
}{{"http", 80}, {"go-http", 8080}}

// curl runs curl on host b and returns what it prints.
func curl(t testing.TB, l *lab.Lab, words ...string) string {
	t.Helper()
	words = append([]string{testenv.Tool(t, "curl"), "-sS", "--max-time", "60"}, words...)
	c := l.Host("b").Command(t.Context(), words...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Errorf("%v: %v: %s", words, err, stderr.String())
	}
	return string(out)
}

// TestHTTPTransfers: curl fetches and sends 100 MB.
func TestHTTPTransfers(t *testing.T) {
	const size = 100 << 20
	dir, sum := website(t, size)
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir)
		for _, s := range servers {
			transfer(t, l, s.name, at(l, family, s.port), dir, sum)
			url := "http://" + at(l, family, s.port).String() + "/upload"
			if h := curl(t, l, "-H", "Transfer-Encoding: chunked", "-T", filepath.Join(dir, "large.bin"), url); h != sum+"\n" {
				t.Errorf("%s: sent in chunks: %q, want %s", s.name, h, sum)
			}
		}
		p.gone()
		p.summary()
	})
}

// TestHTTPOverABadWire: 20 MB, while 1 % of the packets are lost and 1 % late, each way.
func TestHTTPOverABadWire(t *testing.T) {
	const (
		size  = 20 << 20
		limit = 180 * time.Second // a fraction of that on a machine that does nothing else
	)
	dir, sum := website(t, size)
	seed := testenv.Seed(t)
	eachLabAtOnce(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir, "--impair", fmt.Sprintf("loss=1%%,reorder=1%%,seed=%d", seed))
		// The kernel's recovery towards a receiver without SACK and timestamps may wait out one timeout after the other, each
		// twice as long: seen with these two on, up to a minute.
		for _, s := range []string{"ipv4/tcp_recovery", "ipv4/tcp_frto"} {
			if err := l.Host("b").Setting(s, "0"); err != nil {
				t.Fatal(err)
			}
		}
		trace(t, l)
		began := time.Now()
		transfer(t, l, "http", at(l, family, 80), dir, sum)
		if took := time.Since(began); took > limit {
			t.Errorf("it took %v, more than %v", took, limit)
		}
		p.gone()
		p.summary()
	})
}

// transfer fetches the large file, and sends it.
func transfer(t *testing.T, l *lab.Lab, server string, to netip.AddrPort, dir, sum string) {
	t.Helper()
	url := "http://" + to.String()
	got := filepath.Join(t.TempDir(), "got")
	began := time.Now()
	curl(t, l, "-o", got, url+"/large.bin")
	fetched := time.Since(began)
	if h := hashOf(t, got); h != sum {
		t.Errorf("%s: fetched %s, want %s", server, h, sum)
	}
	began = time.Now()
	if h := curl(t, l, "-T", filepath.Join(dir, "large.bin"), url+"/upload"); h != sum+"\n" {
		t.Errorf("%s: sent: %q, want %s", server, h, sum)
	}
	t.Logf("%s: fetched in %v, sent in %v", server, fetched, time.Since(began))
}

func hashOf(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// TestHTTPWithCurl: what curl can ask for besides.
func TestHTTPWithCurl(t *testing.T) {
	dir, _ := website(t, 1<<20)
	whole, err := os.ReadFile(filepath.Join(dir, "large.bin"))
	if err != nil {
		t.Fatal(err)
	}
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir)
		for _, s := range servers {
			to := "http://" + at(l, family, s.port).String()
			if got := curl(t, l, "-r", "700000-899999", to+"/large.bin"); got != string(whole[700000:900000]) {
				t.Errorf("%s: a range has %d octets, or others", s.name, len(got))
			}
			code := []string{"-o", os.DevNull, "-w", "%{http_code} %{num_connects}\n"}
			for _, c := range []struct {
				words []string
				want  string
			}{
				{[]string{"-I", to}, "200 1\n"},
				{[]string{"-0", to}, "200 1\n"},
				{[]string{"-H", "Connection: close", to}, "200 1\n"},
				{append(append([]string{to}, code...), to), "200 1\n200 0\n"},
				{[]string{"-z", filepath.Join(dir, "index.html"), to}, "304 1\n"},
				{[]string{"-r", "1000-", to}, "416 1\n"},
				{[]string{"--path-as-is", to + "/../../etc/passwd"}, map[string]string{"http": "400 1\n", "go-http": "307 1\n"}[s.name]},
				{[]string{"-X", "DELETE", to}, "405 1\n"},
				{[]string{to + "/none"}, "404 1\n"},
			} {
				if got := curl(t, l, append(code, c.words...)...); got != c.want {
					t.Errorf("%s: %v: %q, want %q", s.name, c.words, got, c.want)
				}
			}
		}
		p.gone()
		p.summary()
	})
}

// TestHTTPConnections: 1,000 in a row, 500 at once; none is refused, none stuck, none left.
func TestHTTPConnections(t *testing.T) {
	dir, _ := website(t, 1<<20)
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir)
		for _, s := range servers {
			to := at(l, family, s.port)
			for i := range 1000 {
				if err := fetch(t.Context(), l, to); err != nil {
					t.Fatalf("%s, connection %d: %v", s.name, i, err)
				}
			}
			var all sync.WaitGroup
			for range 500 {
				all.Go(func() {
					if err := fetch(t.Context(), l, to); err != nil {
						t.Errorf("%s: %v", s.name, err)
					}
				})
			}
			all.Wait()
		}
		p.gone()
		p.summary()
	})
}

// fetch gets the small file on a connection of its own, which it resets: in TIME-WAIT the client would run out of ports.
func fetch(ctx context.Context, l *lab.Lab, to netip.AddrPort) error {
	c, err := dialed(ctx, l, to)
	if err != nil {
		return err
	}
	defer reset(c)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != 200 || len(content) != 612) {
		return fmt.Errorf("%d, %d octets", resp.StatusCode, len(content))
	}
	return err
}

// TestHTTPMalformed: nc sends what is no request, is told so, and the connection ends.
func TestHTTPMalformed(t *testing.T) {
	dir, _ := website(t, 1<<20)
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir)
		for _, s := range servers {
			to := at(l, family, s.port)
			for request, want := range map[string]string{
				"nonsense\r\n\r\n":                             "400",
				"GET / HTTP/1.1\r\nHost : a\r\n\r\n":           "400",
				"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": "400",
				"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: br\r\n\r\n": "501",
				"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n":          "431",
				"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n":               "413",
			} {
				c := l.Host("b").Command(t.Context(), testenv.Tool(t, "nc"), "-w", "10", to.Addr().String(), strconv.Itoa(int(to.Port())))
				c.Stdin = strings.NewReader(request)
				out, err := c.Output()
				if err != nil || !strings.HasPrefix(string(out), "HTTP/1.1 "+want) {
					t.Errorf("%s: %.60q: %.60q, %v", s.name, request, out, err)
				}
			}
		}
		p.gone()
		p.summary()
	})
}

// TestHTTPSlowLoris: 400 clients that send an octet a second are given up on; others are served meanwhile.
func TestHTTPSlowLoris(t *testing.T) {
	dir, _ := website(t, 1<<20)
	l := newLab(t)
	p := web(t, l, dir)
	var slow sync.WaitGroup
	for i := range 400 {
		to := at(l, 4+i%2*2, servers[i/2%2].port)
		slow.Go(func() {
			if err := crawl(t.Context(), l, to); err != nil {
				t.Error(err)
			}
		})
	}
	over := make(chan struct{})
	go func() {
		slow.Wait()
		close(over)
	}()
	served := 0
	for done := false; !done; served++ {
		if err := fetch(t.Context(), l, at(l, 4+served%2*2, servers[served/2%2].port)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-over:
			done = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Logf("%d others were served", served)
	p.gone()
	p.summary()
}

// crawl sends an octet of a head a second, without end, and waits for the server to have enough of it.
func crawl(ctx context.Context, l *lab.Lab, to netip.AddrPort) error {
	c, err := dialed(ctx, l, to)
	if err != nil {
		return err
	}
	defer c.Close()
	ended := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, c)
	}()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nX: ")
	for {
		select {
		case <-ended:
			if took := time.Since(began); took < 8*time.Second {
				return fmt.Errorf("%v: given up on after %v", to, took)
			}
			return nil
		case <-time.After(time.Second):
			_, _ = io.WriteString(c, "x")
		}
	}
}

// TestHTTPClientsThatDoNotRead: they ask for one large file after the other, as long as the server takes that; others are
// served meanwhile, and afterwards nothing is left.
func TestHTTPClientsThatDoNotRead(t *testing.T) {
	dir, _ := website(t, 8<<20)
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir)
		ask := bytes.Repeat([]byte("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"), 1<<10)
		for _, s := range servers {
			var all sync.WaitGroup
			idle := make(chan *net.TCPConn, 200)
			for range cap(idle) {
				all.Go(func() {
					c, err := dialed(t.Context(), l, at(l, family, s.port))
					if err != nil {
						t.Error(err)
						return
					}
					idle <- c
					_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
					for err == nil {
						_, err = c.Write(ask)
					}
				})
			}
			all.Wait()
			for range 20 {
				if err := fetch(t.Context(), l, at(l, family, s.port)); err != nil {
					t.Errorf("%s: %v", s.name, err)
					for _, w := range p.stats().Workers {
						t.Logf("worker %d: %+v, %+v", w.Worker, w.Frames, w.Stack.TCP)
					}
				}
			}
			close(idle)
			for c := range idle {
				reset(c)
			}
		}
		p.gone()
		p.summary()
	})
}

// TestHTTPUnderLoad: wrk gets nothing but what it asks for.
func TestHTTPUnderLoad(t *testing.T) {
	dir, _ := website(t, 1<<20)
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := web(t, l, dir)
		for _, s := range servers {
			out, err := l.Host("b").Command(t.Context(), testenv.Tool(t, "wrk"), "-t1", "-c32", "-d1s", "http://"+at(l, family, s.port).String()+"/").Output()
			if err != nil || bytes.Contains(out, []byte("errors")) || bytes.Contains(out, []byte("Non-2xx")) {
				t.Errorf("%s: %v: %s", s.name, err, out)
			}
			t.Logf("%s: %s", s.name, requestRate.Find(out))
		}
		p.gone()
		p.summary()
	})
}

var requestRate = regexp.MustCompile(`Requests/sec: .*`)
