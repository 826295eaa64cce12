package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack/bench"
)

func newBenchTableCmd() *cobra.Command {
	var cfg bench.TableConfig
	c := &cobra.Command{
		Use: "table", Short: "Measure rxdrop, txonly and l2fwd over each kind of port in a lab of its own, and compare", Args: cobra.NoArgs,
		Long: `Measure rxdrop, txonly and l2fwd over each kind of port, on one queue of a veth in a lab of its own, and compare.

The ports take turns, so that both meet the same state of the machine. Runs are tagged near or far, by the distance of the two cores from
each other; the ratios are medians over pairs of neighbouring runs of equal tags.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Rounds == 0 || cfg.Duration == 0 || cfg.Size == 0 || cfg.Lab == "" { // which a TableConfig takes for "the default"
				return usagef("--rounds, --duration, --size and --lab must not be 0 or empty")
			}
			return benchTable(cmd, cfg)
		},
	}
	f := c.Flags()
	f.IntVar(&cfg.Rounds, "rounds", 5, "pairs of runs of equal tags of each benchmark; twice as many are tried at most")
	f.DurationVar(&cfg.Duration, "duration", time.Second, "how long each run measures")
	f.IntVar(&cfg.Size, "size", bench.DefaultSize, "bytes of each Ethernet frame, without preamble and FCS")
	f.StringVar(&cfg.Lab, "lab", "bench", "name of the lab that is made for the time")
	return c
}

func benchTable(cmd *cobra.Command, cfg bench.TableConfig) error {
	cfg.Log = quietLogger(cmd)
	var printErr error
	cfg.Report = func(r bench.Result) {
		err := emit(cmd, map[string]*bench.Result{"run": &r}, func(w io.Writer) {
			fmt.Fprintf(w, "%-7s %-7s %6.2f Mpps  %s\n", r.Bench, r.Port, r.Sum.PacketsPerSecond/1e6, r.Distance)
		})
		printErr = errors.Join(printErr, err)
	}
	res, err := bench.Table(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	res.Runs = nil // were printed one by one
	err = emit(cmd, map[string]*bench.TableResult{"table": &res}, func(w io.Writer) {
		fmt.Fprintln(w)
		res.Text(w)
	})
	if err != nil || printErr != nil {
		return errors.Join(printErr, err)
	}
	if res.Interrupted {
		return &exitError{code: exitInterrupted}
	}
	return nil
}
