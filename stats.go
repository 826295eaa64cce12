package xdpstack

import (
	"net"
	"net/netip"
	"reflect"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/umem"
)

// Stats is a host's state at one moment.
type Stats struct {
	Interface string         `json:"interface"`
	Device    *DeviceStats   `json:"device,omitempty"` // what is in force, and why not better
	Addresses []netip.Prefix `json:"addresses"`
	TCP       tcp.Counters   `json:"tcp"` // the workers' sums
	Workers   []WorkerStats  `json:"workers"`
}

// DeviceStats is what is in force on the device, read back from the kernel.
type DeviceStats struct {
	Driver    string       `json:"driver"`
	MAC       string       `json:"mac"`
	MTU       int          `json:"mtu"`
	Asked     string       `json:"asked_mode"`
	Mode      string       `json:"mode"`
	Attached  string       `json:"attached"` // where the XDP program runs: native or generic
	ChunkSize int          `json:"chunk_bytes"`
	HugePages bool         `json:"huge_pages"`
	Queues    []QueueStats `json:"queues"`
	Reasons   []string     `json:"not_possible"` // each thing that could not be, and why
}

// QueueStats is what is in force on one queue.
type QueueStats struct {
	Queue    int    `json:"queue"`
	Mode     string `json:"mode"`
	Shared   bool   `json:"shared_umem"` // uses another queue's registration of the memory
	TxBudget int    `json:"tx_budget"`   // frames that one system call sends, in copy mode
}

func deviceStats(s afxdp.Status) *DeviceStats {
	d := &DeviceStats{
		Driver: s.Interface.Driver, MAC: net.HardwareAddr(s.Interface.MAC[:]).String(), MTU: s.Interface.MTU,
		Asked: s.Asked.String(), Mode: s.Mode.String(), Attached: s.Attached.String(),
		ChunkSize: s.ChunkSize, HugePages: s.HugePages, Reasons: append([]string{}, s.Reasons...),
	}
	for _, q := range s.Queues {
		d.Queues = append(d.Queues, QueueStats{Queue: q.Queue, Mode: q.Mode.String(), Shared: q.Shared, TxBudget: q.TxBudget})
	}
	return d
}

// WorkerStats is one worker's part.
type WorkerStats struct {
	Worker int              `json:"worker"`
	Loop   LoopStats        `json:"loop"`
	Port   engine.PortStats `json:"port"`
	Stack  stack.Counters   `json:"stack"`
	Frames umem.Books       `json:"frames"`
	Drops  []Drop           `json:"drops"`
	Copied []Copied         `json:"copied,omitempty"` // frames that Stream.Forward copied; it did not copy Stack.TCP.ForwardedFrames
	Slow   []SlowHandler    `json:"slow_handlers,omitempty"`

	Connections uint64 `json:"connections"` // TCP's, now: without those in TIME-WAIT
}

// addCounters adds each counter of c to the one of sum.
func addCounters(sum, c *tcp.Counters) {
	to, from := reflect.ValueOf(sum).Elem(), reflect.ValueOf(c).Elem()
	for i := range to.NumField() {
		if f := to.Field(i); f.Kind() == reflect.Uint64 {
			f.SetUint(f.Uint() + from.Field(i).Uint())
		}
	}
	for r, n := range c.ForwardCopies {
		sum.ForwardCopies[r] += n
	}
}

// LoopStats is how a worker's loop went round. A gap is the time between two looks
// at the ports, sleeps left out: what a packet may have had to wait.
type LoopStats struct {
	Turns        uint64 `json:"turns"`
	IdleTurns    uint64 `json:"idle_turns"`
	Sleeps       uint64 `json:"sleeps"`
	HandedIn     uint64 `json:"handed_in"` // frames from other workers
	HandedOut    uint64 `json:"handed_out"`
	HandoffDrops uint64 `json:"handoff_drops"`
	GapP50       int64  `json:"gap_p50_ns"`
	GapP99       int64  `json:"gap_p99_ns"`
	GapP999      int64  `json:"gap_p999_ns"`
	GapMax       int64  `json:"gap_max_ns"`
}

func loopStats(s *engine.Status) LoopStats {
	return LoopStats{
		Turns: s.Turns, IdleTurns: s.IdleTurns, Sleeps: s.Sleeps,
		HandedIn: s.HandedIn, HandedOut: s.HandedOut, HandoffDrops: s.HandoffDrops,
		GapP50: int64(s.Gaps.Percentile(50)), GapP99: int64(s.Gaps.Percentile(99)),
		GapP999: int64(s.Gaps.Percentile(99.9)), GapMax: int64(s.Gaps.Max()),
	}
}

// Drop is how many packets the stack dropped for one reason.
type Drop struct {
	Reason  string `json:"reason"`
	Meaning string `json:"meaning"`
	Packets uint64 `json:"packets"`
}

// Copied is how many frames could not be forwarded as they are, for one reason.
type Copied struct {
	Reason string `json:"reason"`
	Frames uint64 `json:"frames"`
}

func copiesOf(c *stack.Counters) (out []Copied) {
	for r, n := range c.TCP.ForwardCopies {
		if n > 0 {
			out = append(out, Copied{tcp.CopyReason(r).String(), n})
		}
	}
	return out
}

func dropsOf(c *stack.Counters) []Drop {
	out := []Drop{}
	for r, n := range c.Drops {
		if n > 0 {
			out = append(out, Drop{stack.Reason(r).String(), stack.Reason(r).Meaning(), n})
		}
	}
	return out
}

// Stats asks every worker for its counters, between two batches of it.
func (h *Host) Stats() (Stats, error) {
	st := Stats{Interface: h.cfg.Interface, Addresses: h.cfg.Addresses}
	if n, ok := h.dev.(*nic); ok {
		st.Device = deviceStats(n.dev.Status())
	}
	for _, s := range h.shards {
		loop := s.worker.Status()
		w := WorkerStats{Worker: s.id, Loop: loopStats(&loop), Port: loop.Ports[0], Frames: loop.Books, Slow: s.slow.list()}
		err := h.on(s.id, func(s *shard) { w.Stack = *s.stack.Counters() })
		if err != nil {
			return st, err
		}
		w.Drops = dropsOf(&w.Stack)
		w.Connections = w.Stack.TCP.CurrEstab
		addCounters(&st.TCP, &w.Stack.TCP)
		w.Copied = copiesOf(&w.Stack)
		st.Workers = append(st.Workers, w)
	}
	return st, nil
}

// TraceNext asks worker for the way of the next packet that it receives, with a
// stamp at each stage; it comes when what answered the packet is complete.
func (h *Host) TraceNext(worker int) <-chan engine.Trace {
	return h.shards[worker].worker.TraceNext()
}
