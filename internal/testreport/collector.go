package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// modulePath is cut from package names in what is printed.
const modulePath = "github.com/xdpstack/xdpstack"

// result is how one test ended.
type result struct {
	phase, pkg, test string
	seconds          float64
	text             []string // a failure's output, or a skip's reason
}

func (r result) String() string {
	if r.test == "" {
		return fmt.Sprintf("%s (%s)", r.pkg, r.phase)
	}
	return fmt.Sprintf("%s %s (%s)", r.pkg, r.test, r.phase)
}

// key names the test whatever the phase.
func (r result) key() string { return r.pkg + " " + r.test }

// test is one that began.
type test struct {
	name       string
	began      bool   // not so for what only looks like a parent: a name may hold a slash
	ended      string // its last action, empty while it runs
	seconds    float64
	hasSubs    bool
	failedSubs bool
	lastLine   string
}

// line is one of output, and the test that wrote it.
type line struct{ test, text string }

// unit is what is known of the package that runs: its tests, and its output until they end.
type unit struct {
	tests  map[string]*test
	order  []string
	output []line
}

// collector turns events into results.
type collector struct {
	progress io.Writer // one line per package as it ends, and the ends of what its failures printed
	phase    string
	units    map[string]*unit
	builds   map[string][]string // output of builds that failed

	passed   int
	failures []result
	skips    []result            // of every phase; leftOut is what none of them ran
	timed    []result            // top-level tests, for the list of the slowest
	ran      map[string]struct{} // tests that ran in some phase, well or not, as package and name
}

func newCollector(progress io.Writer) *collector {
	return &collector{
		progress: progress,
		units:    map[string]*unit{},
		builds:   map[string][]string{},
		ran:      map[string]struct{}{},
	}
}

// begin starts a phase.
func (c *collector) begin(phase string) { c.phase = phase }

// finish ends the packages that a go command left open, as failures: it died.
func (c *collector) finish() {
	for _, path := range slices.Sorted(maps.Keys(c.units)) {
		c.endPackage(event{Action: "fail", Package: path})
	}
}

// take handles one event.
func (c *collector) take(e event) {
	switch {
	case e.Action == "build-output":
		c.builds[e.ImportPath] = append(c.builds[e.ImportPath], strings.TrimRight(e.Output, "\n"))
	case e.Package == "":
		return
	case e.Test == "" && isEnd(e.Action):
		c.endPackage(e)
	case isEnd(e.Action):
		c.endTest(e)
	case e.Action == "run":
		c.unit(e.Package).begin(e.Test).began = true
	case e.Action == "output":
		c.unit(e.Package).print(e.Test, e.Output)
	}
}

func isEnd(action string) bool { return action == "pass" || action == "fail" || action == "skip" }

func (c *collector) unit(pkg string) *unit {
	u := c.units[pkg]
	if u == nil {
		u = &unit{tests: map[string]*test{}}
		c.units[pkg] = u
	}
	return u
}

func (u *unit) begin(name string) *test {
	t := u.tests[name]
	if t == nil {
		t = &test{name: name}
		u.tests[name] = t
		u.order = append(u.order, name)
	}
	for parent := parentOf(name); parent != ""; parent = parentOf(parent) {
		u.begin(parent).hasSubs = true
	}
	return t
}

func parentOf(name string) string {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ""
	}
	return name[:i]
}

// print keeps a line of output, without the runner's own marks.
func (u *unit) print(name, text string) {
	text = strings.TrimRight(text, "\n")
	bare := strings.TrimSpace(text)
	if strings.HasPrefix(bare, "=== ") || strings.HasPrefix(bare, "--- ") || bare == "" {
		return
	}
	u.output = append(u.output, line{name, text})
	if name != "" {
		u.begin(name).lastLine = bare
	}
}

// endTest notes the end of one test. What it counts as is decided when the package ends:
// only then is it known which tests had subtests.
func (c *collector) endTest(e event) {
	u := c.unit(e.Package)
	t := u.begin(e.Test)
	t.ended, t.seconds = e.Action, e.Elapsed
	if e.Action != "fail" {
		return
	}
	for parent := parentOf(e.Test); parent != ""; parent = parentOf(parent) {
		u.begin(parent).failedSubs = true
	}
}

