package wire

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// Generators. Each draws the fields, puts the header in front of a payload, and
// gives both; damage then flips and cuts.

func octets(t *rapid.T, label string, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, label)
}

func exactly(t *rapid.T, label string, n int) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
}

func drawMAC(t *rapid.T, label string) MAC     { return MAC(exactly(t, label, 6)) }
func draw4(t *rapid.T, label string) [4]byte   { return [4]byte(exactly(t, label, 4)) }
func draw16(t *rapid.T, label string) [16]byte { return [16]byte(exactly(t, label, 16)) }
func drawPort(t *rapid.T, label string) uint16 { return rapid.Uint16().Draw(t, label) }
func drawOptions(t *rapid.T, label string) []byte {
	return exactly(t, label, 4*rapid.IntRange(0, 10).Draw(t, "words"))
}

// buffer returns room for a header of n octets and a drawn payload behind it.
func buffer(t *rapid.T, n int) (b, payload []byte) {
	payload = octets(t, "payload", 80)
	return append(make([]byte, n), payload...), payload
}

// damage flips a few bits of b, often none, and cuts it, often not.
func damage(t *rapid.T, b []byte) []byte {
	b = bytes.Clone(b)
	for range rapid.IntRange(0, 2).Draw(t, "flips") {
		// The first octets hold versions, types and lengths.
		b[rapid.IntRange(0, min(len(b), 48)-1).Draw(t, "octet")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	if rapid.Bool().Draw(t, "cut") {
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
	}
	return b
}

func drawIPv4(t *rapid.T) (IPv4Fields, []byte) {
	f := IPv4Fields{
		TOS: rapid.Byte().Draw(t, "tos"), ID: drawPort(t, "id"), DF: rapid.Bool().Draw(t, "df"), MF: rapid.Bool().Draw(t, "mf"),
		FragOffset: 8 * rapid.IntRange(0, 0x1fff).Draw(t, "frag"), TTL: rapid.Byte().Draw(t, "ttl"), Protocol: rapid.Byte().Draw(t, "proto"),
		Src: draw4(t, "src"), Dst: draw4(t, "dst"), Options: drawOptions(t, "options"),
	}
	b, payload := buffer(t, IPv4Len+len(f.Options))
	f.PayloadLen = len(payload)
	PutIPv4(b, f)
	return f, b
}

func drawIPv6(t *rapid.T) (IPv6Fields, []byte) {
	f := IPv6Fields{
		TrafficClass: rapid.Byte().Draw(t, "class"), FlowLabel: rapid.Uint32Max(0xfffff).Draw(t, "label"),
		NextHeader: rapid.Byte().Draw(t, "next"), HopLimit: rapid.Byte().Draw(t, "hops"), Src: draw16(t, "src"), Dst: draw16(t, "dst"),
	}
	b, payload := buffer(t, IPv6Len)
	f.PayloadLen = len(payload)
	PutIPv6(b, f)
	return f, b
}

func drawUDP(t *rapid.T) (UDPFields, []byte) {
	f := UDPFields{SrcPort: drawPort(t, "src"), DstPort: drawPort(t, "dst"), Checksum: drawPort(t, "sum")}
	b, payload := buffer(t, UDPLen)
	f.PayloadLen = len(payload)
	PutUDP(b, f)
	return f, b
}

func drawTCP(t *rapid.T) (TCPFields, []byte) {
	f := TCPFields{
		SrcPort: drawPort(t, "src"), DstPort: drawPort(t, "dst"), Seq: rapid.Uint32().Draw(t, "seq"), Ack: rapid.Uint32().Draw(t, "ack"),
		Flags: TCPFlags(rapid.Uint16Max(uint16(tcpFlagsMask)).Draw(t, "flags")), Window: drawPort(t, "window"),
		Checksum: drawPort(t, "sum"), Urgent: drawPort(t, "urgent"), Options: drawOptions(t, "options"),
	}
	b, _ := buffer(t, TCPLen+len(f.Options))
	PutTCP(b, f)
	return f, b
}

func drawARP(t *rapid.T) (ARPFields, []byte) {
	f := ARPFields{
		Op: drawPort(t, "op"), SenderMAC: drawMAC(t, "sha"), SenderIP: draw4(t, "spa"), TargetMAC: drawMAC(t, "tha"), TargetIP: draw4(t, "tpa"),
	}
	b, _ := buffer(t, ARPLen)
	PutARP(b, f)
	return f, b
}

func drawNDP(t *rapid.T) (NDPFields, []byte) {
	f := NDPFields{
		Type:  rapid.SampledFrom([]uint8{ICMPv6NeighborSolicitation, ICMPv6NeighborAdvertisement}).Draw(t, "type"),
		Flags: rapid.SampledFrom([]uint8{0, NDPRouter, NDPSolicited | NDPOverride}).Draw(t, "flags"), Target: draw16(t, "target"),
	}
	f.Target[0] = 0x20
	if rapid.Bool().Draw(t, "addressed") {
		f.LinkAddr = drawMAC(t, "mac")
		f.LinkAddr[0] |= 2
	}
	b := make([]byte, 32)
	b = b[:len(PutNDP(b, f))]
	for range rapid.IntRange(0, 2).Draw(t, "others") {
		n := rapid.IntRange(1, 3).Draw(t, "units")
		b = append(append(b, rapid.Byte().Draw(t, "kind"), uint8(n)), exactly(t, "body", n*8-2)...)
	}
	return f, b
}

// parity draws a packet, damages it, and requires that check says what the
// reference says of it, and that every accessor agrees with the diagram.
func parity[V view](t *testing.T, draw func(*rapid.T) []byte, check func(b []byte) (V, bool), want func(b []byte) bool, d diagram) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		b := damage(t, draw(t))
		v, ok := check(b)
		if ok != want(b) {
			t.Fatalf("% x: %v, want %v", b, ok, want(b))
		}
		if !ok {
			if v != nil {
				t.Fatalf("% x: refused, but with a view", b)
			}
			return
		}
		if err := agree(v, b, d); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEthernetParity(t *testing.T) {
	parity(t, func(t *rapid.T) []byte { return exactly(t, "b", 20) }, CheckEthernet,
		func(b []byte) bool { return len(b) >= 14 }, ethernetDiagram)
}

func TestARPParity(t *testing.T) {
	parity(t, func(t *rapid.T) []byte { _, b := drawARP(t); return b }, CheckARP, func(b []byte) bool {
		return len(b) >= 28 && bytes.Equal(b[:6], []byte{0, 1, 8, 0, 6, 4})
	}, arpDiagram)
}

func referenceIPv4(b []byte, size int) bool {
	if len(b) < 20 {
		return false
	}
	n, total := int(number(b, 4, 4))*4, int(number(b, 16, 16))
	return number(b, 0, 4) == 4 && n >= 20 && n <= len(b) && n <= total && total <= size
}

func TestIPv4Parity(t *testing.T) {
	draw := func(t *rapid.T) []byte { _, b := drawIPv4(t); return b }
	parity(t, draw, CheckIPv4, func(b []byte) bool { return referenceIPv4(b, len(b)) }, ipv4Diagram)
	parity(t, draw, func(b []byte) (IPv4, bool) { return CheckIPv4Chain(b, 90) },
		func(b []byte) bool { return referenceIPv4(b, 90) }, ipv4Diagram)
}

func referenceIPv6(b []byte, size int) bool {
	return len(b) >= 40 && number(b, 0, 4) == 6 && 40+int(number(b, 32, 16)) <= size
}

func TestIPv6Parity(t *testing.T) {
	draw := func(t *rapid.T) []byte { _, b := drawIPv6(t); return b }
	parity(t, draw, CheckIPv6, func(b []byte) bool { return referenceIPv6(b, len(b)) }, ipv6Diagram)
	parity(t, draw, func(b []byte) (IPv6, bool) { return CheckIPv6Chain(b, 90) },
		func(b []byte) bool { return referenceIPv6(b, 90) }, ipv6Diagram)
}

func referenceUDP(b []byte, size int) bool {
	return len(b) >= 8 && number(b, 32, 16) >= 8 && int(number(b, 32, 16)) <= size
}

func TestUDPParity(t *testing.T) {
	draw := func(t *rapid.T) []byte { _, b := drawUDP(t); return b }
	parity(t, draw, CheckUDP, func(b []byte) bool { return referenceUDP(b, len(b)) }, udpDiagram)
	parity(t, draw, func(b []byte) (UDP, bool) { return CheckUDPChain(b, 60) },
		func(b []byte) bool { return referenceUDP(b, 60) }, udpDiagram)
}

func referenceTCP(b []byte) bool {
	return len(b) >= 20 && number(b, 96, 4) >= 5 && int(number(b, 96, 4))*4 <= len(b)
}

func TestTCPParity(t *testing.T) {
	parity(t, func(t *rapid.T) []byte { _, b := drawTCP(t); return b }, CheckTCP, referenceTCP, tcpDiagram)
}

func TestICMPParity(t *testing.T) {
	draw := func(t *rapid.T) []byte { return exactly(t, "b", 16) }
	long := func(b []byte) bool { return len(b) >= 8 }
	parity(t, draw, CheckICMPv4, long, icmpv4Diagram)
	parity(t, draw, CheckICMPv6, long, icmpv6Diagram)
}

func TestNDPParity(t *testing.T) {
	draw := func(t *rapid.T) []byte { _, b := drawNDP(t); return b }
	parity(t, draw, func(b []byte) (NDP, bool) {
		n, ok := CheckNDP(b)
		if addr, _ := referenceNDP(b); ok {
			if got, has := n.LinkAddr(); has != (addr != nil) || has && !bytes.Equal(got[:], addr) {
				t.Errorf("LinkAddr of % x: % x, want % x", b, got, addr)
			}
		}
		return n, ok
	}, func(b []byte) bool { _, ok := referenceNDP(b); return ok }, ndpDiagram)
}

func TestOptionsParity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Small numbers make kinds and lengths that often fit.
		o := Options(rapid.SliceOfN(rapid.ByteMax(6), 0, 40).Draw(t, "options"))
		want, valid := referenceOptions(o)
		if o.Valid() != valid {
			t.Fatalf("% x: valid %v", o, !valid)
		}
		var got []option
		for kind, data, rest, ok := o.Next(); ok; kind, data, rest, ok = rest.Next() {
			got = append(got, option{kind, data})
		}
		if len(got) != len(want) {
			t.Fatalf("% x: %v, want %v", o, got, want)
		}
		for i := range got {
			if got[i].kind != want[i].kind || !bytes.Equal(got[i].data, want[i].data) {
				t.Fatalf("% x: %v, want %v", o, got, want)
			}
		}
	})
}

