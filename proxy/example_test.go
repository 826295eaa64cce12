package proxy_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/proxy"
)

// Clients of port 80, by IPv4 and IPv6, go to two backends in turn, which are told the clients'
// addresses. It needs root and a device.
func ExampleNew() {
	ctx := context.Background()
	host, err := xdpstack.New(ctx, xdpstack.Config{
		Interface: "eth1",
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.2/24"), netip.MustParsePrefix("2001:2::2/64")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	p, err := proxy.New(host, proxy.Config{
		Listeners: []proxy.Listener{{
			Address:  ":80",
			Backends: []netip.AddrPort{netip.MustParseAddrPort("198.18.0.9:8080"), netip.MustParseAddrPort("198.18.0.10:8080")},
			Header:   proxy.HeaderV2,
		}},
		Grace: 10 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := host.Wait(ctx); err != nil {
		log.Print(err)
	}
	if err := p.Close(); err != nil { // whoever is connected has ten seconds to finish
		log.Print(err)
	}
	st := p.Stats()
	fmt.Printf("%d clients, %d frames forwarded as they came, copied: %v\n", st.Accepted, st.Forwarded, st.Copied)
}
