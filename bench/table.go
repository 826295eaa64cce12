package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/lab"
)

// TableConfig says how Table measures. The zero value of a field is its default.
type TableConfig struct {
	// Lab is the name of the lab that is made for the time; "bench".
	Lab string
	// Rounds is how many pairs of runs of equal tags each benchmark is to have; 5. Twice as many
	// are tried at most.
	Rounds int
	// Duration is how long each run measures; 1 s.
	Duration time.Duration
	// Size is that of the frames; 64 bytes.
	Size int
	// Report is called after each run; may be nil.
	Report func(Result)
	// Log hears what was not possible; nil for slog.Default.
	Log *slog.Logger
}

// Row is a benchmark over one kind of port in a TableResult: medians, of the runs of one tag.
type Row struct {
	Bench            string  `json:"bench"`
	Port             string  `json:"port"`
	Tag              string  `json:"tag"`
	Runs             int     `json:"runs"`
	PacketsPerSecond float64 `json:"packets_per_second"`
	Ns               float64 `json:"ns"`           // per packet
	Cycles           float64 `json:"cycles"`       // per packet; 0: not counted
	Calls            float64 `json:"system_calls"` // per packet
}

// Ratio compares the two kinds of ports in a benchmark: the median over pairs of neighbouring runs of
// equal tags, afxdp's packets per second divided by asavie's.
type Ratio struct {
	Bench string  `json:"bench"`
	Pairs int     `json:"pairs"`
	Ratio float64 `json:"ratio"`
}

// TableResult is what Table measured.
type TableResult struct {
	Machine     Machine  `json:"machine"`
	Size        int      `json:"size"`
	Rows        []Row    `json:"rows"`
	Ratios      []Ratio  `json:"ratios"`
	Runs        []Result `json:"runs,omitempty"`
	Interrupted bool     `json:"interrupted"`
}

// Table measures rxdrop, txonly and l2fwd over each kind of port, on one queue in a lab of its own: live
// frames on the first core feed what runs on the last. Runs are interleaved, so that the ports
// of a pair meet the same state of the machine. It needs root.
func Table(ctx context.Context, cfg TableConfig) (res TableResult, err error) {
	if err := cfg.complete(); err != nil {
		return res, err
	}
	l, err := lab.Up(lab.Config{Name: cfg.Lab, Queues: 1})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	t := &table{cfg: &cfg, lab: l}
	res = TableResult{Machine: ThisMachine(), Size: cfg.Size}
	for round := 0; round < 2*cfg.Rounds && ctx.Err() == nil; round++ {
		if err := t.round(ctx); err != nil {
			return res, err
		}
	}
	res.Interrupted = ctx.Err() != nil
	for i := range tabled {
		b := &tabled[i]
		res.Rows = append(res.Rows, t.rows(b.name)...)
		res.Ratios = append(res.Ratios, t.ratio(b.name))
	}
	for _, p := range t.pairs {
		res.Runs = append(res.Runs, p[:]...)
	}
	return res, nil
}

