package wire

import (
	"encoding/binary"
	"testing"
)

// Every value of each field that decides how long something is, against every
// length of buffer near it.

// everyLength sets the field under test to each of values, cuts to each length up
// to 72, and compares check with the reference.
func everyLength[V view](t *testing.T, values int, set func(b []byte, v int), check func(b []byte) (V, bool), want func(b []byte) bool) {
	t.Helper()
	accepted := 0
	for v := range values {
		for n := range 72 {
			whole := make([]byte, 72)
			set(whole, v)
			b := whole[:n:n]
			_, ok := check(b)
			if ok != want(b) {
				t.Errorf("value %d, %d octets: %v, want %v", v, n, ok, want(b))
			}
			if ok {
				accepted++
			}
		}
	}
	if accepted == 0 {
		t.Error("nothing was accepted")
	}
}

func TestIPv4EveryLength(t *testing.T) {
	everyLength(t, 256, func(b []byte, v int) {
		b[0] = byte(v)
		b[3] = 60
	}, CheckIPv4, func(b []byte) bool { return referenceIPv4(b, len(b)) })
	everyLength(t, 80, func(b []byte, v int) {
		b[0] = 0x47
		b[3] = byte(v)
	}, CheckIPv4, func(b []byte) bool { return referenceIPv4(b, len(b)) })
}

func TestIPv6EveryLength(t *testing.T) {
	everyLength(t, 80, func(b []byte, v int) {
		b[0] = 0x60
		b[5] = byte(v)
	}, CheckIPv6, func(b []byte) bool { return referenceIPv6(b, len(b)) })
}

func TestUDPEveryLength(t *testing.T) {
	everyLength(t, 80, func(b []byte, v int) { b[5] = byte(v) }, CheckUDP, func(b []byte) bool { return referenceUDP(b, len(b)) })
}

func TestTCPEveryLength(t *testing.T) {
	everyLength(t, 16, func(b []byte, v int) { b[12] = byte(v)<<4 | 1 }, CheckTCP, referenceTCP)
}

func TestNDPEveryLength(t *testing.T) {
	for _, kind := range []byte{1, 2, 3} {
		everyLength(t, 256, func(b []byte, v int) {
			b[0], b[24], b[25] = ICMPv6NeighborSolicitation, kind, byte(v)
			for i := 32; i < len(b); i += 8 {
				b[i], b[i+1] = 200, 1
			}
		}, CheckNDP, func(b []byte) bool { _, ok := referenceNDP(b); return ok })
	}
}

func TestNDPRefusals(t *testing.T) {
	valid := func() []byte {
		return PutNDP(make([]byte, 32), NDPFields{Type: ICMPv6NeighborAdvertisement, Target: [16]byte{0x20, 1}, LinkAddr: MAC{2}})
	}
	if _, ok := CheckNDP(valid()); !ok {
		t.Fatal("a valid message is refused")
	}
	for name, spoil := range map[string]func(b []byte){
		"another type": func(b []byte) { b[0] = 137 }, "code": func(b []byte) { b[1] = 1 },
		"multicast target": func(b []byte) { b[8] = 0xff }, "option of length zero": func(b []byte) { b[25] = 0 },
		"option beyond the end": func(b []byte) { b[25] = 2 },
	} {
		b := valid()
		spoil(b)
		if _, ok := CheckNDP(b); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestARPRefusals(t *testing.T) {
	for i := range 6 {
		b := make([]byte, ARPLen)
		PutARP(b, ARPFields{Op: ARPReply})
		b[i]++
		if _, ok := CheckARP(b); ok {
			t.Errorf("octet %d wrong: accepted", i)
		}
	}
}

// TestIPv4ChecksumOK: every flipped bit is seen, in headers of every length.
func TestIPv4ChecksumOK(t *testing.T) {
	for words := range 11 {
		b := make([]byte, IPv4Len+4*words)
		h := PutIPv4(b, IPv4Fields{TTL: 64, Src: [4]byte{198, 18, 0, 1}, Dst: [4]byte{198, 19, 255, 254}, Options: make([]byte, 4*words)})
		for bit := range 8 * len(b) {
			if !h.ChecksumOK() {
				t.Fatalf("%d words of options: not right", words)
			}
			b[bit/8] ^= 1 << (bit % 8)
			if h.ChecksumOK() {
				t.Errorf("%d words of options: bit %d is not seen", words, bit)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// TestQuotedIPv4ShortTotalLength: a quote whose header claims less than eight
// octets of transport has no ports, whatever stands behind it.
func TestQuotedIPv4ShortTotalLength(t *testing.T) {
	b := make([]byte, 60)
	h := PutIPv4(b, IPv4Fields{PayloadLen: 7})
	if _, _, ok := CheckQuotedIPv4(b); ok {
		t.Error("accepted with 7 octets of transport")
	}
	binary.BigEndian.PutUint16(h[2:], IPv4Len+8)
	if _, transport, ok := CheckQuotedIPv4(b); !ok || len(transport) != 8 {
		t.Errorf("%v, %d octets of transport", ok, len(transport))
	}
}
