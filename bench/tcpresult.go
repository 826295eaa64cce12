package bench

import (
	"fmt"
	"io"
	"time"
)

// maxTrip is what a histogram takes.
const maxTrip = 10 * time.Second

// TCPInterval is what passed since the interval before.
type TCPInterval struct {
	Start         float64 `json:"start"` // seconds since measuring began
	End           float64 `json:"end"`
	Transactions  uint64  `json:"transactions"` // of tcp-crr: connections
	PerSecond     float64 `json:"transactions_per_second"`
	Octets        uint64  `json:"octets"` // of payload: of tcp-rr and tcp-crr, both ways
	BitsPerSecond float64 `json:"bits_per_second"`
	Latency       Latency `json:"latency"` // of each transaction; of tcp-crr, from the first SYN to the end
}

// rate fills in what follows from the rest.
func (i *TCPInterval) rate() {
	took := i.End - i.Start
	i.PerSecond, i.BitsPerSecond = per(float64(i.Transactions), took), per(8*float64(i.Octets), took)
}

// TCPCost is what the client's threads spent, in user space and in the kernel. It says nothing of the server.
type TCPCost struct {
	// CyclesPerTransaction and CyclesPerOctet are nil where the processor's counters cannot be read: CountersMissing
	// says why.
	CyclesPerTransaction *float64 `json:"cycles_per_transaction"`
	CyclesPerOctet       *float64 `json:"cycles_per_octet"`
	CountersMissing      string   `json:"counters_missing,omitempty"`
}

// cost is what was spent from a to s.
func (s *tcpSpent) cost(a *tcpSpent, transactions, octets float64) TCPCost {
	if s.missing != "" {
		return TCPCost{CountersMissing: s.missing}
	}
	if a.missing != "" {
		return TCPCost{CountersMissing: a.missing}
	}
	cycles := s.counts.cycles - a.counts.cycles
	return TCPCost{CyclesPerTransaction: perCounted(cycles, transactions), CyclesPerOctet: perCounted(cycles, octets)}
}

// TCPResult is a run of TCPRR, TCPStream or TCPCRR. Encoded as JSON its names and units stay; fields may be added.
type TCPResult struct {
	Bench         string    `json:"bench"` // tcp-rr, tcp-stream or tcp-crr
	Via           string    `json:"via"`   // kernel or xdpstack
	To            string    `json:"to"`
	Connections   int       `json:"connections"`
	Size          int       `json:"size"`                // of a request and of an answer, or of each write or read, in octets
	Direction     string    `json:"direction,omitempty"` // of tcp-stream: out or in
	Seconds       float64   `json:"seconds"`
	Transactions  uint64    `json:"transactions"` // of tcp-crr: connections
	PerSecond     float64   `json:"transactions_per_second"`
	Octets        uint64    `json:"octets"` // of payload: of tcp-rr and tcp-crr, both ways
	BitsPerSecond float64   `json:"bits_per_second"`
	Latency       Latency   `json:"latency"`
	Retransmits   uint64    `json:"retransmits"` // segments that the client sent again
	Cost          TCPCost   `json:"cost"`
	Distance      Distance  `json:"distance"`
	Interrupted   bool      `json:"interrupted"`
	Began         time.Time `json:"began"`
}

// TCPHeader is the line above those of TCPInterval.Text.
func TCPHeader(stream bool) string {
	if stream {
		return fmt.Sprintf("%-20s %15s %14s", "Interval", "Octets", "Rate")
	}
	return fmt.Sprintf("%-20s %12s %12s %9s %9s %9s %9s %9s", "Interval", "Transactions", "per second", "p50 µs", "p90", "p99", "p99.9", "max")
}

// Text writes a line.
func (i *TCPInterval) Text(w io.Writer, stream bool) {
	if stream {
		fmt.Fprintf(w, "%6.2f-%-6.2f sec    %15d %14s\n", i.Start, i.End, i.Octets, si(i.BitsPerSecond, "bit/s"))
		return
	}
	fmt.Fprintf(w, "%6.2f-%-6.2f sec    %12d %12.0f %s\n", i.Start, i.End, i.Transactions, i.PerSecond, i.Latency.columns())
}

// Stream reports whether octets count, and not transactions.
func (r *TCPResult) Stream() bool { return r.Direction != "" }

// Text writes the summary.
func (r *TCPResult) Text(w io.Writer) {
	row := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-11s %s\n", what, fmt.Sprintf(format, args...))
	}
	if r.Stream() {
		row(r.Bench, "%s %s via %s, %d connections, %d octets at a time", map[string]string{"out": "to", "in": "from"}[r.Direction], r.To, r.Via, r.Connections, r.Size)
		row("rate", "%d octets in %.2f s: %s, %d segments sent again", r.Octets, r.Seconds, si(r.BitsPerSecond, "bit/s"), r.Retransmits)
	} else {
		µs := func(ns int64) float64 { return float64(ns) / 1e3 }
		l := &r.Latency
		row(r.Bench, "to %s via %s, %d connections, %d octets each way", r.To, r.Via, r.Connections, r.Size)
		row("rate", "%d transactions in %.2f s: %.0f per second, %d segments sent again", r.Transactions, r.Seconds, r.PerSecond, r.Retransmits)
		row("latency", "p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f µs (min %.1f, mean %.1f)",
			µs(l.P50), µs(l.P90), µs(l.P99), µs(l.P999), µs(l.Max), µs(l.Min), µs(l.Mean))
	}
	row("cost", "%s", r.costText())
	row("cores", "%s", r.Distance)
	if r.Interrupted {
		row("interrupted", "before the time was over")
	}
}

func (r *TCPResult) costText() string {
	switch c := &r.Cost; {
	case c.CyclesPerOctet == nil:
		return "cycles n/a: " + c.CountersMissing
	case r.Stream():
		return fmt.Sprintf("%.2f cycles an octet on the client's threads", *c.CyclesPerOctet)
	default:
		return fmt.Sprintf("%.0f cycles a transaction on the client's threads", *c.CyclesPerTransaction)
	}
}
