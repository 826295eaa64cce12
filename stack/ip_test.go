package stack

import (
	"encoding/binary"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// reseal makes the IPv4 header checksum of a packet right again.
func reseal(b []byte) []byte {
	h := b[wire.EthernetLen:]
	wire.IPv4(h[:int(h[0]&15)*4]).Seal()
	return b
}

func TestPacketsThatGoNowhereAreCountedByReason(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		good := func(change func(b []byte)) []byte {
			b := segment{payload: []byte("data")}.bytes(f)
			change(b)
			return b
		}
		ours := 0
		cases := []struct {
			name   string
			packet []byte
			want   Reason
		}{
			{"good", good(func([]byte) {}), noReason},
			{"runt", []byte{1, 2, 3}, LinkTooShort},
			{"nothing", nil, LinkTooShort},
			{"another station", segment{dstMAC: otherMAC}.bytes(f), OtherHost},
			{"one host in a broadcast", segment{dstMAC: wire.Broadcast}.bytes(f), LinkGroup},
			{"another protocol", good(func(b []byte) { b[12], b[13] = 0x88, 0xcc }), EtherType},
			{"no IP header", good(func([]byte) {})[:wire.EthernetLen+10], IPMalformed},
			{"cut short", good(func([]byte) {})[:f.header+9], IPMalformed},
			{"wrong version", good(func(b []byte) { b[14] = 0x55 }), IPMalformed},
			{"from a martian", segment{src: f.martian}.bytes(f), MartianSource},
			{"from ourselves", segment{src: f.us}.bytes(f), OwnSource},
			{"land", segment{src: f.us, srcPort: 7}.bytes(f), OwnSource},
			{"from nobody", segment{src: map[bool]ip.Addr{true: ip.Any4, false: ip.Any6}[f.v4].Netip()}.bytes(f), MartianSource},
			{"to another host", segment{dst: f.other}.bytes(f), NotForUs},
			{"to loopback", segment{dst: map[bool]ip.Addr{true: ip.Loopback4, false: ip.Loopback6}[f.v4].Netip()}.bytes(f), NotForUs},
			{"to a group of others", segment{dst: addr(map[bool]string{true: "224.0.0.251", false: "ff02::fb"}[f.v4])}.bytes(f), NotMember},
			{"a fragment", segment{fragment: true}.bytes(f), Fragment},
			{"UDP cut short", good(func(b []byte) { b[f.header+4] = 0xff }), UDPMalformed},
			{"UDP length below its header", good(func(b []byte) { b[f.header+5] = 7 }), UDPMalformed},
			{"UDP checksum wrong", good(func(b []byte) { b[f.header+8] ^= 1 }), UDPChecksum},
			{"padded", append(segment{payload: []byte("data")}.bytes(f), make([]byte, 20)...), noReason},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				h := newHost(t)
				h.socketOf(f.us, 7, socket.Options{})
				h.receive(c.packet)
				h.dropped(c.want)
				if c.want == noReason {
					h.event(Readable)
					ours++
				}
				h.none()
			})
		}
		if ours != 2 {
			t.Errorf("%d good packets arrived of 2", ours)
		}
	})
}

func TestIPv4HeaderChecks(t *testing.T) {
	f := &families[0]
	with := func(options ...byte) []byte { return segment{options: options, payload: []byte("data")}.bytes(f) }
	for _, c := range []struct {
		name   string
		packet []byte
		want   Reason
	}{
		{"checksum", func() []byte { b := segment{}.bytes(f); b[24] ^= 1; return b }(), IPChecksum},
		{"header below 20", func() []byte { b := segment{}.bytes(f); b[14] = 0x44; return b }(), IPMalformed},
		{"last fragment", func() []byte { b := segment{}.bytes(f); b[21] = 9; return reseal(b) }(), Fragment},
		{"options are skipped", with(7, 7, 4, 0, 0, 0, 0, 0), noReason},
		{"router alert", with(148, 4, 0, 0), noReason},
		{"loose source route", with(131, 3, 4, 0), SourceRoute},
		{"strict source route after padding", with(1, 137, 3, 4), SourceRoute},
		{"option of length zero", with(7, 0, 0, 0), IPOptions},
		{"option beyond the header", with(7, 9, 0, 0), IPOptions},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			h.socketOf(f.us, 7, socket.Options{})
			h.receive(c.packet)
			h.dropped(c.want)
		})
	}
}

// extended is a datagram of the peer behind extension headers.
func extended(first uint8, headers ...byte) []byte {
	f := &families[1]
	b := segment{payload: []byte("data")}.bytes(f)
	out := append([]byte(nil), b[:f.header]...)
	out[20] = first
	binary.BigEndian.PutUint16(out[18:20], uint16(len(b)-f.header+len(headers)))
	return append(append(out, headers...), b[f.header:]...)
}

