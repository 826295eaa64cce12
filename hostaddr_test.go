package xdpstack

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// TestEveryWorkerHasItsAddresses when New returns, not only the one that looked for conflicts: who dialled at once was told
// that there is no address to do it from. The others sleep until they are called, and hear of the call before the
// addresses.
func TestEveryWorkerHasItsAddresses(t *testing.T) {
	addr := netip.MustParsePrefix("198.18.0.1/24")
	for range 20 {
		near, far, err := mem.Cable(mem.CableConfig{Workers: 3})
		if err != nil {
			t.Fatal(err)
		}
		h, err := NewOn(t.Context(), Config{
			Interface: "wire", Addresses: []netip.Prefix{addr}, DAD: umem.Millisecond, Poll: engine.Interrupt, Log: slog.New(slog.DiscardHandler),
		}, near)
		if err != nil {
			t.Fatal(err)
		}
		for worker := range h.Workers() {
			var bound error
			err := h.on(worker, func(s *shard) {
				k, err := s.stack.Open(socket.Datagram, 0, socket.Owner{})
				bound = errors.Join(err, s.stack.Bind(k, netip.AddrPortFrom(addr.Addr(), 7)))
			})
			if err = errors.Join(err, bound); err != nil {
				t.Errorf("worker %d: %v", worker, err)
			}
		}
		if err := errors.Join(h.Close(), far.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
