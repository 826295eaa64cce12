package sim

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/umem"
)

// streamSum is what happened in all seeds of streams together.
type streamSum struct {
	Totals
	talks, whole, disturbed, failed int
	octets                          int
	refused, relayed, idled         int
	errors                          map[socket.Errno]int
	slowest                         umem.Time
	resets, zeroWindows, repeats    uint64
	wraps, crossed                  uint64
}

func (t *streamSum) add(s *streams) {
	totals := s.net.Totals()
	t.merge(&totals)
	for _, k := range s.talks {
		t.talks++
		t.octets += k.up.Read + k.down.Read
		switch {
		case k.disturbed:
			t.disturbed++
		case k.whole():
			t.whole++
		default:
			t.failed++
		}
		t.slowest = max(t.slowest, k.up.Slowest, k.down.Slowest)
	}
	t.refused += s.refused
	t.relayed += s.relayed
	t.idled += s.idled
	if t.errors == nil {
		t.errors = map[socket.Errno]int{}
	}
	for e, n := range s.errors {
		t.errors[e] += n
	}
	t.resets += s.wire.resets
	t.zeroWindows += s.wire.zeroWindows
	t.repeats += s.wire.repeats
	t.wraps += s.wire.wraps
	t.crossed += s.wire.crossed
}

// streamPath is something that must have happened in a thousand seeds of streams: in those of
// two hosts, and in those with a proxy.
type streamPath struct {
	name  string
	count func(t *streamSum) uint64
	least [2]uint64
}

func copied(r tcp.CopyReason) func(t *streamSum) uint64 {
	return func(t *streamSum) uint64 { return t.TCP.ForwardCopies[r] }
}

var streamPaths = []streamPath{
	{"whole talks", func(t *streamSum) uint64 { return uint64(t.whole) }, [2]uint64{1000, 1000}},
	{"retransmitted after a timeout", func(t *streamSum) uint64 { return t.TCP.TCPTimeouts }, [2]uint64{100, 100}},
	{"fast retransmit", func(t *streamSum) uint64 { return t.TCP.TCPFastRetrans }, [2]uint64{100, 100}},
	{"retransmission put off", func(t *streamSum) uint64 { return t.TCP.TCPSpuriousRtxHostQueues }, [2]uint64{20, 20}},
	{"zero window", func(t *streamSum) uint64 { return t.zeroWindows }, [2]uint64{100, 100}},
	{"zero window probe", func(t *streamSum) uint64 { return t.TCP.TCPWinProbe }, [2]uint64{20, 20}},
	{"out of order", func(t *streamSum) uint64 { return t.TCP.TCPOFOQueue }, [2]uint64{100, 100}},
	{"payload appended", func(t *streamSum) uint64 { return t.TCP.TCPRcvCoalesce }, [2]uint64{100, 100}},
	{"wrong checksum", func(t *streamSum) uint64 { return t.TCP.InCsumErrors }, [2]uint64{100, 100}},
	{"data across 2^32", func(t *streamSum) uint64 { return t.wraps }, [2]uint64{50, 50}},
	{"simultaneous close", func(t *streamSum) uint64 { return t.crossed }, [2]uint64{20, 20}},
	{"reset", func(t *streamSum) uint64 { return t.resets }, [2]uint64{100, 100}},
	{"reset heard", func(t *streamSum) uint64 { return uint64(t.errors[socket.ECONNRESET]) }, [2]uint64{50, 50}},
	{"data after close", func(t *streamSum) uint64 { return t.TCP.TCPAbortOnData }, [2]uint64{5, 5}},
	{"close with data unread", func(t *streamSum) uint64 { return t.TCP.TCPAbortOnClose }, [2]uint64{1, 1}},
	{"TIME-WAIT", func(t *streamSum) uint64 { return t.TCP.TCPTimeWaited }, [2]uint64{500, 500}},
	{"accept queue full", func(t *streamSum) uint64 { return t.TCP.ListenOverflows }, [2]uint64{5, 5}},
	{"half-open dropped", func(t *streamSum) uint64 { return t.TCP.TCPReqQFullDrop }, [2]uint64{1, 1}},
	{"TIME-WAIT cut short", func(t *streamSum) uint64 { return t.TCP.TCPTimeWaitOverflow }, [2]uint64{1, 20}},
	{"refused", func(t *streamSum) uint64 { return uint64(t.errors[socket.ECONNREFUSED]) }, [2]uint64{20, 20}},
	{"no frame to send", func(t *streamSum) uint64 { return t.TCP.NoSendFrame }, [2]uint64{20, 20}},
	{"no room to receive", func(t *streamSum) uint64 { return t.TCP.TCPRcvQDrop }, [2]uint64{0, 0}},
	{"segment split", func(t *streamSum) uint64 { return t.TCP.Splits }, [2]uint64{20, 20}},
	{"handed to another worker", func(t *streamSum) uint64 { return t.HandedOff }, [2]uint64{1000, 1000}},
	{"flow found on another worker", func(t *streamSum) uint64 { return t.TCP.FlowsFound }, [2]uint64{100, 100}},
	{"flow learnt", func(t *streamSum) uint64 { return t.Mesh.Flows }, [2]uint64{100, 100}},
	{"to itself", func(t *streamSum) uint64 { return t.Loopback }, [2]uint64{1000, 100}},
	{"forwarded without a copy", func(t *streamSum) uint64 { return t.TCP.ForwardedFrames }, [2]uint64{1000, 1000}},
	{"forwarded with a copy: held", copied(tcp.CopyHeld), [2]uint64{20, 100}},
	{"forwarded with a copy: large", copied(tcp.CopyLarge), [2]uint64{0, 100}},
	{"forwarded with a copy: quota", copied(tcp.CopyQuota), [2]uint64{0, 1}},
}

