package hosttest

import (
	"log/slog"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine/mem"
)

// Frames is how many each worker of a host has.
const Frames = 4096

// Addrs4 and Addrs6 are the addresses of host a and host b.
var (
	Addrs4 = [2]netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")}
	Addrs6 = [2]netip.Addr{netip.MustParseAddr("2001:2::1"), netip.MustParseAddr("2001:2::2")}
)

// Pair makes two hosts on one wire, closed when the test ends. change alters
// the configuration of both before they start.
func Pair(t testing.TB, workers int, change ...func(c *xdpstack.Config)) (a, b *xdpstack.Host) {
	t.Helper()
	da, db, err := mem.Cable(mem.CableConfig{Workers: workers, Frames: Frames})
	if err != nil {
		t.Fatal(err)
	}
	hosts := [2]*xdpstack.Host{}
	for i, d := range []xdpstack.Device{da, db} {
		hosts[i] = New(t, i, d, change...)
	}
	return hosts[0], hosts[1]
}

// New makes host a (0) or b (1) on a device, closed when the test ends.
func New(t testing.TB, which int, dev xdpstack.Device, change ...func(c *xdpstack.Config)) *xdpstack.Host {
	t.Helper()
	cfg := xdpstack.Config{
		Interface: "wire",
		Addresses: []netip.Prefix{netip.PrefixFrom(Addrs4[which], 24), netip.PrefixFrom(Addrs6[which], 64)},
		DAD:       -1, LedgerEvery: 1,
		Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	h, err := xdpstack.NewOn(t.Context(), cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("closing host %c: %v", 'a'+which, err)
		}
	})
	return h
}
