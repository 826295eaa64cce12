package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// phases by name; doc.go says what each is for.
var phases = map[string]func(context.Context, options, []pkg, *collector){
	"unit": unitPhase,
	"e2e":  endToEndPhase,
	"race": racePhase,
	"fuzz": fuzzPhase,
	"soak": soakPhase,
}

// perPackage is how long the tests of one package may take.
const perPackage = "-timeout=5m"

// fresh is the flag that makes go test run what it has run before, or the short run.
func (o options) fresh() string {
	if o.short {
		return "-short"
	}
	return "-count=1"
}

func unitPhase(ctx context.Context, opt options, pkgs []pkg, c *collector) {
	c.begin("unit")
	goTest(ctx, c, nil, paths(pkgs, func(p pkg) bool { return !p.isEndToEnd() }), opt.fresh(), perPackage)
}

func endToEndPhase(ctx context.Context, opt options, pkgs []pkg, c *collector) {
	c.begin("e2e")
	goTest(ctx, c, nil, paths(pkgs, pkg.isEndToEnd), opt.fresh(), "-p=1", perPackage)
}

func racePhase(ctx context.Context, _ options, pkgs []pkg, c *collector) {
	c.begin("race")
	if _, err := exec.LookPath("gcc"); err != nil {
		c.leaveOut("the race detector", "needs the program gcc: sudo make setup")
		return
	}
	goTest(ctx, c, []string{"CGO_ENABLED=1"}, paths(pkgs, pkg.sharesMemory),
		"-race", "-short", "-count=1", "-p=1", perPackage)
}

// soakPhase runs what finds something only after long: a third of the time each for all soak
// tests, for the unit tests again and again, and for fuzzing.
func soakPhase(ctx context.Context, opt options, pkgs []pkg, c *collector) {
	third := opt.soakTime / 3

	c.begin("soak")
	each := third / time.Duration(max(countSoakTests(pkgs), 1))
	goTest(ctx, c, []string{"SOAK=" + each.String()}, paths(pkgs, hasSoakTests),
		"-run=^TestSoak", "-count=1", "-p=1", "-timeout=0")

	c.begin("again")
	units := paths(pkgs, func(p pkg) bool { return !p.isEndToEnd() })
	for end := time.Now().Add(third); time.Now().Before(end) && ctx.Err() == nil && !c.hasFailures(); {
		seed := fmt.Sprintf("TEST_SEED=%d", time.Now().UnixNano())
		goTest(ctx, c, []string{seed}, units, "-count=1", "-shuffle=on", perPackage)
	}

	opt.fuzzTime = third
	fuzzPhase(ctx, opt, pkgs, c)
}

// hasSoakTests is true for a package that cannot be read too: its own run says why.
func hasSoakTests(p pkg) bool {
	names, err := p.testFunctions("TestSoak")
	return err != nil || len(names) > 0
}

func countSoakTests(pkgs []pkg) (n int) {
	for _, p := range pkgs {
		names, _ := p.testFunctions("TestSoak") // an error shows in the package's own run
		n += len(names)
	}
	return n
}

func (c *collector) hasFailures() bool { return len(c.failures) > 0 }

// goTest runs go test -json on packages and feeds the collector.
func goTest(ctx context.Context, c *collector, env, packages []string, flags ...string) {
	if len(packages) == 0 || ctx.Err() != nil {
		return
	}
	args := slices.Concat([]string{"test", "-json"}, flags, packages)
	before := len(c.failures)
	stderr, err := feed(ctx, c, env, args)
	c.finish()
	// A go command that failed without naming a test must not pass for a success.
	if err != nil && len(c.failures) == before {
		c.failCommand("go test", append(stderr, err.Error())...)
	}
}

// feed runs the go command, gives its events to the collector, and returns what it wrote to
// its standard error.
func feed(ctx context.Context, c *collector, env, args []string) (stderr []string, err error) {
	var errors bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	// The go command kills its tests when interrupted; killed itself, it would leave them.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = io.MultiWriter(os.Stderr, &errors)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stray := func(text string) { fmt.Fprint(c.progress, text) }
	readErr := readEvents(out, c.take, stray)
	err = cmd.Wait()
	if err == nil {
		err = readErr
	}
	return strings.Split(strings.TrimSpace(errors.String()), "\n"), err
}
