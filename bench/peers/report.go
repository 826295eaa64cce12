package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/xdpstack/xdpstack/bench/peers/contender"
)

// report is all that was measured.
type report struct {
	facts    []fact
	tests    []result
	echoes   []echoResult
	sections []section
}

// verdicts are all of them.
func (r *report) verdicts() (list []verdict) {
	for i := range r.tests {
		list = append(list, r.tests[i].verdicts()...)
	}
	for i := range r.echoes {
		list = append(list, r.echoes[i].verdicts()...)
	}
	for _, s := range r.sections {
		list = append(list, s.verdicts()...)
	}
	return list
}

// write writes the text.
func (r *report) write(w io.Writer) error {
	p := &printer{w: w}
	p.line("xdpstack beside its peers")
	p.line("")
	t := p.table()
	for _, f := range r.facts {
		t.row(f.name, f.value)
	}
	t.end()
	p.line("\nWhat was asked for, and what was found (medians of ratios, pair by pair)\n")
	for _, v := range r.verdicts() {
		p.line("  " + v.String())
	}
	if len(r.tests) > 0 {
		r.writeTests(p)
	}
	if len(r.echoes) > 0 {
		r.writeEchoes(p)
	}
	for _, s := range r.sections {
		s.write(p)
	}
	return p.err
}

// writeTests writes those of raw packets.
func (r *report) writeTests(p *printer) {
	p.line("\n\nRaw packets of %d octets over a veth, native XDP, copy mode, one queue; contender on core %d, source on core %d", contender.Size, workerCPU, sourceCPU)
	p.line("Counted by the kernel on the veth, and by the processor for all threads of the contender on its core.")
	for i := range r.tests {
		r.tests[i].write(p)
	}
}

// writeEchoes writes those in memory.
func (r *report) writeEchoes(p *printer) {
	p.line("\n\nUDP echo of %d octets in memory, request and reply, one core, checksums computed and verified", echoSize)
	p.line("Nanoseconds are of all threads of the process; in brackets on the clock.")
	for i := range r.echoes {
		r.echoes[i].write(p)
	}
}

// write writes a test: each run, then the pairs.
func (r *result) write(p *printer) {
	p.line("\n%s\n", r.test)
	t := p.table()
	t.row("round", "contender", "tag", "Mpps", "cycles/packet", "in user space", "instructions/packet", "note")
	for n, round := range r.rounds {
		for i := range round {
			one := &round[i]
			note := ""
			if one.err != nil {
				note = one.err.Error()
			}
			t.row(fmt.Sprint(n+1), one.contender, fmt.Sprintf("%s %.0f %.0f ns", one.distance.Tag, one.distance.BeforeNs, one.distance.AfterNs),
				fmt.Sprintf("%.2f", one.mpps()), fmt.Sprintf("%.0f", one.cycles()), fmt.Sprintf("%.0f", one.userCycles()), fmt.Sprintf("%.0f", one.instructions()), note)
		}
	}
	t.end()
	for i, c := range contenders[1:] {
		pairs := r.pairs(i + 1)
		p.line("  xdpstack / %s, %d pairs: packets per second %s median %.3f; cycles per packet %s median %.3f", c.Name, len(pairs),
			figures(pairs, pair.rate), median(pairs, pair.rate), figures(pairs, pair.cycles), median(pairs, pair.cycles))
	}
}

// write writes the rounds of an echo.
func (r *echoResult) write(p *printer) {
	p.line("\n%d under way at a time\n", r.window)
	t := p.table()
	t.row("round", "stack", "ns", "allocations", "note")
	for n, round := range r.rounds {
		for i, one := range round {
			note := ""
			if one.err != nil {
				note = one.err.Error()
			}
			t.row(fmt.Sprint(n+1), echoPairs[i].name, fmt.Sprintf("%.0f (%.0f)", one.CPUNs, one.WallNs), fmt.Sprintf("%.3f", one.Allocations), note)
		}
	}
	t.end()
	for i, p2 := range echoPairs {
		runs := r.of(i)
		p.line("  %s, %d runs: median %.0f ns (%.0f), %.3f allocations", p2.name, len(runs), median(runs, echoRun.cpuNs), median(runs, echoRun.wallNs), median(runs, echoRun.allocs))
	}
	p.line("  gvisor / xdpstack, %d pairs: %s median %.1f", len(r.ratios()), figures(r.ratios(), same), median(r.ratios(), same))
}

// figures are what f says of each, in a row.
func figures[T any](list []T, f func(T) float64) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%.3f ", f(v))
	}
	return strings.TrimSpace(b.String())
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// table is a printer of columns.
type table struct {
	p *printer
	w *tabwriter.Writer
}

func (p *printer) table() *table { return &table{p, tabwriter.NewWriter(p.w, 0, 8, 2, ' ', 0)} }

func (t *table) row(cells ...string) {
	_, _ = fmt.Fprintln(t.w, "  "+strings.Join(cells, "\t")) // Flush says what failed
}

func (t *table) end() {
	if err := t.w.Flush(); t.p.err == nil {
		t.p.err = err
	}
}
