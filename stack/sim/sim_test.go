package sim

import (
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/stack"
)

// path is something that must have happened in a thousand seeds, or they test less
// than they claim.
type path struct {
	name  string
	count func(t *sum) uint64
	least uint64
}

// sum is what happened in all seeds together.
type sum struct {
	Totals
	score    Score
	repeated [2]uint64
	refused  int
	errors   int
}

func (t *sum) add(s *scenario) {
	totals := s.net.Totals()
	t.merge(&totals)
	t.score.merge(s.oracle.Score())
	t.repeated[0] += s.asked.repeated[0]
	t.repeated[1] += s.asked.repeated[1]
	t.refused += s.refused
	t.errors += s.errors
}

func reason(r stack.Reason) func(t *sum) uint64 {
	return func(t *sum) uint64 { return t.Drops[r] }
}

var paths = []path{
	{"lost on a wire", func(t *sum) uint64 { return t.Wire.Lost }, 1000},
	{"duplicated", func(t *sum) uint64 { return t.Wire.Duplicated }, 1000},
	{"reordered", func(t *sum) uint64 { return t.Wire.Reordered }, 1000},
	{"damaged", func(t *sum) uint64 { return t.Wire.Corrupted }, 1000},
	{"truncated", func(t *sum) uint64 { return t.Wire.Truncated }, 100},
	{"wire queue full", func(t *sum) uint64 { return t.Wire.Full }, 100},
	{"link down", func(t *sum) uint64 { return t.Wire.Down }, 50},
	{"UDP checksum wrong", reason(stack.UDPChecksum), 1000},
	{"IPv4 checksum wrong", reason(stack.IPChecksum), 100},
	{"ICMP checksum wrong", reason(stack.ICMPChecksum), 20},
	{"qdisc full", reason(stack.QdiscFull), 100},
	{"pending full", reason(stack.PendingFull), 100},
	{"receive queue full", reason(stack.ReceiveQueueFull), 100},
	{"event queue full", reason(stack.EventsFull), 100},
	{"closed with datagrams in it", reason(stack.SocketClosed), 1},
	{"neighbour failed", func(t *sum) uint64 { return t.Failed }, 100},
	{"neighbour resolved", func(t *sum) uint64 { return t.Resolved }, 1000},
	{"ARP request repeated", func(t *sum) uint64 { return t.repeated[0] }, 200},
	{"ND solicitation repeated", func(t *sum) uint64 { return t.repeated[1] }, 200},
	{"handed to another worker", func(t *sum) uint64 { return t.HandedOff }, 1000},
	{"hand-off dropped", func(t *sum) uint64 { return t.Mesh.HandoffDrops + t.Drops[stack.HandoffFull] }, 10},
	{"frames sent home", func(t *sum) uint64 { return t.Mesh.SentHome }, 1000},
	{"notes between workers", func(t *sum) uint64 { return t.Mesh.Notes }, 1000},
	{"TX ring full", func(t *sum) uint64 { return t.Device.TxFull }, 1000},
	{"fill ring empty", func(t *sum) uint64 { return t.Device.NoFill }, 100},
	{"to itself", func(t *sum) uint64 { return t.Loopback }, 1000},
	{"local queue full", reason(stack.LocalFull), 10},
	{"ICMP errors", func(t *sum) uint64 { return t.ICMPErrors }, 100},
}

const thousand = 1000

// TestThousandSeeds runs a thousand networks of 2 to 4 hosts with 1 to 3 workers
// each, over wires that lose, reorder, duplicate and damage.
func TestThousandSeeds(t *testing.T) {
	var all sum
	list := seeds(t, thousand)
	for _, seed := range list {
		all.add(mustPass(t, seed, false))
	}
	t.Logf("%+v, %d sends refused, %d errors heard", all.score, all.refused, all.errors)
	t.Logf("%d turns, %d packets on wires; %s", all.Turns, all.Wire.Packets, all.drops())
	t.Logf("at most %d turns in a row for nothing", all.MaxIdle)
	if len(list) < thousand {
		return
	}
	for _, p := range paths {
		n := p.count(&all)
		t.Logf("%-28s %d", p.name, n)
		if n < p.least {
			t.Errorf("%s: %d times in %d seeds; fewer than %d: the scenarios miss it", p.name, n, len(list), p.least)
		}
	}
}

// merge adds o to t.
func (t *Totals) merge(o *Totals) {
	t.Wire.add(&o.Wire)
	t.Device.add(&o.Device)
	t.Mesh.add(&o.Mesh)
	for i, n := range o.Drops {
		t.Drops[i] += n
	}
	addCounters(&t.TCP, &o.TCP)
	t.Solicits += o.Solicits
	t.Resolved += o.Resolved
	t.Failed += o.Failed
	t.ICMPErrors += o.ICMPErrors
	t.Loopback += o.Loopback
	t.HandedOff += o.HandedOff
	t.NoFrame += o.NoFrame
	t.Unheard += o.Unheard
	t.Turns += o.Turns
	t.MaxIdle = max(t.MaxIdle, o.MaxIdle)
}

// merge adds o to s.
func (s *Score) merge(o Score) {
	s.Composed += o.Composed
	s.Accepted += o.Accepted
	s.Copies += o.Copies
	s.Delivered += o.Delivered
	s.Missing += o.Missing
	s.Answers += o.Answers
	s.Answered += o.Answered
	s.Silent += o.Silent
}

// TestCleanWireDeliversExactlyOnce: with room for everything, nothing is dropped,
// nothing refused, and each datagram and each answer arrives once.
func TestCleanWireDeliversExactlyOnce(t *testing.T) {
	answered := 0
	for _, seed := range seeds(t, 100) {
		s := mustPass(t, seed, true)
		score := s.oracle.Score()
		answered += score.Answered
		if score.Accepted != score.Composed || score.Delivered != score.Composed || score.Answered != score.Answers {
			t.Fatalf("seed %d: %+v\n%s", seed, score, again(t, seed, datagrams(true)))
		}
	}
	if answered == 0 && *onlySeed == 0 {
		t.Error("nobody answered anything")
	}
}

// TestSameSeedSameRun: every frame at every wire, at its time, twice; and another
// seed is another run.
func TestSameSeedSameRun(t *testing.T) {
	var traces []uint64
	for _, seed := range seeds(t, 20) {
		a, b := mustPass(t, seed, false), mustPass(t, seed, false)
		if a.net.Trace() != b.net.Trace() || a.net.Totals() != b.net.Totals() || a.oracle.Score() != b.oracle.Score() {
			t.Errorf("seed %d: two runs differ: traces %x and %x", seed, a.net.Trace(), b.net.Trace())
		}
		traces = append(traces, a.net.Trace())
	}
	for i := 1; i < len(traces); i++ {
		if traces[i] == traces[0] {
			t.Error("two seeds have the same trace")
		}
	}
}

// TestCaptureChangesNothing: a failing seed is run again with a capture, so that has
// to be the same run.
func TestCaptureChangesNothing(t *testing.T) {
	for _, seed := range seeds(t, 3) {
		var text strings.Builder
		plain := mustPass(t, seed, false)
		watched, err := attempt(seed, datagrams(false), NewCapture(&text))
		if err != nil || watched.net.Trace() != plain.net.Trace() {
			t.Errorf("seed %d: with a capture the run is another: %v", seed, err)
		}
		if text.Len() == 0 {
			t.Error("nothing was captured")
		}
	}
}
