package hosttest

import (
	"net/netip"
	"testing"
	"time"
)

// TestPair: a datagram crosses the cable, between workers too.
func TestPair(t *testing.T) {
	a, b := Pair(t, 2)
	for i, addrs := range [][2]netip.Addr{Addrs4, Addrs6} {
		server, err := b.ListenPacket("udp", netip.AddrPortFrom(addrs[1], 7).String())
		if err != nil {
			t.Fatal(err)
		}
		client, err := a.Dial("udp", server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = server.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		n, _, err := server.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "hello" {
			t.Errorf("family %d: %q, %v", i, buf[:n], err)
		}
	}
}