func (c *TableConfig) complete() error {
	if c.Lab == "" {
		c.Lab = "bench"
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Duration == 0 {
		c.Duration = time.Second
	}
	if c.Size == 0 {
		c.Size = DefaultSize
	}
	if c.Rounds < 1 || c.Rounds > 1000 || c.Duration < 10*time.Millisecond || c.Duration > maxDuration {
		return fmt.Errorf("bench: %w: %d rounds of %v; take 1 to 1000, of 10 ms at least", ErrConfig, c.Rounds, c.Duration)
	}
	return nil
}

// tabled are the benchmarks of a table.
var tabled = []struct {
	name string
	run  func(context.Context, Config) (Result, error)
	fed  bool // by a source
}{
	{"rxdrop", RxDrop, true}, {"txonly", TxOnly, false}, {"l2fwd", L2Fwd, true},
}

// kinds are the ports of a pair.
var kinds = [2]PortKind{AFXDP, Asavie}

type table struct {
	cfg   *TableConfig
	lab   *lab.Lab
	pairs [][2]Result // by kinds
}

// round runs each benchmark that lacks pairs once over each kind of port.
func (t *table) round(ctx context.Context) error {
	for i := range tabled {
		b := &tabled[i]
		if len(t.equal(b.name)) >= t.cfg.Rounds {
			continue
		}
		var pair [2]Result
		for k, kind := range kinds {
			var err error
			if pair[k], err = t.one(ctx, b.run, b.fed, kind); err != nil {
				return fmt.Errorf("bench: %s over %s: %w", b.name, kind, err)
			}
			if ctx.Err() != nil {
				return nil
			}
			if t.cfg.Report != nil {
				t.cfg.Report(pair[k])
			}
		}
		t.pairs = append(t.pairs, pair)
	}
	return nil
}

// one runs one benchmark in host a, and if it is fed the source in host b beside it.
func (t *table) one(ctx context.Context, run func(context.Context, Config) (Result, error), fed bool, kind PortKind) (res Result, err error) {
	a, b := t.lab.Host("a"), t.lab.Host("b")
	cfg := Config{
		Interfaces: []string{a.Interface().Name}, Port: kind, Poll: engine.Busy, Packets: Packets{Size: t.cfg.Size},
		Duration: t.cfg.Duration, Omit: 200 * time.Millisecond, Log: t.cfg.Log,
	}
	stop := func() error { return nil }
	if fed {
		from := Config{Interfaces: []string{b.Interface().Name}, Via: Live, Packets: cfg.Packets, Log: t.cfg.Log}
		// What l2fwd sends back is then for nobody there, and dropped as early as what txonly sends.
		from.Packets.SrcMAC = nobody
		stop = Feed(ctx, b, from)
	}
	err = a.Do(func() (err error) {
		res, err = run(ctx, cfg)
		return err
	})
	return res, errors.Join(err, stop())
}

// Feed runs Pktgen beside something else in a host of a lab, until stop is called.
func Feed(ctx context.Context, h *lab.Host, cfg Config) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- h.Do(func() error {
			_, err := Pktgen(ctx, cfg)
			return err
		})
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

// equal are the pairs of a benchmark whose tags are the same and say something.
func (t *table) equal(name string) (pairs [][2]Result) {
	for _, p := range t.pairs {
		if tag := p[0].Distance.Tag; p[0].Bench == name && tag == p[1].Distance.Tag && slices.Contains(comparableTags(), tag) {
			pairs = append(pairs, p)
		}
	}
	return pairs
}

// comparableTags are the tags that say something. On one core there is no distance; on several, a run without one
// met cores that were busy with something else.
func comparableTags() []string {
	if len(usableCPUs()) < 2 {
		return []string{Unknown}
	}
	return []string{Near, Far}
}

func (t *table) ratio(name string) Ratio {
	var ratios []float64
	for _, p := range t.equal(name) {
		ratios = append(ratios, per(p[0].Sum.PacketsPerSecond, p[1].Sum.PacketsPerSecond))
	}
	return Ratio{name, len(ratios), median(ratios)}
}

// rows are the medians of a benchmark, by kind of port and tag.
func (t *table) rows(name string) (rows []Row) {
	for k := range kinds {
		for _, tag := range comparableTags() {
			var pps, ns, cycles, calls []float64
			for _, p := range t.pairs {
				r := &p[k]
				if r.Bench != name || r.Distance.Tag != tag {
					continue
				}
				pps, ns, calls = append(pps, r.Sum.PacketsPerSecond), append(ns, r.Cost.Ns), append(calls, r.Cost.Calls)
				if r.Cost.Cycles != nil {
					cycles = append(cycles, *r.Cost.Cycles)
				}
			}
			if len(pps) > 0 {
				rows = append(rows, Row{name, kinds[k].String(), tag, len(pps), median(pps), median(ns), median(cycles), median(calls)})
			}
		}
	}
	return rows
}

// median is the middle, of an even number the mean of the two in the middle; 0 of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// Text writes the table.
func (r *TableResult) Text(w io.Writer) {
	fmt.Fprintf(w, "%s, %s; one queue of a veth, native XDP, copy mode; frames of %d bytes; medians\n\n", r.Machine.CPU, r.Machine.Kernel, r.Size)
	fmt.Fprintf(w, "%-8s %-8s %-8s %5s %9s %9s %14s %14s\n", "", "port", "cores", "runs", "Mpps", "ns/packet", "cycles/packet", "calls/packet")
	for _, row := range r.Rows {
		cycles := "n/a"
		if row.Cycles > 0 {
			cycles = fmt.Sprintf("%.0f", row.Cycles)
		}
		fmt.Fprintf(w, "%-8s %-8s %-8s %5d %9.2f %9.1f %14s %14.4f\n",
			row.Bench, row.Port, row.Tag, row.Runs, row.PacketsPerSecond/1e6, row.Ns, cycles, row.Calls)
	}
	var ratios []string
	for _, x := range r.Ratios {
		ratios = append(ratios, fmt.Sprintf("%s %.2f (%d pairs)", x.Bench, x.Ratio, x.Pairs))
	}
	fmt.Fprintf(w, "\nafxdp / asavie, pair by pair of equal tags: %s\n", strings.Join(ratios, ", "))
	if r.Interrupted {
		fmt.Fprintln(w, "interrupted")
	}
}
