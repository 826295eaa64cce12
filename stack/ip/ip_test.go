package ip

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
	"pgregory.net/rapid"
)

// drawAddr draws an address of either family, often a special one.
func drawAddr(t *rapid.T, name string) netip.Addr {
	special := []string{
		"0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "169.254.1.1", "198.18.0.1", "240.0.0.1", "10.0.0.1",
		"::", "::1", "ff02::1", "fe80::1", "febf::1", "2001:2::1", "fec0::1", "100::",
	}
	if rapid.Bool().Draw(t, name+" special") {
		return netip.MustParseAddr(rapid.SampledFrom(special).Draw(t, name))
	}
	if rapid.Bool().Draw(t, name+" v4") {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))).Unmap()
}

// TestAddrAgainstNetip compares what an address says of itself with net/netip.
func TestAddrAgainstNetip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawAddr(t, "address")
		a := FromNetip(n)
		b := n.As16()
		var out [16]byte
		a.Put16(out[:])
		if a.Netip() != n || out != b || From16(b[:]) != a || a.String() != n.String() {
			t.Fatalf("%v became %v", n, a.Netip())
		}
		if n.Is4() {
			var four [4]byte
			a.Put4(four[:])
			if four != n.As4() || From4(four[:]) != a {
				t.Fatalf("%v became % x", n, four)
			}
		}
		limited := n == netip.MustParseAddr("255.255.255.255")
		for name, pair := range map[string][2]bool{
			"IPv4":        {a.Is4(), n.Is4()},
			"unspecified": {a.IsAny(), n.IsUnspecified()},
			"multicast":   {a.IsMulticast(), n.IsMulticast()},
			"loopback":    {a.IsLoopback(), n.IsLoopback()},
			"link-local":  {a.IsLinkLocal(), n.IsLinkLocalUnicast()},
			"broadcast":   {a == Broadcast4, limited},
		} {
			if pair[0] != pair[1] {
				t.Fatalf("%v: %s is %v", n, name, pair[0])
			}
		}
		if a.Martian() && n.IsGlobalUnicast() && !n.Is4() {
			t.Fatalf("%v is a martian", n)
		}
		if got := checksum.Fold(a.Sum()); got != checksum.Fold(checksum.Sum(b[:], 0)) && got%0xffff != 0 {
			t.Fatalf("the sum of %v is %#x", n, got)
		}
	})
	if FromNetip(netip.Addr{}) != (Addr{}) {
		t.Error("the zero address is not zero")
	}
}

func TestMartians(t *testing.T) {
	for s, want := range map[string]bool{
		"0.0.0.0": true, "0.1.2.3": true, "127.0.0.1": true, "127.255.0.1": true, "224.0.0.1": true, "239.1.1.1": true,
		"240.0.0.1": true, "255.255.255.255": true, "1.0.0.1": false, "198.18.0.1": false, "223.255.255.254": false,
		"::1": true, "ff02::1": true, "::": false, "fe80::1": false, "2001:2::1": false,
	} {
		if got := FromNetip(netip.MustParseAddr(s)).Martian(); got != want {
			t.Errorf("%s is a martian: %v", s, got)
		}
	}
}

func TestPrefixAgainstNetip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawAddr(t, "prefix")
		p := netip.PrefixFrom(n, rapid.IntRange(0, n.BitLen()).Draw(t, "bits"))
		other := drawAddr(t, "address")
		if rapid.Bool().Draw(t, "near") && other.BitLen() == n.BitLen() { // the same but for one bit
			b := n.As16()
			bit := rapid.IntRange(128-n.BitLen(), 127).Draw(t, "bit")
			b[bit/8] ^= 0x80 >> (bit % 8)
			other = netip.AddrFrom16(b).Unmap()
		}
		q := PrefixFrom(p)
		want := p.Contains(other)
		if got := q.Contains(FromNetip(other)); got != want {
			t.Fatalf("%v contains %v: %v", p, other, got)
		}
		if q.Addr.Netip() != p.Masked().Addr() {
			t.Fatalf("%v begins at %v", p, q.Addr.Netip())
		}
	})
}

