package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// play gives events to a new collector, one a line: "action package test: output".
func play(t *testing.T, phase, script string) *collector {
	t.Helper()
	c := newCollector(io.Discard)
	c.begin(phase)
	replay(t, c, script)
	return c
}

func replay(t *testing.T, c *collector, script string) {
	t.Helper()
	for text := range strings.Lines(script) {
		head, output, _ := strings.Cut(strings.TrimSpace(text), ": ")
		fields := append(strings.Fields(head), "", "")
		if fields[0] == "" {
			continue
		}
		c.take(event{Action: fields[0], Package: fields[1], Test: fields[2], Output: output + "\n"})
	}
}

func TestCountsLeavesOnce(t *testing.T) {
	c := play(t, "unit", `
		run p TestA
		run p TestA/x
		run p TestA/y
		pass p TestA/x
		pass p TestA/y
		pass p TestA
		run p TestB
		pass p TestB
		pass p`)
	if c.passed != 3 || c.failed() {
		t.Errorf("%d passed, failed %v; want the two leaves and TestB", c.passed, c.failed())
	}
}

func TestNameWithASlashIsOneTest(t *testing.T) {
	c := play(t, "unit", `
		run p TestA
		run p TestA/reads/writes
		pass p TestA/reads/writes
		pass p TestA
		pass p`)
	if c.passed != 1 || len(c.failures) != 0 {
		t.Errorf("%d passed, failures %v; TestA/reads is no test", c.passed, c.failures)
	}
}

func TestFailureIsPrintedWithItsParents(t *testing.T) {
	c := play(t, "unit", `
		run p TestA
		output p TestA: TEST_SEED=7
		run p TestA/x
		output p TestA/x: x is wrong
		run p TestA/y
		output p TestA/y: y is right
		fail p TestA/x
		pass p TestA/y
		fail p TestA
		fail p`)
	if len(c.failures) != 1 {
		t.Fatalf("%d failures, want TestA/x alone: %v", len(c.failures), c.failures)
	}
	got := fmt.Sprint(c.failures[0].test, c.failures[0].text)
	if got != "TestA/x[TEST_SEED=7 x is wrong]" {
		t.Errorf("got %s", got)
	}
}

func TestFailuresOfEveryKind(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"parent fails, its subtest does not", `
			run p TestA
			run p TestA/x
			pass p TestA/x
			fail p TestA
			fail p`, "p TestA (unit)"},
		{"process died", `
			run p TestA
			fail p`, "the test never ended"},
		{"skip without a reason", `
			run p TestA
			output p TestA: --- SKIP: TestA (0.00s)
			skip p TestA
			pass p`, "skipped without a reason"},
		{"TestMain found something", `
			run p TestA
			pass p TestA
			output p: 3 descriptors left open
			fail p`, "3 descriptors left open"},
		{"does not build", `
			output p: FAIL p [build failed]
			fail p`, "build failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := play(t, "unit", test.script)
			if len(c.failures) != 1 || !c.failed() {
				t.Fatalf("%d failures, want 1: %v", len(c.failures), c.failures)
			}
			if got := reported(c); !strings.Contains(got, test.want) {
				t.Errorf("report lacks %q:\n%s", test.want, got)
			}
		})
	}
}

func reported(c *collector) string {
	var b strings.Builder
	c.report(&b, options{slowest: 10})
	return b.String()
}

// TestHeadAndTailOfALogNameTheFailures: the first 40 lines, and the last 40, each have the
// test and what it said, whatever else was printed.
func TestHeadAndTailOfALogNameTheFailures(t *testing.T) {
	var log strings.Builder
	c := newCollector(&log)
	c.begin("e2e")
	var script strings.Builder
	script.WriteString("run q TestFine\npass q TestFine\npass q\nrun p TestA\noutput p TestA: TEST_SEED=7\n")
	for i := range 500 {
		fmt.Fprintf(&script, "output p TestA: noise %d %s\n", i, strings.Repeat("x", 5000))
	}
	script.WriteString("output p TestA: a_test.go:9: A is wrong\nfail p TestA\nfail p\n")
	for i := range 60 {
		fmt.Fprintf(&script, "run r%d TestB\noutput r%d TestB: no B here, reason %d\nskip r%d TestB\npass r%d\n", i, i, i, i, i)
	}
	replay(t, c, script.String())
	c.report(&log, options{slowest: 100})

	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for name, part := range map[string][]string{"head": lines[:40], "tail": lines[len(lines)-40:]} {
		got := strings.Join(part, "\n")
		if !strings.Contains(got, "p TestA (e2e)") || !strings.Contains(got, "a_test.go:9: A is wrong") || len(got) > 16<<10 {
			t.Errorf("the %s does not name the failure in %d bytes:\n%s", name, len(got), got)
		}
	}
	if !strings.HasPrefix(lines[1], "FAIL  e2e   p ") || lines[2] != "      FAILED p TestA (e2e): a_test.go:9: A is wrong" {
		t.Errorf("the failure does not follow its package:\n%s\n%s", lines[1], lines[2])
	}
}

