package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// A log is often kept only in part: its head, or its tail of some forty lines. Failures
// are told at once, in short, then in full, and once more at the end by one line each.
const (
	tailLines  = 25  // of each failure's output, at once
	tailTests  = 10  // of a package, at once
	listTests  = 20  // at the end
	lineLength = 300 // at once and at the end
)

// failed reports whether the run is a failure; one that executed nothing is.
func (c *collector) failed() bool {
	return len(c.failures) > 0 || c.passed == 0
}

// report prints the run: failures in full, the slowest tests, what was left out, the
// failures once more by a line each, the sums.
func (c *collector) report(w io.Writer, opt options) {
	c.reportFailures(w)
	c.reportSlowest(w, opt.slowest)
	left := c.leftOut()
	reportLeftOut(w, left, !opt.short)
	if c.passed == 0 && len(c.failures) == 0 {
		fmt.Fprintln(w, "\nno test was executed")
	}
	c.reportList(w)
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

// reportTails prints failures as their package ends, each with the end of its output, and
// what that may lack: of a panic the reason comes long before the end.
func reportTails(w io.Writer, failures []result) {
	for i, f := range failures {
		if i == tailTests {
			fmt.Fprintf(w, "      and %d more failed\n", len(failures)-i)
			return
		}
		fmt.Fprintf(w, "      FAILED %v: %s\n", f, shortened(f.gist()))
		for _, text := range f.text[max(0, len(f.text)-tailLines):] {
			fmt.Fprintf(w, "          %s\n", shortened(text))
		}
	}
}

// reportList names the failures, each with a line of what it said.
func (c *collector) reportList(w io.Writer) {
	if len(c.failures) == 0 {
		return
	}
	fmt.Fprintln(w, "\nfailed:")
	for i, f := range c.failures {
		if i == listTests {
			fmt.Fprintf(w, "  and %d more\n", len(c.failures)-i)
			return
		}
		fmt.Fprintf(w, "  %v: %s\n", f, shortened(f.gist()))
	}
}

// position is what the testing package puts before a test's message.
var position = regexp.MustCompile(`^\s*[^\s:]+\.go:\d+: `)

// gist is the line of a failure's output that says most: of a panic its first, else the
// last that the test itself printed with its position, else the last.
func (r result) gist() string {
	var message, last string
	for _, text := range r.text {
		switch {
		case strings.HasPrefix(text, "panic: "):
			return text
		case position.MatchString(text) && !strings.Contains(text, "TEST_SEED="):
			message = text
		}
		if strings.TrimSpace(text) != "" {
			last = text
		}
	}
	return strings.TrimSpace(cmp.Or(message, last, "it said nothing"))
}

// shortened is a line cut to a length that a log can bear.
func shortened(text string) string {
	if len(text) <= lineLength {
		return text
	}
	return strings.ToValidUTF8(text[:lineLength], "") + " …"
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
