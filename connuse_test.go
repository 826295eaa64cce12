package xdpstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// TestHTTPOverConns: the server and the client of package net/http, many at once, with bodies larger
// than any queue on the way.
func TestHTTPOverConns(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		l := n.listen(t)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(body) // what fails, the client sees
		})}
		go func() { _ = srv.Serve(l) }()
		transport := &http.Transport{DialContext: n.a.DialContext, MaxIdleConnsPerHost: 8}
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 10 {
					want := bytes.Repeat([]byte{byte(g), byte(i)}, 1<<(2*i))
					res, err := client.Post("http://"+l.Addr().String(), "", bytes.NewReader(want))
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d octets came back of %d: %v", len(got), len(want), err)
					}
				}
			})
		}
		wg.Wait()
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestConnHoldsNoFrameWhenIdle: what was read is given back, though nobody reads on.
func TestConnHoldsNoFrameWhenIdle(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		a, b := n.pipe(t)()
		for _, size := range []int{1, 100, 5000, 50_000} {
			if _, err := a.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(b, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			for ctx := patience(t); ; yield() {
				var held int
				err := n.b.on(b.worker, func(s *shard) {
					var h umem.Holders
					s.Holders(&h)
					held = h.Holds[umem.HoldApp] + h.Holds[umem.HoldReceive]
				})
				if err != nil {
					t.Fatal(err)
				}
				if held == 0 {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("%d frames are held after %d octets were read", held, size)
				}
			}
		}
	})
}

// TestConnNoDelay: without it the second of two small writes waits until the first is acknowledged,
// and the peer takes its time for that.
func TestConnNoDelay(t *testing.T) {
	n := oneNet(t, 1)
	next := n.pipe(t)
	two := func(noDelay bool) time.Duration {
		a, b := next()
		if err := a.SetNoDelay(noDelay); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 2 {
			if _, err := fmt.Fprint(a, "x"); err != nil {
				t.Fatal(err)
			}
			if err := n.a.on(a.worker, func(*shard) {}); err != nil { // the worker has it
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(b, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	with, without := two(true), two(false)
	t.Logf("%v with it, %v without", with, without)
	if without < 20*time.Millisecond {
		t.Errorf("two octets arrived within %v", without)
	}
}

// TestConnStorm: everything that goroutines may do with a connection, at any time. Nothing
// hangs, and no frame is lost.
func TestConnStorm(t *testing.T) {
	eachTCP(t, func(t *testing.T, n tcpNet) {
		seed := testenv.Seed(t)
		next := n.pipe(t)
		var wg sync.WaitGroup
		for i := range uint64(40) {
			a, b := next()
			for side, c := range []*tcpConn{a, b} {
				_ = c.SetDeadline(time.Time{})
				wg.Go(func() { stormRead(c) })
				wg.Go(func() { stormWrite(rand.New(rand.NewPCG(seed, 4*i+uint64(side))), c) })
				wg.Go(func() { stormMeddle(rand.New(rand.NewPCG(seed, 4*i+uint64(side)+2)), c) })
			}
		}
		wg.Wait()
	})
}

// over reports whether a connection is of no use any more.
func over(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func stormRead(c *tcpConn) {
	buf := make([]byte, 10_000)
	for {
		if _, err := c.Read(buf); over(err) {
			return
		}
	}
}

func stormWrite(r *rand.Rand, c *tcpConn) {
	for {
		if _, err := c.Write(make([]byte, r.IntN(1<<r.IntN(18)))); over(err) {
			return
		}
	}
}

// stormMeddle ends with Close.
func stormMeddle(r *rand.Rand, c *tcpConn) {
	soon := func() time.Time { return time.Now().Add(time.Duration(r.IntN(1000)) * time.Microsecond) }
	for range r.IntN(30) {
		switch r.IntN(12) {
		case 0:
			_ = c.CloseWrite()
		case 1:
			_ = c.CloseRead()
		case 2, 3:
			_ = c.SetReadDeadline(soon())
		case 4, 5:
			_ = c.SetWriteDeadline(soon())
		case 6:
			_ = c.SetLinger(-r.IntN(2))
		case 7:
			_ = c.SetNoDelay(r.IntN(2) == 0)
		case 8:
			_ = c.SetDeadline(time.Time{})
		default:
			<-time.After(time.Until(soon()))
		}
	}
	_ = c.Close()
}
