package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// Shape of the demo's downloads.
const (
	demoDownload = 32 << 20 // octets
	demoRequests = 20       // looks at the workers, of which the fastest request is shown
	demoConns    = 16       // so that each worker has some
	demoAsk      = 10000    // requests until each worker must have seen one
	demoLeast    = 100      // octets of a packet with a request at least
	demoPage     = 1000     // octets of the small page, more than a request has
	demoBackend  = 8080
)

// download is a file fetched through the proxy.
type download struct {
	From    string  `json:"from"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	SHA256  string  `json:"sha256"`
	Intact  bool    `json:"intact"`
}

// carry runs the proxy on host a, between the kernel's client and the kernel's server,
// both on host b, and fetches a file through it, whose hash is checked.
func (d *demo) carry(ctx context.Context) (err error) {
	b := d.lab.Host("b")
	backend := netip.AddrPortFrom(b.Interface().Kernel4.Addr(), demoBackend)
	file := newDemoFile()
	stop, err := file.serve(b, backend)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	itf := d.lab.Host("a").Interface()
	stack, err := d.startOn(ctx, "proxy", itf, "--listen", ":80", "--to", backend.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.end()) }()
	var ready struct{}
	if err := stack.next(&ready); err != nil {
		return err
	}
	d.say("\nproxy on %s, from port 80 to %s:\n", itf.Name, backend)
	for _, a := range []netip.Addr{itf.Stack4.Addr(), itf.Stack6.Addr()} {
		if err := d.fetch(ctx, b, a, file); err != nil {
			return err
		}
	}
	if err := d.request(ctx, stack, b, itf.Stack4.Addr()); err != nil {
		return err
	}
	return d.carried(stack)
}

// fetch downloads the file by HTTP.
func (d *demo) fetch(ctx context.Context, from *lab.Host, to netip.Addr, file *demoFile) error {
	client := demoClient(from)
	defer client.CloseIdleConnections()
	url := "http://" + netip.AddrPortFrom(to, 80).String() + "/file"
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	start := time.Now()
	r, err := client.Do(q)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer r.Body.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	if err != nil {
		return fmt.Errorf("demo: %s: %w", url, err)
	}
	got := fmt.Sprintf("%x", hash.Sum(nil))
	f := download{From: url, Bytes: n, Seconds: time.Since(start).Seconds(), SHA256: got, Intact: got == file.sum}
	d.report.Downloads = append(d.report.Downloads, f)
	d.say("  %-28s %d MiB in %.2f s, %.2f Gbit/s, SHA-256 %s…: the server's file: %v\n",
		url, n>>20, f.Seconds, float64(n)*8/f.Seconds/1e9, got[:16], f.Intact)
	if !f.Intact {
		return fmt.Errorf("demo: %s: the file that came is not the file that was sent", url)
	}
	return nil
}

// request follows requests through the proxy, and shows the one that was fastest. The
// connections stand already: what a worker meets first is a request, or the answer to one,
// which is longer.
func (d *demo) request(ctx context.Context, stack *demoStack, from *lab.Host, to netip.Addr) error {
	var clients [demoConns]*http.Client
	for i := range clients {
		clients[i] = demoClient(from)
		defer clients[i].CloseIdleConnections()
		if err := ask(ctx, clients[i], to); err != nil {
			return err
		}
	}
	seen := 0
	for range demoRequests {
		if err := stack.trace(); err != nil {
			return err
		}
		for range stack.workers {
			for at := 0; len(stack.lines) == 0 && at < demoAsk; at++ {
				if err := ask(ctx, clients[at%demoConns], to); err != nil {
					return err
				}
			}
			var life packetLife
			if err := stack.next(&life); err != nil {
				return err
			}
			if !life.Same || life.Bytes < demoLeast || life.Bytes > demoPage {
				continue
			}
			if seen++; seen == 1 || life.total() < d.report.Request.total() {
				d.report.Request = life
			}
		}
	}
	if seen == 0 {
		return errors.New("demo: no request left in the frame that it came in")
	}
	d.say("\nthe life of one request, forwarded to the backend, the fastest of %d: ", seen)
	if !wantsJSON(d.cmd) {
		d.report.Request.print(d.cmd.OutOrStdout())
	}
	return nil
}

// ask fetches the small page.
func ask(ctx context.Context, client *http.Client, to netip.Addr) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+netip.AddrPortFrom(to, 80).String()+"/", nil)
	if err != nil {
		return err
	}
	r, err := client.Do(q)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer r.Body.Close()
	if _, err = io.Copy(io.Discard, r.Body); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// carried shows what the proxy counted.
func (d *demo) carried(stack *demoStack) error {
	if err := stack.interrupt(); err != nil {
		return err
	}
	var sum struct {
		Proxy struct {
			Accepted  uint64 `json:"accepted"`
			ToClients uint64 `json:"to_clients"`
			Forwarded uint64 `json:"forwarded"`
			Copied    []struct {
				Reason string `json:"reason"`
				Frames uint64 `json:"frames"`
			} `json:"copied"`
		} `json:"proxy"`
	}
	if err := stack.next(&sum); err != nil {
		return err
	}
	d.report.Forwarded = sum.Proxy.Forwarded
	d.say("%d clients, %d octets to them; %d frames left as they came", sum.Proxy.Accepted, sum.Proxy.ToClients, sum.Proxy.Forwarded)
	for _, c := range sum.Proxy.Copied {
		d.say(", %d copied (%s)", c.Frames, c.Reason)
	}
	d.say("\n")
	return nil
}

// demoClient is a client of the kernel's TCP on a host of the lab.
func demoClient(from *lab.Host) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: from.Dial, DisableCompression: true}}
}

// demoFile is what the backend serves.
type demoFile struct {
	octets []byte
	sum    string
}

func newDemoFile() *demoFile {
	f := &demoFile{octets: make([]byte, demoDownload)}
	_, _ = rand.NewChaCha8([32]byte{}).Read(f.octets) // it never fails
	f.sum = fmt.Sprintf("%x", sha256.Sum256(f.octets))
	return f
}

// serve has the kernel's TCP of a host serve the file, until stop.
func (f *demoFile) serve(on *lab.Host, at netip.AddrPort) (stop func() error, err error) {
	l, err := on.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("demo: the backend: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(f.octets) })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(f.octets[:demoPage]) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: demoPatience}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	return func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) && !errors.Is(served, net.ErrClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
