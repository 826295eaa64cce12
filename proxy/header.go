package proxy

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// Header is a version of the PROXY protocol, by which a proxy tells a backend, in
// the first octets of the connection, from where to where the client's goes
// (haproxy.org, doc/proxy-protocol.txt, 2020/03/05).
type Header uint8

// The versions.
const (
	NoHeader Header = iota
	HeaderV1        // a line of text, section 2.1
	HeaderV2        // binary, section 2.2
)

// ParseHeader reads "none", "v1" or "v2".
func ParseHeader(word string) (Header, error) {
	switch word {
	case "", "none":
		return NoHeader, nil
	case "v1":
		return HeaderV1, nil
	case "v2":
		return HeaderV2, nil
	}
	return NoHeader, fmt.Errorf("PROXY protocol %q: there are none, v1 and v2", word)
}

// String is the word that ParseHeader reads.
func (h Header) String() string {
	switch h {
	case NoHeader:
		return "none"
	case HeaderV1:
		return "v1"
	case HeaderV2:
		return "v2"
	}
	return "version " + strconv.Itoa(int(h))
}

// Octets of version 2, section 2.2.
const (
	signature    = "\r\n\r\n\x00\r\nQUIT\n"
	versionProxy = 0x21 // version 2, command PROXY
	tcpOver4     = 0x11
	tcpOver6     = 0x21
)

// append puts the header of a client's connection behind b. Its two ends are of
// one family always; that the backend's may be another's does not show.
func (h Header) append(b []byte, src, dst netip.AddrPort) []byte {
	src, dst = unmap(src), unmap(dst)
	switch h {
	case HeaderV1:
		return appendV1(b, src, dst)
	case HeaderV2:
		return appendV2(b, src, dst)
	}
	return b
}

// unmap writes an IPv4 address in IPv6 as what it is, and leaves out the zone: the
// protocol has neither.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func appendV1(b []byte, src, dst netip.AddrPort) []byte {
	family := "PROXY TCP6 "
	if src.Addr().Is4() {
		family = "PROXY TCP4 "
	}
	b = append(b, family...)
	b = src.Addr().AppendTo(b)
	b = append(b, ' ')
	b = dst.Addr().AppendTo(b)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(src.Port()), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(dst.Port()), 10)
	return append(b, "\r\n"...)
}

func appendV2(b []byte, src, dst netip.AddrPort) []byte {
	b = append(b, signature...)
	if src.Addr().Is4() {
		s, d := src.Addr().As4(), dst.Addr().As4()
		b = append(b, versionProxy, tcpOver4, 0, 2*4+2*2)
		b = append(append(b, s[:]...), d[:]...)
	} else {
		s, d := src.Addr().As16(), dst.Addr().As16()
		b = append(b, versionProxy, tcpOver6, 0, 2*16+2*2)
		b = append(append(b, s[:]...), d[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}
