package bench

import (
	"fmt"
	"io"
	"strings"
)

// Header is the line above those of Interval.Text.
func Header() string {
	return fmt.Sprintf("[%3s] %-20s %12s %12s %13s %10s %7s %11s", "Wrk", "Interval", "Packets", "Rate", "Bits", "ns/packet", "Batch", "Dropped")
}

// Text writes a line for each worker, and one for all if there are several.
func (i *Interval) Text(w io.Writer) {
	one := len(i.Parts) == 1
	for k := range i.Parts {
		p := &i.Parts[k]
		dropped := "" // is known for all workers together
		if one {
			dropped = fmt.Sprint(i.Dropped)
		}
		i.line(w, fmt.Sprint(p.Worker), &p.Rate, &p.Cost, dropped)
	}
	if !one {
		i.line(w, "SUM", &i.Sum, &i.Cost, fmt.Sprint(i.Dropped))
	}
}

func (i *Interval) line(w io.Writer, who string, r *Rate, c *Cost, dropped string) {
	batch := c.RxBatch
	if batch == 0 {
		batch = c.TxBatch
	}
	line := fmt.Sprintf("[%3s] %6.2f-%-6.2f sec    %12d %12s %13s %10.1f %7.1f %11s",
		who, i.Start, i.End, r.Packets, si(r.PacketsPerSecond, "pps"), si(r.BitsPerSecond, "bit/s"), c.Ns, batch, dropped)
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// si writes a value with the unit's prefix for its size.
func si(v float64, unit string) string {
	for _, p := range []struct {
		size   float64
		prefix string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= p.size {
			return fmt.Sprintf("%.2f %s%s", v/p.size, p.prefix, unit)
		}
	}
	return fmt.Sprintf("%.2f %s", v, unit)
}

// Text writes the summary.
func (r *Result) Text(w io.Writer) {
	row := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-11s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(w, strings.Repeat("- ", 50)+"-")
	row(r.Bench, "%s", r.setting())
	row("rate", "%d packets in %.2f s: %s, %s (of Ethernet frames, without preamble and FCS)",
		r.Sum.Packets, r.Sum.Seconds, si(r.Sum.PacketsPerSecond, "pps"), si(r.Sum.BitsPerSecond, "bit/s"))
	row("per packet", "%s", r.Cost.text())
	row("batches", "%s", r.Cost.batches())
	for i := range r.Parts {
		p := &r.Parts[i]
		row(fmt.Sprintf("worker %d", p.Worker), "%5.1f %%, %s, %s", 100*p.Share, si(p.Rate.PacketsPerSecond, "pps"), p.where())
	}
	for i := range r.Devices {
		d := &r.Devices[i]
		row(d.Name, "%s", d.text())
		for _, reason := range d.Reasons {
			row("", "not possible: %s", reason)
		}
	}
	for _, d := range r.Drops {
		row("dropped", "%d by the %s: %s", d.Packets, d.Layer, d.Reason)
	}
	row("cores", "%s", r.Distance)
	for _, warning := range r.Warnings {
		row("warning", "%s", warning)
	}
	if r.Interrupted {
		row("interrupted", "before the time was over")
	}
}

func (r *Result) setting() string {
	var names []string
	for _, d := range r.Devices {
		names = append(names, d.Name)
	}
	s := fmt.Sprintf("on %s by %s; workers: %d, %s, poll %s, batch %d", strings.Join(names, " and "), r.Port, len(r.Parts), r.Scheduling, r.Poll, r.Batch)
	if r.Size > 0 {
		s += fmt.Sprintf(", frames of %d bytes", r.Size)
	}
	return s
}

// text says what a packet cost.
func (c *Cost) text() string {
	s := fmt.Sprintf("%.1f ns, %.4f system calls, ", c.Ns, c.Calls)
	if c.Cycles == nil {
		return s + "cycles n/a: " + c.CountersMissing
	}
	return s + fmt.Sprintf("%.0f cycles (%.0f in user space), %.0f instructions (%.0f)", *c.Cycles, *c.UserCycles, *c.Instructions, *c.UserInstructions)
}

func (c *Cost) batches() string {
	s := fmt.Sprintf("%.1f packets received, %.1f sent", c.RxBatch, c.TxBatch)
	if c.Idle != nil {
		s += fmt.Sprintf("; %.1f %% of turns without work", 100**c.Idle)
	}
	return s
}

func (p *Part) where() string {
	s := "not pinned"
	if p.CPU >= 0 {
		s = fmt.Sprintf("CPU %d", p.CPU)
	}
	if p.Queue >= 0 {
		s += fmt.Sprintf(", queue %d", p.Queue)
	}
	if p.LongestGap > 0 {
		s += fmt.Sprintf(", longest gap between polls %v", p.LongestGap)
	}
	return s
}

func (d *Device) text() string {
	s := d.Driver
	if d.Mode != "" {
		s += fmt.Sprintf(", mode %s, XDP %s", d.Mode, d.Attached)
	}
	s += fmt.Sprintf("; by the kernel's count %d received, %d sent", d.RxPackets, d.TxPackets)
	for _, v := range d.Verdicts {
		s += fmt.Sprintf(", %s %d", v.Verdict, v.Packets)
	}
	return s
}
