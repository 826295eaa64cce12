package bench

import (
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// Rate is how many packets passed in a time.
type Rate struct {
	Packets          uint64  `json:"packets"`
	Bytes            uint64  `json:"bytes"` // of Ethernet frames, without preamble, gap and FCS
	Seconds          float64 `json:"seconds"`
	PacketsPerSecond float64 `json:"packets_per_second"`
	BitsPerSecond    float64 `json:"bits_per_second"`
}

func newRate(packets, bytes uint64, took time.Duration) Rate {
	r := Rate{Packets: packets, Bytes: bytes, Seconds: took.Seconds()}
	r.PacketsPerSecond = per(float64(packets), r.Seconds)
	r.BitsPerSecond = per(8*float64(bytes), r.Seconds)
	return r
}

// add makes r the rate of two workers: their rates sum up, measured over times
// that may differ by microseconds.
func (r *Rate) add(o Rate) {
	r.Packets += o.Packets
	r.Bytes += o.Bytes
	r.Seconds = max(r.Seconds, o.Seconds)
	r.PacketsPerSecond += o.PacketsPerSecond
	r.BitsPerSecond += o.BitsPerSecond
}

// Cost is what the packets of a Rate cost, each. Where nothing passed it is all zero.
type Cost struct {
	Ns      float64 `json:"ns"`           // of the worker's time, idle or not
	Calls   float64 `json:"system_calls"` // of the worker
	RxBatch float64 `json:"rx_batch"`     // packets that a look at the RX ring found, when it found any
	TxBatch float64 `json:"tx_batch"`     // packets put on the TX ring at a time
	// Idle is the share of the worker's turns without work; nil where turns are not counted.
	Idle *float64 `json:"idle"`

	// Cycles and Instructions are nil where the processor's counters cannot be read:
	// CountersMissing says why.
	Cycles           *float64 `json:"cycles"`
	Instructions     *float64 `json:"instructions"`
	UserCycles       *float64 `json:"user_cycles"`
	UserInstructions *float64 `json:"user_instructions"`
	CountersMissing  string   `json:"counters_missing,omitempty"`
}

// Part is one worker's share of a run or of an interval.
type Part struct {
	Worker int  `json:"worker"`
	CPU    int  `json:"cpu"`   // -1: not pinned
	Queue  int  `json:"queue"` // of each interface
	Rate   Rate `json:"rate"`
	Cost   Cost `json:"cost"`
	// Share is the worker's part of all packets, 0 to 1.
	Share float64 `json:"share"`
	// LongestGap is the longest time between two looks at the ports since the worker
	// began, sleeps left out.
	LongestGap time.Duration `json:"longest_gap_ns"`
}

// Interval is what passed since the interval before. Start and End are seconds since
// measuring began.
type Interval struct {
	Start   float64 `json:"start"`
	End     float64 `json:"end"`
	Sum     Rate    `json:"sum"`
	Cost    Cost    `json:"cost"`
	Dropped uint64  `json:"dropped"`
	Parts   []Part  `json:"workers"`
}

// Drop is a number of packets that were lost, and where.
type Drop struct {
	Layer   string `json:"layer"`  // "program", "stack", "engine", "kernel" (XDP_STATISTICS) or "interface"
	Reason  string `json:"reason"` // one of a fixed set, see drops.go
	Packets uint64 `json:"packets"`
}

// Verdict is a number of packets that the XDP program judged alike.
type Verdict struct {
	Verdict string `json:"verdict"` // as package engine/xdp names it
	Packets uint64 `json:"packets"`
}

// Device is an interface of a run.
type Device struct {
	Name     string    `json:"name"`
	Driver   string    `json:"driver"`
	Mode     string    `json:"mode"`     // in force, read back from the kernel
	Attached string    `json:"attached"` // where the XDP program ran
	Reasons  []string  `json:"reasons"`  // for each thing that was not possible
	Verdicts []Verdict `json:"verdicts"` // of the XDP program, those that are not zero
	// RxPackets and the others are what the kernel says of the interface for the same time,
	// a veth's with what XDP did.
	RxPackets uint64 `json:"rx_packets"`
	TxPackets uint64 `json:"tx_packets"`
	RxDropped uint64 `json:"rx_dropped"`
	TxDropped uint64 `json:"tx_dropped"`
}

// Whole has the packets from the opening of the interfaces to their closing: what
// another counter at the other end can be compared with.
type Whole struct {
	Received  uint64 `json:"received"`
	Sent      uint64 `json:"sent"`      // put on TX rings
	Completed uint64 `json:"completed"` // of them, said by the kernel to be through
}

// Result is a run. Encoded as JSON its names and units stay; fields may be added.
type Result struct {
	Bench       string    `json:"bench"` // rxdrop, txonly, l2fwd or pktgen
	Port        string    `json:"port"`  // afxdp, asavie or live
	Poll        string    `json:"poll"`
	Scheduling  string    `json:"scheduling"` // dedicated or shared
	Batch       int       `json:"batch"`
	Size        int       `json:"size,omitempty"` // of the frames sent, in bytes
	Devices     []Device  `json:"devices"`
	Sum         Rate      `json:"sum"`
	Cost        Cost      `json:"cost"`
	Parts       []Part    `json:"workers"`
	Dropped     uint64    `json:"dropped"`
	Drops       []Drop    `json:"drops"`
	Whole       Whole     `json:"whole"`
	Distance    Distance  `json:"distance"`
	Warnings    []string  `json:"warnings"`
	Interrupted bool      `json:"interrupted"` // before Config.Duration was over
	Began       time.Time `json:"began"`
}

// sample is a worker's counters at one moment.
type sample struct {
	at       umem.Time
	ports    engine.PortStats // of all its ports
	inTx     int              // of TxPackets, with the kernel still
	dropped  uint64           // by the program
	stack    []xdpstack.Drop  // by the program, where that is a stack
	counters counts
	missing  string             // why there are no counters
	turns    engine.WorkerStats // taken a moment later than the rest
}

// spent is what a worker spent between two samples.
type spent struct {
	took                         time.Duration
	rx, tx, rxBatches, txBatches uint64
	rxBytes, txBytes             uint64
	calls, turns, idle           uint64
	counters                     counts
	missing                      string // why there are no counters
}

// since is what was spent from a to s.
func (s *sample) since(a *sample) spent {
	p, q := &s.ports, &a.ports
	w, v := &s.turns, &a.turns
	return spent{
		took: time.Duration(s.at - a.at),
		rx:   p.RxPackets - q.RxPackets, rxBytes: p.RxBytes - q.RxBytes, rxBatches: p.RxBatches - q.RxBatches,
		tx: p.TxPackets - q.TxPackets, txBytes: p.TxBytes - q.TxBytes, txBatches: p.TxBatches - q.TxBatches,
		calls: p.Kicks + p.Wakes + w.Sleeps - q.Kicks - q.Wakes - v.Sleeps,
		turns: w.Turns - v.Turns, idle: w.IdleTurns - v.IdleTurns,
		counters: s.counters.since(a.counters), missing: s.missing,
	}
}

// add makes s what two workers spent.
func (s *spent) add(o spent) {
	s.took += o.took
	s.rx, s.tx = s.rx+o.rx, s.tx+o.tx
	s.rxBytes, s.txBytes = s.rxBytes+o.rxBytes, s.txBytes+o.txBytes
	s.rxBatches, s.txBatches = s.rxBatches+o.rxBatches, s.txBatches+o.txBatches
	s.calls, s.turns, s.idle = s.calls+o.calls, s.turns+o.turns, s.idle+o.idle
	s.counters.add(o.counters)
	if s.missing == "" {
		s.missing = o.missing
	}
}

// cost is what each of so many packets cost.
func (s *spent) cost(packets uint64) Cost {
	n := float64(packets)
	c := Cost{
		RxBatch: per(float64(s.rx), float64(s.rxBatches)), TxBatch: per(float64(s.tx), float64(s.txBatches)),
		CountersMissing: s.missing,
	}
	if s.turns > 0 {
		c.Idle = perCounted(s.idle, float64(s.turns))
	}
	c.Ns, c.Calls = per(float64(s.took), n), per(float64(s.calls), n)
	if s.missing == "" {
		c.Cycles, c.Instructions = perCounted(s.counters.cycles, n), perCounted(s.counters.instructions, n)
		c.UserCycles, c.UserInstructions = perCounted(s.counters.userCycles, n), perCounted(s.counters.userInstructions, n)
	}
	return c
}

// per is a / b, and 0 where there is no b: JSON has no infinity.
func per(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func perCounted(a uint64, b float64) *float64 {
	v := per(float64(a), b)
	return &v
}