// The round trips: what Put wrote is what the accessors say.

func TestPutRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, b := drawIPv4(t)
		h, ok := CheckIPv4(b)
		if !ok || !h.ChecksumOK() || len(h) != IPv4Len+len(f.Options) {
			t.Fatalf("% x: not accepted", b)
		}
		got := IPv4Fields{h.TOS(), h.PayloadLen(), h.ID(), h.DF(), h.MF(), h.FragOffset(), h.TTL(), h.Protocol(), h.Src(), h.Dst(), nil}
		if !bytes.Equal(h.Options(), f.Options) {
			t.Fatalf("options % x, want % x", h.Options(), f.Options)
		}
		f.Options = nil
		if !reflect.DeepEqual(got, f) {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		f, b := drawIPv6(t)
		h, ok := CheckIPv6(b)
		got := IPv6Fields{h.TrafficClass(), h.FlowLabel(), h.PayloadLen(), h.NextHeader(), h.HopLimit(), h.Src(), h.Dst()}
		if !ok || got != f {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		f, b := drawUDP(t)
		u, ok := CheckUDP(b)
		if got := (UDPFields{u.SrcPort(), u.DstPort(), u.PayloadLen(), u.Checksum()}); !ok || got != f {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		f, b := drawTCP(t)
		h, ok := CheckTCP(b)
		got := TCPFields{h.SrcPort(), h.DstPort(), h.Seq(), h.Ack(), h.Flags(), h.Window(), h.Checksum(), h.Urgent(), nil}
		if !bytes.Equal(h.Options(), f.Options) {
			t.Fatalf("options % x, want % x", h.Options(), f.Options)
		}
		f.Options = nil
		if !ok || !reflect.DeepEqual(got, f) || !h.Flags().Has(f.Flags) {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
}

func TestPutRoundTripsOfLinkProtocols(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, b := drawARP(t)
		a, ok := CheckARP(b)
		if got := (ARPFields{a.Op(), a.SenderMAC(), a.TargetMAC(), a.SenderIP(), a.TargetIP()}); !ok || got != f {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		b := make([]byte, EthernetLen)
		f := EthernetFields{drawMAC(t, "dst"), drawMAC(t, "src"), drawPort(t, "type")}
		PutEthernet(b, f)
		e, ok := CheckEthernet(b)
		if got := (EthernetFields{e.Dst(), e.Src(), e.Type()}); !ok || got != f {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		f := ICMPFields{rapid.Byte().Draw(t, "type"), rapid.Byte().Draw(t, "code"), drawPort(t, "sum"), EchoRest(drawPort(t, "id"), drawPort(t, "seq"))}
		b := make([]byte, ICMPLen)
		m4, m6 := PutICMPv4(b, f), PutICMPv6(bytes.Clone(b), f)
		if got := (ICMPFields{m4.Type(), m4.Code(), m4.Checksum(), EchoRest(m4.ID(), m4.Seq())}); got != f {
			t.Fatalf("%+v, want %+v", got, f)
		}
		if got := (ICMPFields{m6.Type(), m6.Code(), m6.Checksum(), m6.Rest()}); got != f {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		f, b := drawNDP(t)
		n, ok := CheckNDP(b)
		if !ok {
			return // a drawn option is a link-layer address of a wrong length
		}
		if n.Type() != f.Type || n.Flags() != f.Flags || n.Target() != f.Target {
			t.Fatalf("% x, want %+v", b, f)
		}
		if mac, ok := n.LinkAddr(); f.LinkAddr != (MAC{}) && (!ok || mac != f.LinkAddr) {
			t.Fatalf("%x %v, want %x", mac, ok, f.LinkAddr)
		}
	})
}

// TestSealed: what the Seal functions compute verifies over pseudo-header and
// message.
func TestSealed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst := draw16(t, "src"), draw16(t, "dst")
		payload := octets(t, "payload", 100)
		for proto, seal := range map[uint8]func([]byte, uint32){
			ProtoUDP: SealUDP, ProtoTCP: SealTCP, ProtoICMPv6: SealICMPv6,
			ProtoICMPv4: func(b []byte, _ uint32) { SealICMPv4(b) },
		} {
			b := append(make([]byte, TCPLen), payload...)
			binary.BigEndian.PutUint16(b, 7)
			sum := checksum.PseudoV6(&src, &dst, proto, uint32(len(b)))
			if proto == ProtoICMPv4 {
				sum = 0
			}
			seal(b, sum)
			if !checksum.Valid(checksum.Sum(b, sum)) {
				t.Fatalf("protocol %d: % x does not verify", proto, b)
			}
		}
	})
}

// TestUDPChecksumZeroGoesOutAsOnes: a computed zero would say "no checksum" (RFC 768).
func TestUDPChecksumZeroGoesOutAsOnes(t *testing.T) {
	b := make([]byte, UDPLen+2)
	PutUDP(b, UDPFields{PayloadLen: 2})
	binary.BigEndian.PutUint16(b[8:], 0xffff-10) // makes the sum 0xffff
	SealUDP(b, 0)
	if u, _ := CheckUDP(b); u.Checksum() != 0xffff {
		t.Errorf("checksum %#04x, want 0xffff", u.Checksum())
	}
}

func TestQuotedPackets(t *testing.T) {
	b := make([]byte, IPv4Len+UDPLen+100)
	PutIPv4(b, IPv4Fields{PayloadLen: UDPLen + 100, Protocol: ProtoUDP})
	PutUDP(b[IPv4Len:], UDPFields{SrcPort: 1, DstPort: 2, PayloadLen: 100})
	for n := range b {
		_, transport, ok := CheckQuotedIPv4(b[:n])
		if ok != (n >= IPv4Len+8) || ok && len(transport) != n-IPv4Len {
			t.Errorf("IPv4, %d octets: %v, %d of transport", n, ok, len(transport))
		}
	}
	b = make([]byte, IPv6Len+FragmentLen+UDPLen+100)
	PutIPv6(b, IPv6Fields{PayloadLen: len(b) - IPv6Len, NextHeader: ExtFragment})
	PutFragment(b[IPv6Len:], FragmentFields{NextHeader: ProtoUDP, More: true, ID: 7})
	for n := range b {
		_, x, transport, ok := CheckQuotedIPv6(b[:n], DefaultExtLimits)
		if ok != (n >= IPv6Len+FragmentLen+8) || ok && (len(transport) != n-48 || x.Proto != ProtoUDP) {
			t.Errorf("IPv6, %d octets: %v, %d of transport, %+v", n, ok, len(transport), x)
		}
	}
}
