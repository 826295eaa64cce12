package xdp

import (
	"encoding/binary"
	"net/netip"
)

// reference decides as bpf/xdp.c does, slowly and plainly: by going through the filter
// itself for every packet.
func (f Filter) reference(b []byte) Verdict {
	if len(b) < 14 {
		return PassedShort
	}
	switch l3 := b[14:]; binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		return f.reference4(l3)
	case 0x86dd:
		return f.reference6(l3)
	case 0x0806:
		return f.referenceARP(l3)
	case 0x8100, 0x88a8:
		return PassedVLAN
	}
	return PassedEthertype
}

type kind int

const (
	notOurs kind = iota
	sharedAddr
	ownAddr
)

func (f Filter) kind(b []byte) kind {
	addr, _ := netip.AddrFromSlice(b)
	for _, a := range f.Addrs {
		switch {
		case a.Addr != addr:
		case a.Exclusive:
			return ownAddr
		default:
			return sharedAddr
		}
	}
	return notOurs
}

func (f Filter) port(dst []byte, proto Proto, port []byte) bool {
	addr, _ := netip.AddrFromSlice(dst)
	n := binary.BigEndian.Uint16(port)
	for _, r := range f.Ports {
		if r.Proto == proto && (!r.Addr.IsValid() || r.Addr == addr) && r.From <= n && n <= r.To {
			return true
		}
	}
	return false
}

func (f Filter) referenceARP(b []byte) Verdict {
	if len(b) < 28 {
		return PassedShort
	}
	if string(b[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return PassedMalformed
	}
	switch max(f.kind(b[14:18]), f.kind(b[24:28])) {
	case ownAddr:
		return TakenARP
	case sharedAddr:
		return PassedNeighbour
	}
	return PassedAddress
}

func (f Filter) reference4(b []byte) Verdict {
	if len(b) < 20 {
		return PassedShort
	}
	if b[0]>>4 != 4 {
		return PassedMalformed
	}
	dst := b[16:20]
	switch f.kind(dst) {
	case notOurs:
		return PassedAddress
	case ownAddr:
		return TakenIPv4
	}
	payload, _ := payload4(b)
	switch {
	case b[0]&15 < 5:
		return PassedMalformed
	case binary.BigEndian.Uint16(b[6:])&0x3fff != 0:
		return PassedFragment
	case b[9] == 1:
		return f.referenceICMP(dst, payload, 0, map[byte]bool{3: true, 4: true, 11: true, 12: true})
	}
	return f.referencePorts(dst, b[9], payload)
}

// payload4 is what follows an IPv4 header and its options.
func payload4(b []byte) ([]byte, bool) {
	n := int(b[0]&15) * 4
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

func (f Filter) reference6(b []byte) Verdict {
	if len(b) < 40 {
		return PassedShort
	}
	if b[0]>>4 != 6 {
		return PassedMalformed
	}
	dst := b[24:40]
	proto, payload, verdict := payload6(b)
	if dst[0] == 0xff {
		return f.referenceND(dst, proto, payload, verdict == 0)
	}
	switch f.kind(dst) {
	case notOurs:
		return PassedAddress
	case ownAddr:
		return TakenIPv6
	}
	switch {
	case verdict != 0:
		return verdict
	case proto == 58:
		return f.referenceICMP(dst, payload, 129, map[byte]bool{1: true, 2: true, 3: true, 4: true})
	}
	return f.referencePorts(dst, proto, payload)
}

// payload6 is what follows an IPv6 header and its extensions; verdict is not 0 where a
// shared address's packet passes on their account.
func payload6(b []byte) (proto byte, payload []byte, verdict Verdict) {
	proto, b = b[6], b[40:]
	for n := 0; proto == 0 || proto == 43 || proto == 44 || proto == 60; n++ {
		if n == 5 {
			return proto, nil, PassedProtocol
		}
		if len(b) < 8 {
			return proto, nil, PassedShort
		}
		size := 8
		if proto != 44 {
			size += int(b[1]) * 8
		} else if binary.BigEndian.Uint16(b[2:])&0xfff9 != 0 {
			return proto, nil, PassedFragment
		}
		proto = b[0]
		b = b[min(size, len(b)):]
	}
	return proto, b, 0
}

func (f Filter) referenceND(dst []byte, proto byte, b []byte, reached bool) Verdict {
	if !reached || proto != 58 || len(b) < 24 {
		return PassedAddress
	}
	group := string(dst[:13]) == "\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff"
	if b[0] != 136 && (b[0] != 135 || !group) {
		return PassedAddress
	}
	switch f.kind(b[8:24]) {
	case ownAddr:
		return TakenND
	case sharedAddr:
		return PassedNeighbour
	}
	return PassedAddress
}

func (f Filter) referencePorts(dst []byte, proto byte, b []byte) Verdict {
	switch {
	case proto != 6 && proto != 17:
		return PassedProtocol
	case len(b) < 4:
		return PassedShort
	case f.port(dst, Proto(proto), b[2:]):
		return TakenPort
	}
	return PassedPort
}

func (f Filter) referenceICMP(dst, b []byte, reply byte, errors map[byte]bool) Verdict {
	switch {
	case len(b) < 8:
		return PassedShort
	case b[0] == reply && f.port(dst, ICMP, b[4:]):
		return TakenEcho
	case errors[b[0]] && f.quoted(dst, b[8:]):
		return TakenICMPError
	}
	return PassedICMP
}

// quoted reports whether an error quotes a packet of ours.
func (f Filter) quoted(dst, b []byte) bool {
	proto, echo, ok := byte(0), byte(8), false
	switch {
	case len(dst) == 4 && len(b) >= 20 && b[0]>>4 == 4 && b[0]&15 >= 5 && binary.BigEndian.Uint16(b[6:])&0x3fff == 0:
		proto = b[9]
		b, ok = payload4(b)
		if proto == 58 {
			return false
		}
	case len(dst) == 16 && len(b) >= 40 && b[0]>>4 == 6:
		var verdict Verdict
		proto, b, verdict = payload6(b)
		ok = verdict == 0
		if proto == 1 {
			return false
		}
		echo = 128
	}
	switch {
	case !ok || len(b) < 8:
		return false
	case proto == 6 || proto == 17:
		return f.port(dst, Proto(proto), b)
	case proto == 1 || proto == 58:
		return b[0] == echo && f.port(dst, ICMP, b[4:])
	}
	return false
}