func TestBroadcastOfAPrefix(t *testing.T) {
	for s, want := range map[string]string{
		"198.18.0.5/24": "198.18.0.255", "198.18.0.5/15": "198.19.255.255", "198.18.0.5/30": "198.18.0.7",
		"198.18.0.5/31": "", "198.18.0.5/32": "", "2001:2::1/64": "", "0.0.0.0/0": "255.255.255.255",
	} {
		a, ok := PrefixFrom(netip.MustParsePrefix(s)).Broadcast()
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("%s: %v, %v", s, a, ok)
		}
	}
}

func TestGroupAddresses(t *testing.T) {
	for s, want := range map[string][6]byte{
		"224.0.0.1":       {0x01, 0x00, 0x5e, 0, 0, 1},
		"239.129.2.3":     {0x01, 0x00, 0x5e, 1, 2, 3},
		"255.255.255.255": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"198.18.0.255":    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"ff02::1:ff12:3":  {0x33, 0x33, 0xff, 0x12, 0, 3},
	} {
		if got := FromNetip(netip.MustParseAddr(s)).GroupMAC(); got != want {
			t.Errorf("%s travels on % x, not % x", s, got, want)
		}
	}
	if got := FromNetip(netip.MustParseAddr("2001:2::ab12:3456")).SolicitedNode().String(); got != "ff02::1:ff12:3456" {
		t.Errorf("the solicited-node group is %s", got)
	}
}

// TestRoutesAgainstSearch compares the table with a plain search for the longest
// prefix.
func TestRoutesAgainstSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var routes []Route
		var prefixes []netip.Prefix
		for i := range rapid.IntRange(0, MaxRoutes).Draw(t, "routes") {
			a := drawAddr(t, "prefix")
			p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			prefixes = append(prefixes, p)
			routes = append(routes, Route{Dst: PrefixFrom(p), Iface: uint8(i)})
		}
		table, err := NewRoutes(routes)
		if err != nil || table.Len() != len(routes) {
			t.Fatalf("%d routes of %d, %v", table.Len(), len(routes), err)
		}
		dst := drawAddr(t, "destination")
		best := -1
		for i, p := range prefixes {
			if p.Contains(dst) && (best < 0 || p.Bits() > prefixes[best].Bits()) {
				best = i
			}
		}
		r := table.Lookup(FromNetip(dst))
		if best >= 0 && (r == nil || int(r.Iface) != best) {
			t.Fatalf("%v goes by %v, not by %v", dst, r, prefixes[best])
		}
		if best < 0 && r != nil {
			t.Fatalf("%v goes by %v, but none leads there", dst, r)
		}
	})
}

// TestDefaultRouteOfIPv6HoldsNoIPv4: mapped addresses share its bits.
func TestDefaultRouteOfIPv6HoldsNoIPv4(t *testing.T) {
	table, err := NewRoutes([]Route{{Dst: PrefixFrom(netip.MustParsePrefix("::/0"))}})
	if err != nil {
		t.Fatal(err)
	}
	if r := table.Lookup(FromNetip(netip.MustParseAddr("198.18.0.1"))); r != nil {
		t.Errorf("an IPv4 address goes by %v", r)
	}
}

func TestRoutesThatAreRefused(t *testing.T) {
	v6 := FromNetip(netip.MustParseAddr("2001:2::1"))
	if _, err := NewRoutes([]Route{{Dst: PrefixFrom(netip.MustParsePrefix("0.0.0.0/0")), Via: v6}}); !errors.Is(err, ErrRoutes) {
		t.Errorf("two families: %v", err)
	}
	if _, err := NewRoutes(make([]Route, MaxRoutes+1)); !errors.Is(err, ErrRoutes) {
		t.Errorf("too many: %v", err)
	}
	r := Route{}
	if r.Hop(v6) != v6 {
		t.Error("on link, the neighbour is not the destination")
	}
	if r.Via = Loopback6; r.Hop(v6) != Loopback6 {
		t.Error("by a gateway, the neighbour is not the gateway")
	}
}

