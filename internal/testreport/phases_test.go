package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPackagesSortThemselvesIntoPhases(t *testing.T) {
	tests := []struct {
		name     string
		p        pkg
		endToEnd bool
		race     bool
	}{
		{"pure", pkg{Imports: []string{"fmt"}}, false, false},
		{"makes namespaces in its tests", pkg{XTestImports: []string{modulePath + "/internal/lab/labtest"}}, true, false},
		{"makes veths", pkg{TestImports: []string{"github.com/vishvananda/netlink"}}, true, false},
		{"another lab", pkg{Imports: []string{modulePath + "/internal/laboratory"}}, false, false},
		{"shares memory", pkg{Imports: []string{"sync/atomic"}}, false, true},
		{"computes pointers", pkg{Imports: []string{"unsafe"}}, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.p.isEndToEnd(); got != test.endToEnd {
				t.Errorf("end to end: %v", got)
			}
			if got := test.p.sharesMemory(); got != test.race {
				t.Errorf("race: %v", got)
			}
		})
	}
}

func TestThisModuleIsListed(t *testing.T) {
	pkgs, err := listPackages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := paths(pkgs, func(pkg) bool { return true })
	if !slices.Contains(all, modulePath+"/internal/testreport") {
		t.Errorf("this package is not in %v", all)
	}
}

func TestTestFunctionsAreFoundByPrefix(t *testing.T) {
	dir := t.TempDir()
	source := "package p\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}\nfunc TestB(t *testing.T) {}\nfunc (x) FuzzC() {}\n"
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	p := pkg{Dir: dir, TestGoFiles: []string{"p_test.go"}}
	if got, err := p.testFunctions("Fuzz"); err != nil || !slices.Equal(got, []string{"FuzzA"}) {
		t.Errorf("got %v, %v", got, err)
	}
	p.TestGoFiles = append(p.TestGoFiles, "absent_test.go")
	if _, err := p.testFunctions("Fuzz"); err == nil {
		t.Error("an absent file went unnoticed")
	}
}

func TestFuzzTimeIsDivided(t *testing.T) {
	tests := []struct {
		all     time.Duration
		targets int
		want    time.Duration
	}{
		{2 * time.Minute, 1, 2 * time.Minute},
		{2 * time.Minute, 17, 7 * time.Second},
		{2 * time.Minute, 500, time.Second},
	}
	for _, test := range tests {
		if got := share(test.all, test.targets); got != test.want {
			t.Errorf("%v over %d: %v, want %v", test.all, test.targets, got, test.want)
		}
	}
}

func TestDeadlineRaceOfTheFuzzerIsNoFailure(t *testing.T) {
	race := result{text: []string{"fuzz: elapsed: 3s, execs: 100 (33/sec)", "    context deadline exceeded"}}
	if !isDeadlineRace(race) {
		t.Error("the known race counts as a failure")
	}
	crash := result{text: append(slices.Clone(race.text), "    Failing input written to testdata/fuzz/FuzzA/1")}
	if isDeadlineRace(crash) {
		t.Error("a found input is taken for the race")
	}
	if isDeadlineRace(result{text: []string{"    a_test.go:1: want: context deadline exceeded"}}) {
		t.Error("a test's own words are taken for the race")
	}
}

func TestGoCommandThatFailsWithoutATestIsAFailure(t *testing.T) {
	c := newCollector(io.Discard)
	c.begin("unit")
	goTest(t.Context(), c, nil, []string{"."}, "-no-such-flag")
	if len(c.failures) != 1 || !strings.Contains(strings.Join(c.failures[0].text, "\n"), "no-such-flag") {
		t.Errorf("failures: %v", c.failures)
	}
}

func TestInterruptedPhaseRunsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newCollector(io.Discard)
	goTest(ctx, c, nil, []string{"./..."})
	if c.passed != 0 || len(c.failures) != 0 {
		t.Errorf("%d passed, failures %v", c.passed, c.failures)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	if _, err := parseFlags([]string{"-only", "unit,all"}); err == nil {
		t.Error("an unknown phase was accepted")
	}
	opt, err := parseFlags([]string{"-only", "fuzz", "-fuzztime", "3s"})
	if err != nil || opt.fuzzTime != 3*time.Second {
		t.Errorf("%+v, %v", opt, err)
	}
}

func TestReportFileSaysWhatItRanOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.txt")
	c := play(t, "unit", "run p TestA\npass p TestA\npass p")
	if err := writeReport(options{out: path, slowest: 10}, c, 90*time.Second); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1m30s in all\n", "Linux ", "go1.", "\n1 passed, 0 failed, 0 skipped\n"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("report lacks %q:\n%s", want, data)
		}
	}
}
