package proxy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	c := Config{Listeners: []Listener{{Address: ":80", Backends: []netip.AddrPort{netip.MustParseAddrPort("198.18.0.9:80")}}}}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if c.ConnectTimeout != 3*time.Second || c.IdleTimeout != 5*time.Minute || c.HalfClosedTimeout != time.Minute ||
		c.RetryAfter != 5*time.Second || c.Grace != 0 || c.MaxConnections != 8000 || c.Listeners[0].Network != "tcp" {
		t.Errorf("%+v", c)
	}
}

func TestWrongConfigs(t *testing.T) {
	good := netip.MustParseAddrPort("198.18.0.9:80")
	one := func(l Listener) Config { return Config{Listeners: []Listener{l}} }
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "give 1 to 256"},
		{Config{Listeners: make([]Listener, 257)}, "give 1 to 256"},
		{one(Listener{Backends: []netip.AddrPort{good}}), `such as ":80"`},
		{one(Listener{Address: ":80"}), "give 1 to 1024"},
		{one(Listener{Address: ":80", Backends: make([]netip.AddrPort, 1025)}), "give 1 to 1024"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{{}}}), "invalid AddrPort"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{netip.MustParseAddrPort("198.18.0.9:0")}}), "198.18.0.9:0 is not"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:80")}}), "0.0.0.0:80 is not"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{netip.MustParseAddrPort("[ff02::1]:80")}}), "[ff02::1]:80 is not"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}}), "127.0.0.1:80: loopback is the kernel's"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{netip.MustParseAddrPort("[::1]:80")}}), "[::1]:80: loopback is"},
		{one(Listener{Address: ":80", Backends: []netip.AddrPort{good}, Header: 3}), "there are 1 and 2"},
		{Config{ConnectTimeout: -1}, "ConnectTimeout"},
		{Config{IdleTimeout: -1}, "IdleTimeout"},
		{Config{HalfClosedTimeout: -1}, "HalfClosedTimeout"},
		{Config{RetryAfter: -1}, "RetryAfter"},
		{Config{Grace: -1}, "Grace"},
		{Config{MaxConnections: -1}, "MaxConnections"},
	} {
		_, err := New(nil, c.cfg)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want one line with %q", err, c.want)
		}
	}
}