// endPackage turns a package's tests into results and forgets them.
func (c *collector) endPackage(e event) {
	u := c.unit(e.Package)
	delete(c.units, e.Package)
	before := [3]int{c.passed, len(c.failures), len(c.skips)}
	for _, name := range u.order {
		c.count(shortPackage(e.Package), u, u.tests[name])
	}
	if e.Action == "fail" && len(c.failures) == before[1] {
		c.failPackage(e, u)
	}
	if e.Action == "skip" && len(u.order) == 0 {
		return // no test files
	}
	verdict := "ok  "
	if len(c.failures) > before[1] {
		verdict = "FAIL"
	}
	fmt.Fprintf(c.progress, "%s  %-5s %-28s %6.1f s  %d passed, %d failed, %d skipped\n", verdict, c.phase,
		shortPackage(e.Package), e.Elapsed, c.passed-before[0], len(c.failures)-before[1], len(c.skips)-before[2])
	reportTails(c.progress, c.failures[before[1]:])
}

func shortPackage(path string) string {
	if path == modulePath {
		return "xdpstack"
	}
	return strings.TrimPrefix(path, modulePath+"/")
}

// count adds one test to the results.
func (c *collector) count(pkg string, u *unit, t *test) {
	if !t.began {
		return
	}
	r := result{phase: c.phase, pkg: pkg, test: t.name, seconds: t.seconds}
	// A fuzz target takes the time that it is given.
	if !strings.Contains(t.name, "/") && c.phase != "fuzz" {
		c.timed = append(c.timed, r)
	}
	if t.ended != "skip" {
		c.ran[r.key()] = struct{}{}
	}
	switch {
	case t.ended == "pass" && !t.hasSubs:
		c.passed++
	case t.ended == "skip" && !t.hasSubs:
		c.countSkip(r, t)
	case t.ended == "fail" && !t.failedSubs:
		r.text = u.outputOf(t.name)
		c.failures = append(c.failures, r)
	case t.ended == "" && !t.failedSubs:
		r.text = append(u.outputOf(t.name), "the test never ended: the process died or ran out of time")
		c.failures = append(c.failures, r)
	}
}

// countSkip adds a test that skipped itself; its reason is the last line that it logged.
func (c *collector) countSkip(r result, t *test) {
	reason := withoutPosition(t.lastLine)
	if reason == "" {
		r.text = []string{"skipped without a reason; say it in t.Skip"}
		c.failures = append(c.failures, r)
		return
	}
	r.text = []string{reason}
	c.skips = append(c.skips, r)
}

// withoutPosition cuts "file_test.go:12: ".
func withoutPosition(text string) string {
	before, after, ok := strings.Cut(text, ".go:")
	if !ok || strings.ContainsAny(before, " \t") {
		return text
	}
	_, reason, ok := strings.Cut(after, ": ")
	if !ok {
		return text
	}
	return reason
}

// outputOf is what a test and its parents printed: a seed is often a parent's.
func (u *unit) outputOf(name string) []string {
	var text []string
	for _, l := range u.output {
		if l.test != "" && (l.test == name || strings.HasPrefix(name, l.test+"/")) {
			text = append(text, l.text)
		}
	}
	return text
}

// failPackage is for a package that failed while no test of it did: it does not build, or
// its TestMain found something.
func (c *collector) failPackage(e event, u *unit) {
	r := result{phase: c.phase, pkg: shortPackage(e.Package), text: c.builds[e.FailedBuild]}
	for _, l := range u.output {
		r.text = append(r.text, l.text)
	}
	c.failures = append(c.failures, r)
}

// failCommand is for a failure that no event told of.
func (c *collector) failCommand(name string, text ...string) {
	c.failures = append(c.failures, result{phase: c.phase, pkg: name, text: text})
}

// leftOut are the tests that ran in no phase, and why, once each.
func (c *collector) leftOut() []result {
	var left []result
	seen := maps.Clone(c.ran)
	for _, s := range c.skips {
		if _, ok := seen[s.key()]; ok {
			continue
		}
		seen[s.key()] = struct{}{}
		left = append(left, s)
	}
	return left
}

// leaveOut records a part of the run that could not be done here, and why.
func (c *collector) leaveOut(part, reason string) {
	c.skips = append(c.skips, result{phase: c.phase, pkg: part, text: []string{reason}})
}
