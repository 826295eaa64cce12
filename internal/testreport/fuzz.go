package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// target is one fuzz target.
type target struct{ pkg, name string }

// fuzzPhase gives every fuzz target an equal part of the time.
func fuzzPhase(ctx context.Context, opt options, pkgs []pkg, c *collector) {
	c.begin("fuzz")
	targets := allTargets(pkgs, c)
	if len(targets) == 0 {
		return
	}
	each := share(opt.fuzzTime, len(targets))
	fmt.Fprintf(c.progress, "fuzz: %d targets, %v each\n", len(targets), each)
	for _, t := range targets {
		fuzzOne(ctx, c, t, each)
	}
}

func allTargets(pkgs []pkg, c *collector) []target {
	var targets []target
	for _, p := range pkgs {
		names, err := p.testFunctions("Fuzz")
		if err != nil {
			c.failCommand(shortPackage(p.ImportPath), err.Error())
		}
		for _, name := range names {
			targets = append(targets, target{p.ImportPath, name})
		}
	}
	return targets
}

// share is one target's part of the time: whole tenths of a second, and a second at least,
// since below that a target is over before it begins.
func share(all time.Duration, targets int) time.Duration {
	return max((all / time.Duration(targets)).Truncate(100*time.Millisecond), time.Second)
}

func fuzzOne(ctx context.Context, c *collector, t target, each time.Duration) {
	before := len(c.failures)
	// The tests themselves ran in other phases: only the target's seeds and the fuzzing.
	goTest(ctx, c, nil, []string{t.pkg}, "-run=^$", "-fuzz=^"+t.name+"$",
		"-fuzztime="+each.String(), "-fuzzminimizetime=10s", "-timeout=0")
	if len(c.failures) == before+1 && isDeadlineRace(c.failures[before]) {
		c.failures = c.failures[:before]
		c.passed++
	}
}

// isDeadlineRace reports whether a failure is the fuzzing engine's own: up to Go 1.26 the
// end of -fuzztime can be taken for an error (go.dev/issue/75804, fixed in Go 1.27). Nothing
// was found then, and no input written.
func isDeadlineRace(r result) bool {
	deadline := slices.ContainsFunc(r.text, func(text string) bool {
		return strings.TrimSpace(text) == "context deadline exceeded"
	})
	found := slices.ContainsFunc(r.text, func(text string) bool {
		return strings.Contains(text, "Failing input written") || strings.Contains(text, "panic")
	})
	return deadline && !found
}
