package xdpstack

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// echoRequest is an ICMP or ICMPv6 echo request as a raw socket sends it. The
// checksum of ICMP is the application's; that of ICMPv6 is the stack's (RFC
// 3542, section 3.1).
func echoRequest(v6 bool, id byte) []byte {
	b := []byte{8, 0, 0, 0, 0, id, 0, 1, 'p', 'i', 'n', 'g'}
	if v6 {
		b[0] = 128
		return b
	}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = sum>>16 + sum&0xffff
	b[2], b[3] = byte(^sum>>8), byte(^sum)
	return b
}

// TestRawSocketPings: a raw socket sends an echo request to the other host and
// receives its reply, from whichever worker that reached.
func TestRawSocketPings(t *testing.T) {
	eachWay(t, func(t *testing.T, network, _, bAddr string, workers int) {
		a, _ := pair(t, workers)
		v6 := network == "udp6"
		proto, reply := uint8(1), byte(0)
		if v6 {
			proto, reply = 58, 129
		}
		s, err := a.Socket(FamilyRaw, proto, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for id := range byte(10) {
			req := echoRequest(v6, id)
			dst := socket.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(bAddr), 0))
			if _, err := s.SendMsg(&Msg{Data: req, Len: len(req), Addr: dst}); err != nil {
				t.Fatal(err)
			}
			for {
				m := Msg{Data: make([]byte, 200)}
				n, err := s.RecvMsg(&m)
				if err != nil {
					t.Fatal(err)
				}
				got := m.Data[:n]
				if !v6 && n > 20 {
					got = got[20:] // a raw IPv4 socket reads the header too (raw(7))
				}
				if len(got) == len(req) && got[0] == reply && got[5] == id && bytes.Equal(got[8:], req[8:]) {
					break
				}
			}
		}
	})
}

// TestAHostReachesItself: over its own address, and by every kind of socket.
func TestAHostReachesItself(t *testing.T) {
	eachWay(t, func(t *testing.T, network, aAddr, _ string, workers int) {
		a, _ := pair(t, workers)
		srv, err := a.HandleDatagram(network, net.JoinHostPort(aAddr, "7"), func(d *Datagram) { _ = d.Reply() })
		if err != nil {
			t.Fatal(err)
		}
		c := listen(t, a, network, aAddr)
		to := net.UDPAddrFromAddrPort(srv.LocalAddr())
		for range 20 {
			if _, err := c.WriteTo([]byte("myself"), to); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 20)
			n, from, err := c.ReadFrom(buf)
			if err != nil || string(buf[:n]) != "myself" || from.String() != to.String() {
				t.Fatalf("%q from %v, %v", buf[:n], from, err)
			}
		}
	})
}

// TestNoAllocsBetweenGoroutines: a datagram there and back through two PacketConns
// costs no memory.
func TestNoAllocsBetweenGoroutines(t *testing.T) {
	a, b := pair(t, 1, func(c *Config) { c.LedgerEvery = defaultLedgerEvery }) // an audit allocates
	ca, cb := listen(t, a, "udp4", "198.18.0.1").(*packetConn), listen(t, b, "udp4", "198.18.0.2").(*packetConn)
	buf := make([]byte, 100)
	exchange := func() {
		if _, err := ca.WriteToAddrPort([]byte("hello"), cb.local); err != nil {
			t.Fatal(err)
		}
		n, from, err := cb.ReadFromAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cb.WriteToAddrPort(buf[:n], from); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ca.ReadFromAddrPort(buf); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(500, exchange); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