func TestManyFailuresLeaveRoomInTheLog(t *testing.T) {
	var log strings.Builder
	c := newCollector(&log)
	c.begin("unit")
	for i := range 100 {
		replay(t, c, fmt.Sprintf("run p Test%d\nfail p Test%d", i, i))
	}
	replay(t, c, "fail p")
	if got := log.String(); !strings.HasSuffix(got, "\n      and 90 more failed\n") {
		t.Errorf("as the package ends:\n%s", got)
	}
	want := "\n  p Test19 (unit): it said nothing\n  and 80 more\n\n0 passed, 100 failed, 0 skipped\n"
	if got := reported(c); !strings.HasSuffix(got, want) {
		t.Errorf("at the end:\n%s", got)
	}
}

func TestGistOfAFailure(t *testing.T) {
	for want, text := range map[string][]string{
		"a_test.go:3: wrong":       {"    a_test.go:1: TEST_SEED=4", "    a_test.go:2: so far good", "    a_test.go:3: wrong", "        in two lines"},
		"panic: no such thing":     {"    a_test.go:2: so far good", "panic: no such thing", "goroutine 7:", "    a.go:4: called"},
		"exit status 3":            {"some words", "exit status 3", ""},
		"a_test.go:1: TEST_SEED=4": {"    a_test.go:1: TEST_SEED=4"},
		"it said nothing":          nil,
	} {
		if got := (result{text: text}).gist(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestBuildOutputIsShown(t *testing.T) {
	c := newCollector(io.Discard)
	c.begin("unit")
	c.take(event{Action: "build-output", ImportPath: "p [p.test]", Output: "p.go:1: no such thing\n"})
	c.take(event{Action: "fail", Package: "p", FailedBuild: "p [p.test]"})
	if got := reported(c); !strings.Contains(got, "p.go:1: no such thing") {
		t.Errorf("report lacks the compiler's words:\n%s", got)
	}
}

func TestPackageThatNeverEndedFails(t *testing.T) {
	c := play(t, "unit", `
		run p TestA
		pass p TestA`)
	if c.failed() && len(c.failures) > 0 {
		t.Fatal("failed before its end")
	}
	c.finish()
	if len(c.failures) != 1 {
		t.Errorf("%d failures, want 1", len(c.failures))
	}
}

func TestNothingExecutedIsAFailure(t *testing.T) {
	c := play(t, "unit", `skip p`)
	if !c.failed() {
		t.Error("a run without a test passed")
	}
	if got := reported(c); !strings.Contains(got, "no test was executed") {
		t.Errorf("report does not say so:\n%s", got)
	}
}

func TestSkipsAreGroupedByReason(t *testing.T) {
	c := play(t, "e2e", `
		run p TestA
		output p TestA: a_test.go:12: needs root: sudo make test
		skip p TestA
		run p TestB
		output p TestB: TEST_SEED=3
		output p TestB: b_test.go:9: needs root: sudo make test
		skip p TestB
		run p TestC
		pass p TestC
		pass p`)
	want := "left out: 2 because: needs root: sudo make test\n  p TestA (e2e)\n  p TestB (e2e)\n"
	got := reported(c)
	if !strings.Contains(got, want) || !strings.HasSuffix(got, "\n1 passed, 0 failed, 2 skipped\n") {
		t.Errorf("got:\n%s", got)
	}
}

func TestSkipInOnePhaseThatRanInAnotherIsNotLeftOut(t *testing.T) {
	c := play(t, "unit", `
		run p TestA
		run p TestA/x
		pass p TestA/x
		pass p TestA
		run p TestB
		output p TestB: no B here
		skip p TestB
		pass p`)
	c.begin("race")
	replay(t, c, `
		run p TestA
		output p TestA: not in the short run
		skip p TestA
		run p TestB
		output p TestB: no B here
		skip p TestB
		pass p`)
	if left := c.leftOut(); len(left) != 1 || left[0].test != "TestB" {
		t.Errorf("left out %v, want TestB once", left)
	}
}

func TestShortRunDoesNotNameWhatItLeavesOut(t *testing.T) {
	c := play(t, "e2e", `
		run p TestA
		output p TestA: a_test.go:12: not in the short run
		skip p TestA
		run p TestB
		pass p TestB
		pass p`)
	var b strings.Builder
	c.report(&b, options{short: true})
	if got, want := b.String(), "\nleft out: 1 because: not in the short run\n\n1 passed, 0 failed, 1 skipped\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestSlowestFirst(t *testing.T) {
	c := newCollector(io.Discard)
	c.begin("unit")
	for i, name := range []string{"TestA", "TestB", "TestC"} {
		c.take(event{Action: "run", Package: "p", Test: name})
		c.take(event{Action: "pass", Package: "p", Test: name, Elapsed: float64(i)})
	}
	c.take(event{Action: "pass", Package: "p"})
	var b strings.Builder
	c.reportSlowest(&b, 2)
	want := "\nthe 2 slowest tests:\n    2.00 s  p TestC (unit)\n    1.00 s  p TestB (unit)\n"
	if b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

func TestReadEventsPassesStrayLinesOn(t *testing.T) {
	var events, strays int
	input := "{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"TestA\"}\nnot json\n{\"other\":1}\nlast, without an end"
	err := readEvents(strings.NewReader(input), func(event) { events++ }, func(string) { strays++ })
	if err != nil || events != 1 || strays != 3 {
		t.Errorf("%d events, %d strays, %v", events, strays, err)
	}
}