func twoHosts(seed uint64, c *Capture) (*streams, error)  { return newStreams(seed, false, c) }
func withProxy(seed uint64, c *Capture) (*streams, error) { return newStreams(seed, true, c) }

// TestThousandStreams runs a thousand networks of two hosts that talk TCP: over wires that
// lose, reorder, duplicate and damage, on one to three workers each, each packet on the right
// one or not.
func TestThousandStreams(t *testing.T) { thousandStreams(t, twoHosts, 0) }

// TestThousandProxies runs a thousand networks of a client, a server, and between them a proxy that
// forwards frames from connection to connection.
func TestThousandProxies(t *testing.T) { thousandStreams(t, withProxy, 1) }

func thousandStreams(t *testing.T, build builder[*streams], column int) {
	var all streamSum
	list := seeds(t, thousand)
	for _, seed := range list {
		all.add(mustRun(t, seed, build))
	}
	t.Logf("%d talks: %d whole, %d disturbed, %d failed; %d octets; %d refused, %d relays failed, %d gave up; errors %v",
		all.talks, all.whole, all.disturbed, all.failed, all.octets, all.refused, all.relayed, all.idled, all.errors)
	t.Logf("%d turns, %d packets on wires; a reader waited %d ms at most; at most %d turns in a row for nothing",
		all.Turns, all.Wire.Packets, all.slowest/umem.Millisecond, all.MaxIdle)
	t.Logf("%s", all.drops())
	if len(list) < thousand {
		return
	}
	for _, p := range streamPaths {
		n := p.count(&all)
		t.Logf("%-32s %d", p.name, n)
		if n < p.least[column] {
			t.Errorf("%s: %d times in %d seeds; fewer than %d: the networks miss it", p.name, n, len(list), p.least[column])
		}
	}
}

// TestSameSeedSameStreams: every segment at every wire, at its time, twice.
func TestSameSeedSameStreams(t *testing.T) {
	for _, build := range []builder[*streams]{twoHosts, withProxy} {
		for _, seed := range seeds(t, 10) {
			a, b := mustRun(t, seed, build), mustRun(t, seed, build)
			if a.net.Trace() != b.net.Trace() || a.net.Totals() != b.net.Totals() {
				t.Errorf("seed %d: two runs differ: traces %x and %x", seed, a.net.Trace(), b.net.Trace())
			}
		}
	}
}