func TestIPv6ExtensionHeaders(t *testing.T) {
	f := &families[1]
	for _, c := range []struct {
		name    string
		packet  []byte
		want    Reason
		problem int // code of a parameter problem, or -1
		pointer uint32
	}{
		{"destination options", extended(60, 17, 0, 1, 4, 0, 0, 0, 0), noReason, -1, 0},
		{"hop by hop, then destination options", extended(0, 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0), noReason, -1, 0},
		{"atomic fragment", extended(44, 17, 0, 0, 0, 0, 0, 0, 9), noReason, -1, 0},
		{"routing with nothing left", extended(43, 17, 0, 0, 0, 0, 0, 0, 0), noReason, -1, 0},
		{"routing header 0", extended(43, 17, 0, 0, 1, 0, 0, 0, 0), ExtHeaders, 0, 42},
		{"hop by hop in the wrong place", extended(60, 0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0), ExtHeaders, 1, 40},
		{"unknown option: skip", extended(60, 17, 0, 0x3e, 4, 0, 0, 0, 0), noReason, -1, 0},
		{"unknown option: discard", extended(60, 17, 0, 0x7e, 4, 0, 0, 0, 0), ExtHeaders, -1, 0},
		{"unknown option: report", extended(60, 17, 0, 0xbe, 4, 0, 0, 0, 0), ExtHeaders, 2, 42},
		{"option beyond the header", extended(60, 17, 0, 1, 200, 0, 0, 0, 0), ExtHeaders, -1, 0},
		{"nothing next", extended(59), NoNextHeader, -1, 0},
		{"unknown next header", extended(200), UnknownProtocol, 1, 6},
		{"unknown next header behind options", extended(60, 200, 0, 1, 4, 0, 0, 0, 0), UnknownProtocol, 1, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := knowing(t, f)
			h.socketOf(f.us, 7, socket.Options{})
			h.receive(c.packet)
			h.dropped(c.want)
			if c.problem < 0 {
				h.none()
				return
			}
			to, m := icmpOfPacket(t, f, h.one())
			got := wire.ICMPv6(m[:wire.ICMPLen])
			if to != f.peer || got.Type() != wire.ICMPv6ParamProblem || int(got.Code()) != c.problem || got.Rest() != c.pointer {
				t.Errorf("type %d code %d pointer %d to %v; want code %d pointer %d",
					got.Type(), got.Code(), got.Rest(), to, c.problem, c.pointer)
			}
		})
	}
}

// TestHeadersSpreadOverFragments: every header is read through Pullup, so a chain
// of one-octet fragments means the same as one frame.
func TestHeadersSpreadOverFragments(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for _, size := range []int{1, 3, 13, 14, 33, 41, 60} {
			h := knowing(t, f)
			s := h.socketOf(f.us, 7, socket.Options{})
			want := "a payload that is longer than what the headers take"
			b := segment{payload: []byte(want)}.bytes(f)
			h.input(h.chain(b, size), h.chain(echoRequest(f, segment{}, 1, 1, []byte("echo")), size))
			var buffer [100]byte
			n, err := h.s.RecvMsg(h.now, s, &socket.Msg{Data: buffer[:]})
			if err != nil || string(buffer[:n]) != want {
				t.Errorf("fragments of %d: received %q, %v", size, buffer[:n], err)
			}
			if _, m := icmpOfPacket(t, f, h.one()); string(m[wire.ICMPLen:]) != "echo" {
				t.Errorf("fragments of %d: echo of %q", size, m)
			}
			h.dropped(noReason)
		}
	})
}

// TestEchoThatDoesNotFitIntoOneChunk: an answer is one frame; headers need room.
func TestEchoThatDoesNotFitIntoOneChunk(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		jumbo := func(c *Config, _ *umem.PoolConfig) { c.Ifaces[0].MTU = 9000 }
		for _, c := range []struct {
			size int
			want Reason
		}{{1400, noReason}, {1900, noReason}, {testChunk - wire.ICMPLen - 10, PullupFailed}, {3000, PullupFailed}} {
			h := knowing(t, f, jumbo)
			h.input(h.chain(echoRequest(f, segment{}, 1, 1, make([]byte, c.size)), 700))
			h.dropped(c.want)
			if n := len(h.sent()); (n == 1) != (c.want == noReason) {
				t.Errorf("%d octets: %d answers", c.size, n)
			}
		}
	})
}

func TestFrameOfAnUnknownDevice(t *testing.T) {
	for _, in := range []uint8{1, 127, 128, 255} {
		h := newHost(t)
		frame := h.frame(segment{}.bytes(&families[0]))
		frame.In = in
		h.input(frame)
		h.dropped(NoInterface)
	}
}

// TestMappedAddressesDoNotTravel: RFC 4942, section 2.2.
func TestMappedAddressesDoNotTravel(t *testing.T) {
	f := &families[1]
	for _, g := range []segment{{src: addr("::ffff:198.18.0.2")}, {dst: addr("::ffff:198.18.0.1")}} {
		h := newHost(t)
		b := g.bytes(f)
		src, dst := f.peer.As16(), f.us.As16()
		if g.src.IsValid() {
			src = g.src.As16()
		} else {
			dst = g.dst.As16()
		}
		copy(b[22:38], src[:])
		copy(b[38:54], dst[:])
		h.receive(b)
		h.dropped(MartianSource)
	}
}
