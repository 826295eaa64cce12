package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// proxyLab is routedLab with the clients on b, the proxy on a, and the backends on c.
func proxyLab(t testing.TB, queues int) *lab.Lab {
	t.Helper()
	for _, program := range []string{"nginx", "curl"} {
		testenv.Tool(t, program)
	}
	return routedLab(t, queues)
}

// routedLab is three hosts, of which b routes.
//
//	a (stack) ═══ b ═══ c
func routedLab(t testing.TB, queues int) *lab.Lab {
	t.Helper()
	l := labtest.New(t, lab.Config{Hosts: []string{"b", "a", "c"}, Queues: queues})
	for _, s := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := l.Host("b").Setting(s, "1"); err != nil {
			t.Fatal(err)
		}
	}
	router := l.Host("b").Interfaces()[1]
	err := l.Host("c").Do(func() error {
		link, err := netlink.LinkByName(l.Host("c").Interface().Name)
		if err != nil {
			return err
		}
		for _, r := range []struct {
			all string
			via netip.Prefix
		}{{"0.0.0.0/0", router.Kernel4}, {"::/0", router.Kernel6}} {
			_, dst, _ := net.ParseCIDR(r.all)
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Gw: r.via.Addr().AsSlice()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// backendConfig is nginx with a directory, with a server that says what the PROXY protocol told it, and with another that
// takes PUT.
const backendConfig = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path %[1]s/tmp;
	proxy_temp_path %[1]s/tmp;
	fastcgi_temp_path %[1]s/tmp;
	uwsgi_temp_path %[1]s/tmp;
	scgi_temp_path %[1]s/tmp;
	client_max_body_size 200m;
	server { listen 80; listen [::]:80; root %[1]s; location /put/ { dav_methods PUT; create_full_put_path on; } }
	server { listen 81 proxy_protocol; listen [::]:81 proxy_protocol; location / { return 200 "$proxy_protocol_addr $proxy_protocol_port"; } }
}
`

// serveFiles starts nginx on host c, with a file named "file" of n octets, and returns its
// directory and the file's hash.
func serveFiles(t *testing.T, l *lab.Lab, n int) (dir string, sum [sha256.Size]byte) {
	t.Helper()
	dir = t.TempDir()
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	if err := os.WriteFile(filepath.Join(dir, "file"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, "user root;\n"+backendConfig, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := l.Host("c").Command(ctx, "nginx", "-p", dir, "-c", config)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", stderr.String())
		}
	})
	at := netip.AddrPortFrom(l.Host("c").Interface().Kernel4.Addr(), 81)
	for deadline := time.Now().Add(5 * time.Second); ; {
		c, err := l.Host("b").Dial(t.Context(), "tcp", at.String())
		if err == nil {
			c.Close()
			return dir, sha256.Sum256(data)
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not answer: %v: %s", err, stderr.String())
		}
	}
}

// startProxy runs the command on host a with its default routes through b.
func startProxy(t *testing.T, l *lab.Lab, words ...string) *process {
	t.Helper()
	return startRouted(t, l, "proxy", words...)
}

// startRouted starts a command of the stack's on host a, with default routes through b, and waits until it is ready.
func startRouted(t testing.TB, l *lab.Lab, verb string, words ...string) *process {
	t.Helper()
	link := l.Host("b").Interfaces()[0]
	p := start(t, l, append([]string{
		verb, "--json", "-i", l.Host("a").Interface().Name, "--addr", link.Stack4.String(), "--addr", link.Stack6.String(),
		"--gateway", link.Kernel4.Addr().String(), "--gateway", link.Kernel6.Addr().String(),
	}, words...)...)
	if line := p.line(); !strings.Contains(line, `"ready":true`) {
		t.Fatalf("instead of being ready it says %q; standard error: %s", line, p.end())
	}
	return p
}

// proxyEnd is what the command prints at its end, as far as tests ask.
type proxyEnd struct {
	Proxy struct {
		Accepted, Unserved, Resets, Forwarded uint64
		Active                                int64
		Copied                                []struct {
			Reason string
			Frames uint64
		}
		Listeners []struct {
			Backends []struct{ Connections, Failures uint64 }
		}
	}
}

// endProxy interrupts the command, and returns what it prints.
func endProxy(p *process) (e proxyEnd) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	line := p.line()
	if stderr := p.end(); p.cmd.ProcessState.ExitCode() != 0 {
		p.t.Errorf("ended with %d: %s", p.cmd.ProcessState.ExitCode(), stderr)
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		p.t.Fatalf("%q: %v", line, err)
	}
	return e
}

// through has curl on host b ask for something; it must end well.
func through(t *testing.T, l *lab.Lab, words ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := l.Host("b").Command(t.Context(), append([]string{"curl", "-sS", "--fail", "--max-time", "60", "-g"}, words...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("curl %v: %v: %s", words, err, stderr.String())
	}
	return out
}

// behind is an address of host c.
func behind(l *lab.Lab, family int, port uint16) string {
	return netip.AddrPortFrom(l.Host("c").Interface().KernelAddr(family), port).String()
}

// atProxy is a URL of the proxy's.
func atProxy(l *lab.Lab, family int, port uint16, path string) string {
	addr := netip.AddrPortFrom(l.Host("b").Interfaces()[0].StackAddr(family), port)
	return "http://" + addr.String() + path
}

// TestProxyOverVeth: nginx behind it, curl before it; each family in and out, one worker and two.
func TestProxyOverVeth(t *testing.T) {
	for _, queues := range []int{1, 2} {
		l := proxyLab(t, queues)
		dir, sum := serveFiles(t, l, proxiedSize)
		for _, in := range []int{4, 6} {
			for _, out := range []int{4, 6} {
				t.Run(fmt.Sprintf("IPv%d to IPv%d, %d queues", in, out, queues), func(t *testing.T) {
					carried(t, l, in, out, dir, sum)
				})
			}
		}
		clean(t, l)
	}
}

const proxiedSize = 20 << 20

// carried gets a file through the proxy, and puts it back.
func carried(t *testing.T, l *lab.Lab, in, out int, dir string, sum [sha256.Size]byte) {
	p := startProxy(t, l, "--listen", ":80", "--to", behind(l, out, 80))
	if sha256.Sum256(through(t, l, atProxy(l, in, 80, "/file"))) != sum {
		t.Error("what came is not the file")
	}
	copied := filepath.Join(dir, "put", "file")
	through(t, l, "-T", filepath.Join(dir, "file"), atProxy(l, in, 80, "/put/file"))
	if back, err := os.ReadFile(copied); err != nil || sha256.Sum256(back) != sum {
		t.Errorf("what was put is not the file (%v)", err)
	}
	_ = os.Remove(copied)
	e := endProxy(p).Proxy
	if e.Accepted != 2 || e.Active != 0 || e.Resets != 0 || e.Forwarded < proxiedSize/1500 {
		t.Errorf("%+v", e)
	}
	most := e.Forwarded / 100 // a frame to whose payload a small one was appended may be larger than a segment
	if in != out {
		most = 2 * proxiedSize / 1000 // the one way or the other: from IPv4 to IPv6
	}
	for _, c := range e.Copied {
		if c.Frames > most {
			t.Errorf("copied %d, %s; forwarded %d", c.Frames, c.Reason, e.Forwarded)
		}
	}
}

// TestProxyManyOverVeth: 500 clients at once, and 500 one after the other; none is refused, and none is left.
func TestProxyManyOverVeth(t *testing.T) {
	const size, clients = 20_000, 500
	for _, queues := range []int{1, 2} {
		t.Run(fmt.Sprint(queues, " queues"), func(t *testing.T) {
			l := proxyLab(t, queues)
			_, sum := serveFiles(t, l, size)
			p := startProxy(t, l, "--listen", ":80", "--to", behind(l, 4, 80))
			at := netip.AddrPortFrom(l.Host("b").Interfaces()[0].StackAddr(6), 80)
			var all sync.WaitGroup
			for range clients {
				all.Go(func() { askOnce(t, l, at, sum) })
			}
			all.Wait()
			for range clients {
				askOnce(t, l, at, sum)
			}
			if e := endProxy(p).Proxy; e.Accepted != 2*clients || e.Active != 0 || e.Resets != 0 || e.Unserved != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// askOnce gets the file over a connection of its own.
func askOnce(t *testing.T, l *lab.Lab, at netip.AddrPort, sum [sha256.Size]byte) {
	c, err := l.Host("b").Dial(t.Context(), "tcp", at.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Error(err)
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Error(err)
		return
	}
	h := sha256.New()
	if _, err := io.Copy(h, answer.Body); err != nil || [sha256.Size]byte(h.Sum(nil)) != sum {
		t.Errorf("what came is not the file (%v)", err)
	}
}

// TestProxyOnABadWire: 1 % of all packets lost and 1 % late, on the way in and out, of clients and backends.
func TestProxyOnABadWire(t *testing.T) {
	const size = 2 << 20
	l := proxyLab(t, 1)
	_, sum := serveFiles(t, l, size)
	p := startProxy(t, l, "--listen", ":80", "--to", behind(l, 4, 80), "--impair", "loss=1%,reorder=1%,seed=7")
	for _, in := range []int{4, 6} {
		if sha256.Sum256(through(t, l, atProxy(l, in, 80, "/file"))) != sum {
			t.Errorf("IPv%d: what came is not the file", in)
		}
	}
	if e := endProxy(p).Proxy; e.Accepted != 2 || e.Active != 0 || e.Resets != 0 {
		t.Errorf("%+v", e)
	}
}

// TestProxyProtocolOverVeth: nginx reads both versions.
func TestProxyProtocolOverVeth(t *testing.T) {
	l := proxyLab(t, 2)
	serveFiles(t, l, 1)
	for _, version := range []string{"v1", "v2"} {
		for _, in := range []int{4, 6} {
			for _, out := range []int{4, 6} {
				t.Run(fmt.Sprintf("%s, IPv%d to IPv%d", version, in, out), func(t *testing.T) {
					p := startProxy(t, l, "--listen", ":80", "--to", behind(l, out, 81), "--proxy-protocol", version)
					got := strings.Fields(string(through(t, l, "--local-port", "20000-30000", atProxy(l, in, 80, "/"))))
					client := l.Host("b").Interfaces()[0].KernelAddr(in).String()
					if len(got) != 2 || got[0] != client || len(got[1]) != 5 {
						t.Errorf("nginx was told %q; the client is %s", got, client)
					}
					endProxy(p)
				})
			}
		}
	}
}

// TestProxyFailoverOverVeth: one backend refuses, one is no host; the third serves.
func TestProxyFailoverOverVeth(t *testing.T) {
	l := proxyLab(t, 2)
	_, sum := serveFiles(t, l, 100_000)
	nobody := netip.AddrPortFrom(l.Host("c").Interface().Kernel4.Addr().Next().Next().Next(), 80).String()
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	text := fmt.Sprintf("listeners:\n  - listen: [':80']\n    to: ['%s', '%s', '%s']\nconnect-timeout: 300ms\n", behind(l, 4, 9999), nobody, behind(l, 4, 80))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, l, "-c", file)
	for range 5 {
		if sha256.Sum256(through(t, l, atProxy(l, 4, 80, "/file"))) != sum {
			t.Error("what came is not the file")
		}
	}
	e := endProxy(p).Proxy
	b := e.Listeners[0].Backends
	if b[0].Failures != 1 || b[1].Failures != 1 || b[2].Connections != 5 || e.Unserved != 0 {
		t.Errorf("%+v", e)
	}
}
