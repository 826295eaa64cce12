package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// failed reports whether the run is a failure; one that executed nothing is.
func (c *collector) failed() bool {
	return len(c.failures) > 0 || c.passed == 0
}

// report prints the run: failures in full, the slowest tests, what was left out, the sums.
func (c *collector) report(w io.Writer, opt options) {
	c.reportFailures(w)
	c.reportSlowest(w, opt.slowest)
	left := c.leftOut()
	reportLeftOut(w, left, !opt.short)
	if c.passed == 0 && len(c.failures) == 0 {
		fmt.Fprintln(w, "\nno test was executed")
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", c.passed, len(c.failures), len(left))
}

func (c *collector) reportFailures(w io.Writer) {
	for _, f := range c.failures {
		fmt.Fprintf(w, "\nFAILED %v\n", f)
		for _, text := range f.text {
			fmt.Fprintf(w, "    %s\n", text)
		}
	}
}

func (c *collector) reportSlowest(w io.Writer, n int) {
	slices.SortStableFunc(c.timed, func(a, b result) int { return cmp.Compare(b.seconds, a.seconds) })
	n = min(n, len(c.timed))
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "\nthe %d slowest tests:\n", n)
	for _, r := range c.timed[:n] {
		fmt.Fprintf(w, "  %6.2f s  %v\n", r.seconds, r)
	}
}

// reportLeftOut prints what was left out, tests of one reason together, with or without
// their names.
func reportLeftOut(w io.Writer, left []result, names bool) {
	var reasons []string
	byReason := map[string][]result{}
	for _, s := range left {
		reason := s.text[0]
		if byReason[reason] == nil {
			reasons = append(reasons, reason)
		}
		byReason[reason] = append(byReason[reason], s)
	}
	for _, reason := range reasons {
		fmt.Fprintf(w, "\nleft out: %d because: %s\n", len(byReason[reason]), reason)
		if !names {
			continue
		}
		for _, s := range byReason[reason] {
			fmt.Fprintf(w, "  %v\n", s)
		}
	}
}
