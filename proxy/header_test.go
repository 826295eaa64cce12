package proxy

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// TestHeaders: octets written out by hand from doc/proxy-protocol.txt, sections 2.1 and 2.2.
func TestHeaders(t *testing.T) {
	const sig = "0d0a0d0a000d0a515549540a"
	for _, c := range []struct {
		name     string
		header   Header
		src, dst string
		want     string // of v2 in hexadecimal
	}{
		{"none", NoHeader, "198.18.0.1:4660", "198.18.0.2:443", ""},
		{"v1 IPv4", HeaderV1, "198.18.0.1:4660", "198.18.0.2:443", "PROXY TCP4 198.18.0.1 198.18.0.2 4660 443\r\n"},
		{"v1 IPv6", HeaderV1, "[2001:2::1]:65535", "[2001:2::2]:80", "PROXY TCP6 2001:2::1 2001:2::2 65535 80\r\n"},
		{"v1 IPv4 in IPv6", HeaderV1, "[::ffff:198.18.0.1]:1", "[::ffff:198.18.0.2]:2", "PROXY TCP4 198.18.0.1 198.18.0.2 1 2\r\n"},
		{"v1 with a zone", HeaderV1, "[fe80::1%xs0]:1", "[fe80::2%xs0]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"},
		{"v2 IPv4", HeaderV2, "198.18.0.1:4660", "198.18.0.2:443", sig + "21 11 000c c6120001 c6120002 1234 01bb"},
		{"v2 IPv6", HeaderV2, "[2001:2::1]:4660", "[2001:2::2]:443",
			sig + "21 21 0024 20010002000000000000000000000001 20010002000000000000000000000002 1234 01bb"},
		{"v2 IPv4 in IPv6", HeaderV2, "[::ffff:198.18.0.1]:4660", "[::ffff:198.18.0.2]:443", sig + "21 11 000c c6120001 c6120002 1234 01bb"},
	} {
		got := string(c.header.append([]byte("<"), netip.MustParseAddrPort(c.src), netip.MustParseAddrPort(c.dst)))
		want := c.want
		if c.header == HeaderV2 {
			octets, err := hex.DecodeString(strings.ReplaceAll(want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			want = string(octets)
		}
		if got != "<"+want {
			t.Errorf("%s: %q, want %q", c.name, got, "<"+want)
		}
	}
}

func TestParseHeader(t *testing.T) {
	for _, h := range []Header{NoHeader, HeaderV1, HeaderV2} {
		if got, err := ParseHeader(h.String()); err != nil || got != h {
			t.Errorf("%s: %v, %v", h, got, err)
		}
	}
	if _, err := ParseHeader("3"); err == nil || !strings.Contains(err.Error(), "v1 and v2") {
		t.Errorf("%v", err)
	}
}

// TestLongestHeaders: as long as the specification says.
func TestLongestHeaders(t *testing.T) {
	long := netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")
	if n := len(HeaderV1.append(nil, long, long)); n != 104 { // section 2.1, "TCP/IPv6"
		t.Errorf("version 1: %d octets", n)
	}
	if n := len(HeaderV2.append(nil, long, long)); n != 52 {
		t.Errorf("version 2: %d octets", n)
	}
}
