package bench

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine/xdp"
)

// dropTable is every way to lose a packet, in the order in which packets meet them. The kernel's
// rx_fill_ring_empty_descs is not among them: what it counts is in rx_dropped, too
// (xsk_rcv and xp_alloc, net/xdp, Linux 6.18).
var dropTable = []struct {
	layer, reason string
	of            func(s *sample) uint64
}{
	{"kernel", "no free frame on the fill ring, or too long for one (rx_dropped)", func(s *sample) uint64 { return s.ports.RxDropped }},
	{"kernel", "RX ring full (rx_ring_full)", func(s *sample) uint64 { return s.ports.RxRingFull }},
	{"kernel", "invalid address on the fill ring (rx_invalid_descs)", func(s *sample) uint64 { return s.ports.RxInvalidDescs }},
	{"engine", "RX descriptor that makes no sense", func(s *sample) uint64 { return s.ports.RxInvalid }},
	{"program", "queue full while the TX ring was", func(s *sample) uint64 { return s.dropped }},
	{"engine", "frame that cannot be sent: too short, or of several parts", func(s *sample) uint64 { return s.ports.TxRefused }},
	{"engine", "device down", func(s *sample) uint64 { return s.turns.TxDown }},
	{"engine", "no such port", func(s *sample) uint64 { return s.turns.NoPort }},
	{"kernel", "invalid TX descriptor (tx_invalid_descs)", func(s *sample) uint64 { return s.ports.TxInvalidDescs }},
	{"engine", "completion that makes no sense", func(s *sample) uint64 { return s.ports.TxInvalid }},
}

// drops lists what was lost between two samples of each worker, by reason.
func drops(from, to []sample) (list []Drop, total uint64) {
	for _, d := range dropTable {
		n := uint64(0)
		for i := range to {
			n += d.of(&to[i]) - d.of(&from[i])
		}
		if n > 0 {
			list = append(list, Drop{d.layer, d.reason, n})
		}
	}
	for i := range to {
		list = addStackDrops(list, from[i].stack, to[i].stack)
	}
	for _, d := range list {
		total += d.Packets
	}
	return list, total
}

// addStackDrops adds what one worker's stack dropped. It names each reason once; from lacks those that
// had not come up yet.
func addStackDrops(list []Drop, from, to []xdpstack.Drop) []Drop {
	for _, d := range to {
		n := d.Packets
		if i := slices.IndexFunc(from, func(f xdpstack.Drop) bool { return f.Reason == d.Reason }); i >= 0 {
			n -= from[i].Packets
		}
		if n == 0 {
			continue
		}
		name := d.Reason + ": " + d.Meaning
		i := slices.IndexFunc(list, func(l Drop) bool { return l.Layer == "stack" && l.Reason == name })
		if i < 0 {
			i = len(list)
			list = append(list, Drop{"stack", name, 0})
		}
		list[i].Packets += n
	}
	return list
}

// interfaceDrops are what the interfaces lost besides: a veth counts what a socket refused among its own,
// so that is taken off.
func interfaceDrops(devices []Device, others []Drop) (list []Drop) {
	var rx, tx, refused uint64
	for _, d := range devices {
		rx, tx = rx+d.RxDropped, tx+d.TxDropped
	}
	for _, d := range others {
		if d.Layer == "kernel" {
			refused += d.Packets
		}
	}
	if n := gain(refused, rx); n > 0 {
		list = append(list, Drop{"interface", "receive queue full (rx_dropped, without those of the kernel)", n})
	}
	if tx > 0 {
		list = append(list, Drop{"interface", "not sent: the other end's queue was full, or it is down (tx_dropped)", tx})
	}
	return list
}

// linkCounts are the kernel's counters of an interface, and its XDP program's.
type linkCounts struct {
	stats    netlink.LinkStatistics64
	verdicts xdp.Counts
}

// links reads the counters of all interfaces. One that is gone has none.
func (r *rig) links() ([]linkCounts, error) {
	counts := make([]linkCounts, len(r.itfs))
	var failed error
	for i := range r.itfs {
		l, err := r.net.LinkByIndex(r.itfs[i].Index)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("bench: counters of %s: %w", r.itfs[i].Name, err))
			continue
		}
		if s := l.Attrs().Statistics; s != nil {
			counts[i].stats = netlink.LinkStatistics64(*s)
		}
		if r.devices == nil {
			continue
		}
		if p := r.devices[i].Program(); p != nil {
			if counts[i].verdicts, err = p.Verdicts(); err != nil {
				failed = errors.Join(failed, err)
			}
		}
	}
	return counts, failed
}

// describe tells of the interfaces and what passed there.
func (r *rig) describe(from, to []linkCounts) (list []Device) {
	for i := range r.itfs {
		a, b := &from[i], &to[i]
		d := Device{
			Name: r.itfs[i].Name, Driver: r.itfs[i].Driver, Reasons: []string{}, Verdicts: []Verdict{},
			RxPackets: gain(a.stats.RxPackets, b.stats.RxPackets), TxPackets: gain(a.stats.TxPackets, b.stats.TxPackets),
			RxDropped: gain(a.stats.RxDropped, b.stats.RxDropped), TxDropped: gain(a.stats.TxDropped, b.stats.TxDropped),
		}
		if r.devices != nil {
			s := r.devices[i].Status()
			d.Mode, d.Attached = s.Mode.String(), s.Attached.String()
			d.Reasons = append(d.Reasons, s.Reasons...)
		}
		for v := range b.verdicts {
			if n := gain(a.verdicts[v], b.verdicts[v]); n > 0 {
				d.Verdicts = append(d.Verdicts, Verdict{xdp.Verdict(v).String(), n})
			}
		}
		list = append(list, d)
	}
	return list
}

// gain is to - from, and 0 for a counter that is gone or began anew.
func gain(from, to uint64) uint64 {
	if to < from {
		return 0
	}
	return to - from
}