// TestBucketKeepsItsRate: never more than the burst at once, nor than the rate over
// time, and all of the rate when it is asked for.
func TestBucketKeepsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(1, 1000).Draw(t, "rate"), rapid.IntRange(1, 50).Draw(t, "burst")
		b := NewBucket(rate, burst)
		now, start, taken := umem.Time(0), umem.Time(0), 0
		for range 500 {
			now += umem.Time(rapid.Int64Range(0, int64(umem.Second)/int64(rate)*2).Draw(t, "pause"))
			if b.Take(now) {
				taken++
			}
			if most := burst + int((now-start)*umem.Time(rate)/umem.Second) + 1; taken > most {
				t.Fatalf("%d tokens in %d ns, at most %d are there", taken, now-start, most)
			}
		}
		now += umem.Time(burst+1) * umem.Second
		for i := range burst {
			if !b.Take(now) {
				t.Fatalf("a full bucket of %d gives %d", burst, i)
			}
		}
		if b.Take(now) {
			t.Fatalf("a bucket of %d gives more", burst)
		}
	})
}

// TestDestWritesTheHeadersThatWireDoes compares the template with headers that are
// put together one by one.
func TestDestWritesTheHeadersThatWireDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst := drawAddr(t, "source"), drawAddr(t, "destination")
		if src.Is4() != dst.Is4() {
			t.Skip("two families")
		}
		n := rapid.IntRange(0, 60000).Draw(t, "length")
		p := Params{
			Proto: rapid.Byte().Draw(t, "protocol"), TTL: rapid.Byte().Draw(t, "TTL"), TOS: rapid.Byte().Draw(t, "TOS"),
		}
		var d Dest
		d.Key.Dst, d.Src = FromNetip(dst), FromNetip(src)
		macs := [2][6]byte{{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}}
		d.SetHeader(macs[0], macs[1])
		got, want := make([]byte, d.Size), make([]byte, d.Size)
		d.Put(got, n, p)
		eth := wire.EthernetFields{Dst: macs[0], Src: macs[1], Type: wire.EtherTypeIPv6}
		if dst.Is4() {
			eth.Type = wire.EtherTypeIPv4
			wire.PutIPv4(want[14:], wire.IPv4Fields{
				TOS: p.TOS, PayloadLen: n, DF: true, TTL: p.TTL, Protocol: p.Proto, Src: src.As4(), Dst: dst.As4(),
			})
		} else {
			wire.PutIPv6(want[14:], wire.IPv6Fields{
				TrafficClass: p.TOS, PayloadLen: n, NextHeader: p.Proto, HopLimit: p.TTL, Src: src.As16(), Dst: dst.As16(),
			})
		}
		wire.PutEthernet(want, eth)
		if !bytes.Equal(got, want) || d.Is4() != dst.Is4() {
			t.Fatalf("wrote %x, not %x", got, want)
		}
		a, b := src.As16(), dst.As16()
		if x, y := checksum.Fold(d.Pseudo(p.Proto, n)), checksum.Fold(checksum.PseudoV6(&a, &b, p.Proto, uint32(n))); x%0xffff != y%0xffff {
			t.Fatalf("the pseudo-header's sum is %#x, not %#x", x, y)
		}
	})
}

func TestDestIsFreshWithinItsGeneration(t *testing.T) {
	dests := NewDests(3, table.NewSecret(func() uint64 { return 42 }))
	dst, src := Loopback6, AllNodes6
	d := dests.Slot(dst, src, 1)
	*d = Dest{Key: DestKey{Dst: dst, Src: src, Iface: 1}, Gen: 7}
	if !d.Fresh(dst, src, 1, 7) || dests.Slot(dst, src, 1) != d {
		t.Error("it is not found again")
	}
	for name, stale := range map[string]bool{
		"another generation": d.Fresh(dst, src, 1, 8),
		"another address":    d.Fresh(Loopback4, src, 1, 7),
		"another source":     d.Fresh(dst, Addr{}, 1, 7),
		"another interface":  d.Fresh(dst, src, 0, 7),
		"an empty slot":      new(Dest).Fresh(Addr{}, Addr{}, 0, 1),
	} {
		if stale {
			t.Errorf("%s: taken for fresh", name)
		}
	}
}
