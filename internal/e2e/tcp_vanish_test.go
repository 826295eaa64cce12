package e2e

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// TestClientsThatVanish: the router drops what is to and from host c, where clients were in the middle of much data. Others go
// on; what is kept for those is bounded; and when there is a way to c again, which has forgotten them, they are gone.
func TestClientsThatVanish(t *testing.T) {
	const victims = 10
	l := routedLab(t, 2)
	forwarding := func(on string) {
		for _, s := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := l.Host("b").Setting(s, on); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := startRouted(t, l, "run", "--service", "echo", "--service", "chargen")
	link := l.Host("b").Interfaces()[0]
	var gone []*net.TCPConn
	for i := range victims {
		to := netip.AddrPortFrom(link.StackAddr(4+i%2*2), chargenPort)
		c, err := l.Host("c").Dial(t.Context(), "tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		gone = append(gone, c.(*net.TCPConn))
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	steady := dial(t, l, netip.AddrPortFrom(link.StackAddr(4), echoPort))
	if err := roundTrip(steady, "before"); err != nil {
		t.Fatal(err)
	}
	fromC := func(s *xdpstack.SocketInfo) bool {
		return s.Peer.Port() != 0 && s.Peer.Addr() != l.Host("b").Interfaces()[0].KernelAddr(4) && connections(s)
	}
	if n := len(p.sockets(fromC)); n != victims {
		t.Fatalf("%d connections, not %d", n, victims)
	}

	forwarding("0")
	trips := 0
	unanswered := func(s *xdpstack.SocketInfo) bool { return fromC(s) && s.Retransmits >= 3 }
	for deadline := time.Now().Add(patience); len(p.sockets(unanswered)) < victims; trips++ {
		if time.Now().After(deadline) {
			t.Fatalf("sent again three times for %d of %d", len(p.sockets(unanswered)), victims)
		}
		if err := roundTrip(steady, fmt.Sprintf("beside %d", trips)); err != nil {
			t.Fatalf("another connection, after %d round trips: %v", trips, err)
		}
	}
	for _, s := range p.sockets(fromC) {
		if s.SendQueue == 0 || s.SendQueue > sendLimit {
			t.Errorf("%d octets are kept for %v", s.SendQueue, s.Peer)
		}
	}
	if err := exchange(dial(t, l, netip.AddrPortFrom(link.StackAddr(6), echoPort)), 20<<20, testenv.Seed(t)); err != nil {
		t.Errorf("beside them: %v", err)
	}
	for _, c := range gone {
		reset(c) // the RST is lost
	}
	if n := len(p.sockets(fromC)); n != victims {
		t.Errorf("%d of %d connections are there, and nobody could tell", n, victims)
	}
	forwarding("1")
	_ = steady.Close()
	p.gone()
	p.summary()
	clean(t, l)
}
