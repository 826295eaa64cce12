package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// slowSum is RFC 1071 the plain way: byte by byte into 64 bits.
func slowSum(parts ...[]byte) uint16 {
	var s uint64
	for _, b := range parts {
		for i, c := range b {
			s += uint64(c) << (8 * (1 - i%2))
		}
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// checkPacket takes a packet apart and checks every field that a receiver looks at.
func checkPacket(t *testing.T, b []byte, p *Packets, flow int) {
	t.Helper()
	if len(b) != p.Size || [6]byte(b[0:]) != p.DstMAC || [6]byte(b[6:]) != p.SrcMAC {
		t.Fatalf("%d bytes, to %x from %x; want %d, %x, %x", len(b), b[:6], b[6:12], p.Size, p.DstMAC, p.SrcMAC)
	}
	ethertype := binary.BigEndian.Uint16(b[12:])
	l3 := b[14:]
	var from, to netip.Addr
	var addrs, udp []byte
	if ethertype == 0x0800 {
		if l3[0] != 0x45 || int(binary.BigEndian.Uint16(l3[2:])) != len(l3) || l3[9] != 17 || slowSum(l3[:20]) != 0xffff {
			t.Errorf("IPv4 header % x of a packet of %d", l3[:20], len(l3))
		}
		addrs, udp = l3[12:20], l3[20:]
		from, to = netip.AddrFrom4([4]byte(addrs)), netip.AddrFrom4([4]byte(addrs[4:]))
	} else {
		if ethertype != 0x86dd || l3[0] != 0x60 || int(binary.BigEndian.Uint16(l3[4:])) != len(l3)-40 || l3[6] != 17 {
			t.Errorf("ethertype %#x, IPv6 header % x of a packet of %d", ethertype, l3[:40], len(l3))
		}
		addrs, udp = l3[8:40], l3[40:]
		from, to = netip.AddrFrom16([16]byte(addrs)), netip.AddrFrom16([16]byte(addrs[16:]))
	}
	if from != p.From || to != p.To {
		t.Errorf("from %s to %s, want %s to %s", from, to, p.From, p.To)
	}
	src, dst := binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	if src != uint16(DefaultSrcPort+flow) || dst != p.DstPort || int(binary.BigEndian.Uint16(udp[4:])) != len(udp) {
		t.Errorf("flow %d: UDP header % x of %d bytes", flow, udp[:8], len(udp))
	}
	pseudo := []byte{0, 17, byte(len(udp) >> 8), byte(len(udp))}
	if binary.BigEndian.Uint16(udp[6:]) == 0 || slowSum(addrs, pseudo, udp) != 0xffff {
		t.Errorf("flow %d, %d bytes: checksum %#x is wrong", flow, len(b), udp[6:8])
	}
}

func TestPacketsAreRight(t *testing.T) {
	for _, to := range []string{"198.18.0.2", "2001:2::2"} {
		for _, size := range []int{0, 62, 63, 64, 65, 1500, 1514} {
			p := Packets{Size: size, Flows: MaxFlows, To: netip.MustParseAddr(to), SrcMAC: [6]byte{2, 1}, DstMAC: [6]byte{2, 2}}
			if err := p.complete(); err != nil {
				t.Fatal(err)
			}
			tmpl := p.build()
			b := append([]byte{}, tmpl.bytes...)
			checkPacket(t, b, &p, 0)
			for flow := 0; flow < MaxFlows; flow += 599 {
				tmpl.setFlow(b, uint32(flow))
				checkPacket(t, b, &p, flow)
			}
		}
	}
}

func TestPacketsThatCannotBe(t *testing.T) {
	v4, v6 := netip.MustParseAddr("198.18.0.9"), netip.MustParseAddr("2001:2::9")
	for _, p := range []Packets{
		{Size: 41}, {Size: 61, To: v6}, {From: v4, To: v6}, {From: v6, To: v4}, {Flows: -1}, {Flows: MaxFlows + 1}, {Size: -1},
	} {
		if err := p.complete(); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	p := Packets{Size: 1515}
	if err := errors.Join(p.complete(), p.fits("eth1", 1500)); !errors.Is(err, ErrConfig) {
		t.Errorf("1515 bytes at an MTU of 1500: %v", err)
	}
	if err := p.fits("eth1", 1501); err != nil {
		t.Error(err)
	}
	for want, p := range map[string]Packets{
		"198.18.0.1 198.18.0.2": {}, "2001:2::1 2001:2::9": {To: v6}, "2001:2::9 2001:2::2": {From: v6},
	} {
		if err := p.complete(); err != nil || fmt.Sprint(p.From, " ", p.To) != want {
			t.Errorf("%s %s, %v, want %s", p.From, p.To, err, want)
		}
	}
}
