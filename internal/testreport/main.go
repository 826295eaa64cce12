package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	only     string        // phases to run, separated by commas
	fuzzTime time.Duration // for all fuzz targets together
	soakTime time.Duration // for the soak phase in all
	short    bool          // the short run: go test -short, results from the cache, names of skips left out
	slowest  int           // how many of the slowest tests to print
	out      string        // file that gets the report too
}

func main() { os.Exit(run(os.Args[1:])) }

// run is the command; it returns the exit code: 0 when nothing failed, 1 when something did,
// 2 for wrong flags.
func run(args []string) int {
	opt, err := parseFlags(args)
	if err != nil {
		return 2
	}
	// The go commands are in our process group: they get the same Ctrl-C and end by it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	started := time.Now()
	c := newCollector(os.Stdout)
	if err := runPhases(ctx, opt, c); err != nil {
		c.failCommand("testreport", err.Error())
	}
	if ctx.Err() != nil {
		c.failCommand("testreport", "interrupted: the run is not complete")
	}

	c.report(os.Stdout, opt)
	if opt.out != "" {
		if err := writeReport(opt, c, time.Since(started)); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			return 1
		}
	}
	if c.failed() {
		return 1
	}
	return 0
}

func parseFlags(args []string) (options, error) {
	var opt options
	fs := flag.NewFlagSet("testreport", flag.ContinueOnError)
	fs.StringVar(&opt.only, "only", "unit,e2e,race,fuzz", "phases to run: unit, e2e, race, fuzz, soak")
	fs.DurationVar(&opt.fuzzTime, "fuzztime", 2*time.Minute, "time for all fuzz targets together")
	fs.DurationVar(&opt.soakTime, "soaktime", time.Hour, "time for the soak phase in all")
	fs.BoolVar(&opt.short, "short", false, "the short run of unit and e2e; tests that did not change are not run again")
	fs.IntVar(&opt.slowest, "slowest", 10, "how many of the slowest tests to print")
	fs.StringVar(&opt.out, "out", "", "`file` that gets the report too")
	if err := fs.Parse(args); err != nil {
		return opt, err
	}
	for name := range strings.SplitSeq(opt.only, ",") {
		if _, ok := phases[name]; !ok {
			err := fmt.Errorf("testreport: no phase %q; there are unit, e2e, race, fuzz and soak", name)
			fmt.Fprintln(os.Stderr, err)
			return opt, err
		}
	}
	return opt, nil
}

// runPhases runs the phases asked for, in the order they were named.
func runPhases(ctx context.Context, opt options, c *collector) error {
	pkgs, err := listPackages(ctx)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(opt.only, ",") {
		if ctx.Err() != nil {
			return nil
		}
		phases[name](ctx, opt, pkgs, c)
	}
	return nil
}

// writeReport writes the report of a long run to a file, with what it ran on.
func writeReport(opt options, c *collector, took time.Duration) error {
	f, err := os.Create(opt.out)
	if err != nil {
		return err
	}
	writeHead(f, took)
	c.report(f, opt)
	return f.Close()
}

// writeHead says when and on what the run was.
func writeHead(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "%s, %s in all\n", time.Now().UTC().Format(time.DateOnly), took.Round(time.Second))
	for _, line := range machine() {
		fmt.Fprintln(w, line)
	}
}
