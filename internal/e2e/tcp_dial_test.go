package e2e

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// hostOn opens a host on host a, in the test's own process.
func hostOn(t testing.TB, l *lab.Lab) (h *xdpstack.Host) {
	t.Helper()
	itf := l.Host("a").Interface()
	err := l.Host("a").Do(func() (err error) {
		h, err = xdpstack.New(t.Context(), xdpstack.Config{
			Interface: itf.Name, Addresses: []netip.Prefix{itf.Stack4, itf.Stack6}, Log: slog.New(slog.DiscardHandler),
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// kernelEcho is an echo of host b's kernel.
func kernelEcho(t testing.TB, l *lab.Lab, family int) netip.AddrPort {
	t.Helper()
	ln, err := l.Host("b").Listen("tcp", netip.AddrPortFrom(l.Host("b").Interface().KernelAddr(family), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
				_ = c.Close()
			}()
		}
	}()
	return addrPort(ln.Addr())
}

// TestDialsTheKernel: our side as the client, as package net has it.
func TestDialsTheKernel(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		h := hostOn(t, l)
		to := kernelEcho(t, l, family)
		seed := testenv.Seed(t)
		call := func(ctx context.Context, n int64, seed uint64, opened func()) error {
			c, err := h.DialContext(ctx, "tcp", to.String())
			if err != nil {
				return err
			}
			defer c.Close()
			opened()
			_ = c.SetDeadline(time.Now().Add(4 * patience))
			return exchange(c.(halfCloser), n, seed)
		}
		if err := call(t.Context(), 20<<20, seed, func() {}); err != nil {
			t.Errorf("20 MB: %v", err)
		}
		for i := range 200 {
			if err := call(t.Context(), int64(i), seed, func() {}); err != nil {
				t.Fatalf("connection %d in a row: %v", i, err)
			}
		}
		for i, err := range crowd(t.Context(), l, 100, func(ctx context.Context, i int, opened func()) error {
			return call(ctx, 100_000, seed+uint64(i), opened)
		}, func() {}) {
			if err != nil {
				t.Errorf("connection %d of many at once: %v", i, err)
			}
		}
		failures(t, l, h, to)
	})
}

// failures are the ways of a connection to end that are not its own. The last is the end of the host.
func failures(t *testing.T, l *lab.Lab, h *xdpstack.Host, to netip.AddrPort) {
	closed := netip.AddrPortFrom(to.Addr(), 1)
	if _, err := h.DialContext(t.Context(), "tcp", closed.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("to a port that nobody listens on: %v", err)
	}
	nobody := netip.AddrPortFrom(to.Addr().Next().Next().Next(), 7)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := h.DialContext(ctx, "tcp", nobody.String()); !isTimeout(err) {
		t.Errorf("to an address that nobody has: %v", err)
	}
	ln, err := l.Host("b").Listen("tcp", netip.AddrPortFrom(to.Addr(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			reset(c.(*net.TCPConn))
		}
	}()
	c, err := h.DialContext(t.Context(), "tcp", ln.Addr().String())
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("from who resets: %v", err)
	}
	open, err := h.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := open.Read(make([]byte, 1))
		ended <- err
	}()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("of a host that was closed: %v", err)
	}
	if _, err := h.DialContext(t.Context(), "tcp", to.String()); err == nil {
		t.Error("a host that was closed connects")
	}
}
