package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/xdpstack/xdpstack/bench"
)

// section is a part of the report.
type section interface {
	verdicts() []verdict
	write(p *printer)
}

// contest is a comparison of entrants that take turns, each run giving the same figures.
type contest struct {
	name     string
	head     []string // what is measured, and how
	columns  []column
	entrants []entrant // in their order within a round
	wants    []want
	// twoCores is set where the distance of the cores matters: then only runs of equal tags compare.
	twoCores bool
	rounds   [][]trial // each in the order of entrants
}

// column is a figure.
type column struct {
	name   string
	format string
}

// entrant is what is compared: run measures it once.
type entrant struct {
	name string
	run  func(ctx context.Context) (figures []float64, note string, err error)
}

// trial is a run of an entrant.
type trial struct {
	distance bench.Distance
	figures  []float64 // one for each column, unless err is set
	note     string
	err      error
}

// want is something that is asked for: of a figure of one entrant, or of its ratio to another's, as a median.
type want struct {
	what         string
	column       int
	ours, theirs int     // entrants; theirs is none for the figure itself
	least, most  float64 // 0: not asked
	// ratio is what counts of a pair; nil: ours by theirs, of the column.
	ratio func(ours, theirs *trial) float64
}

const none = -1

// compare has the entrants take turns until each comparison has enough pairs, or a limit says so.
func (c *contest) compare(ctx context.Context, lim limits, progress io.Writer) *contest {
	end := time.Now().Add(lim.each)
	for len(c.rounds) < lim.rounds && !c.enough(lim.pairs) && time.Now().Before(end) && ctx.Err() == nil {
		var round []trial
		for _, e := range c.entrants {
			var one trial
			for range attempts {
				one = c.measure(ctx, e)
				fmt.Fprintf(progress, "%s %d %-16s %s\n", c.name, len(c.rounds)+1, e.name, strings.Join(c.cells(&one), " "))
				if len(round) == 0 && one.usable(c.twoCores) || len(round) > 0 && one.comparable(&round[0], c.twoCores) {
					break
				}
			}
			round = append(round, one)
		}
		c.rounds = append(c.rounds, round)
	}
	return c
}

func (c *contest) measure(ctx context.Context, e entrant) (t trial) {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	if c.twoCores {
		t.distance.CPUs = [2]int{sourceCPU, workerCPU}
		t.distance.BeforeNs = bench.Probe(sourceCPU, workerCPU)
	}
	t.figures, t.note, t.err = e.run(ctx)
	if c.twoCores {
		t.distance.AfterNs = bench.Probe(sourceCPU, workerCPU)
		t.distance.Tag = tagOf(t.distance)
	}
	return t
}

// usable reports whether the run compares with any.
func (t *trial) usable(twoCores bool) bool {
	return t.err == nil && (!twoCores || t.distance.Tag == bench.Near || t.distance.Tag == bench.Far)
}

// comparable reports whether two runs compare.
func (t *trial) comparable(o *trial, twoCores bool) bool {
	return t.usable(twoCores) && o.usable(twoCores) && t.distance.Tag == o.distance.Tag
}

// figuresFor are the figures, or ratios, that a want is about.
func (c *contest) figuresFor(w *want) (list []float64) {
	for _, round := range c.rounds {
		ours := &round[w.ours]
		if w.theirs == none {
			if ours.usable(c.twoCores) {
				list = append(list, ours.figures[w.column])
			}
			continue
		}
		theirs := &round[w.theirs]
		switch {
		case !ours.comparable(theirs, c.twoCores):
		case w.ratio != nil:
			list = append(list, w.ratio(ours, theirs))
		default:
			list = append(list, per(ours.figures[w.column], theirs.figures[w.column]))
		}
	}
	return list
}

// enough reports whether each entrant has n runs that compare with the first one's.
func (c *contest) enough(n int) bool {
	for i := range c.entrants {
		pairs := 0
		for _, round := range c.rounds {
			if round[i].comparable(&round[0], c.twoCores) {
				pairs++
			}
		}
		if pairs < n {
			return false
		}
	}
	return true
}

// verdicts implements section.
func (c *contest) verdicts() (list []verdict) {
	for i := range c.wants {
		w := &c.wants[i]
		if w.least == 0 && w.most == 0 {
			continue
		}
		figures := c.figuresFor(w)
		if len(figures) < wantPairs {
			list = append(list, verdict{fmt.Sprintf("%s: %s: %d runs that compare, %d are needed", c.name, w.what, len(figures), wantPairs), false})
			continue
		}
		m := median(figures, same)
		bound, ok := fmt.Sprintf("%g at least", w.least), m >= w.least
		if w.most != 0 {
			bound, ok = fmt.Sprintf("%g at most", w.most), m <= w.most
		}
		list = append(list, verdict{fmt.Sprintf("%s: %s: %s, %s", c.name, w.what, c.figure(w, m), bound), ok})
	}
	return list
}

func same(f float64) float64 { return f }

// figure writes a figure, or a ratio.
func (c *contest) figure(w *want, f float64) string {
	if w.theirs != none {
		return fmt.Sprintf("%.3f of %s's", f, c.entrants[w.theirs].name)
	}
	return fmt.Sprintf(c.columns[w.column].format+" "+c.columns[w.column].name, f)
}

// cells are a trial's in a table.
func (c *contest) cells(t *trial) (list []string) {
	for i, column := range c.columns {
		cell := ""
		if t.err == nil {
			cell = fmt.Sprintf(column.format, t.figures[i])
		}
		list = append(list, cell)
	}
	note := t.note
	if t.err != nil {
		note = t.err.Error()
	}
	return append(list, note)
}

// write implements section.
func (c *contest) write(p *printer) {
	p.line("\n\n%s\n", strings.Join(c.head, "\n"))
	t := p.table()
	header := []string{"round", "entrant"}
	if c.twoCores {
		header = append(header, "tag")
	}
	for _, column := range c.columns {
		header = append(header, column.name)
	}
	t.row(append(header, "note")...)
	for n, round := range c.rounds {
		for i := range round {
			row := []string{fmt.Sprint(n + 1), c.entrants[i].name}
			if d := &round[i].distance; c.twoCores {
				row = append(row, fmt.Sprintf("%s %.0f %.0f ns", d.Tag, d.BeforeNs, d.AfterNs))
			}
			t.row(append(row, c.cells(&round[i])...)...)
		}
	}
	t.end()
	c.medians(p)
	for i := range c.wants {
		w := &c.wants[i]
		if w.theirs != none {
			list := c.figuresFor(w)
			p.line("  %s, %s / %s, %d pairs: %s median %.3f", w.what, c.entrants[w.ours].name, c.entrants[w.theirs].name, len(list), figures(list, same), median(list, same))
		}
	}
}

// medians writes those of each entrant's runs.
func (c *contest) medians(p *printer) {
	for i, e := range c.entrants {
		var runs []*trial
		for _, round := range c.rounds {
			if round[i].usable(c.twoCores) {
				runs = append(runs, &round[i])
			}
		}
		parts := make([]string, 0, len(c.columns))
		for k, column := range c.columns {
			parts = append(parts, fmt.Sprintf(column.format+" %s", median(runs, func(t *trial) float64 { return t.figures[k] }), column.name))
		}
		p.line("  %s, %d runs: median %s", e.name, len(runs), strings.Join(parts, ", "))
	}
}

// again is this very program, to be started anew.
func again() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("peers: %w", err)
	}
	return self, nil
}
