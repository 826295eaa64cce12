package sim

import (
	"bytes"
	"encoding/binary"

	"github.com/xdpstack/xdpstack/umem"
)

// solicitations holds every host to one request a second for one address (RFC 1122,
// section 2.3.2.1; RFC 4861, section 7.2.2), whatever its traffic.
type solicitations struct {
	last     []solicitation
	repeated [2]uint64 // within two seconds: the first had no answer; ARP, ND
}

type solicitation struct {
	host   *Host
	target string
	at     umem.Time
}

// slack is how much closer requests may be on the wire than they were made: the
// first may have waited in the qdisc.
const slack = umem.Second / 4

// sent returns what Net.Sent is to call.
func (s *solicitations) sent(n *Net) func(h *Host, frame []byte) {
	return func(h *Host, frame []byte) {
		target := soughtFor(frame)
		if target == nil {
			return
		}
		for i := range s.last {
			l := &s.last[i]
			if l.host != h || l.target != string(target) {
				continue
			}
			if d := n.now - l.at; d < umem.Second-slack {
				n.Fail("%s asked for %x again after %d ns", h.Name(), target, d)
			}
			if n.now-l.at < 2*umem.Second {
				s.repeated[len(target)/16]++
			}
			l.at = n.now
			return
		}
		s.last = append(s.last, solicitation{h, string(target), n.now})
	}
}

// soughtFor is the address that a frame asks all hosts for, or nil. Probes of
// conflict detection, from the unspecified address, have their own pace.
func soughtFor(frame []byte) []byte {
	if frame[0]&1 == 0 {
		return nil
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0806:
		arp := frame[ethernetHeader:]
		if binary.BigEndian.Uint16(arp[6:]) != 1 || bytes.Equal(arp[14:18], make([]byte, 4)) || bytes.Equal(arp[14:18], arp[24:28]) {
			return nil
		}
		return arp[24:28]
	case 0x86dd:
		ip := frame[ethernetHeader:]
		if ip[6] != 58 || ip[40] != 135 || bytes.Equal(ip[8:24], make([]byte, 16)) {
			return nil
		}
		return ip[48:64]
	}
	return nil
}
