package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
)

func newStatsCmd() *cobra.Command {
	var path string
	var every time.Duration
	var all bool
	c := &cobra.Command{
		Use: "stats", Short: "Show the counters of running hosts", Args: cobra.NoArgs,
		Long: `Show the counters of the hosts that run on this machine, summed over their workers, as nstat does for the kernel's: names as in
/proc/net/snmp and netstat where Linux counts the same. Those that are zero are left out. --json gives everything, worker by worker.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStats(cmd, path, every, all) },
	}
	controlFlag(c, &path)
	c.Flags().DurationVar(&every, "interval", 0, "show again at this interval, and only what changed, until Ctrl-C")
	c.Flags().BoolVarP(&all, "zeros", "z", false, "show counters that are zero too")
	return c
}

// hostStats is what "stats --json" prints, a line for each host.
type hostStats struct {
	Host  string         `json:"host"`
	Stats xdpstack.Stats `json:"stats"`
}

func runStats(cmd *cobra.Command, path string, every time.Duration, all bool) error {
	if every < 0 {
		return usagef("--interval %v: it must be positive", every)
	}
	hosts, err := clients(path)
	if err != nil {
		return err
	}
	before := map[string]map[string]float64{}
	for {
		var failed error
		for _, c := range hosts {
			st, err := c.Stats(cmd.Context())
			if err != nil {
				failed = errors.Join(failed, err) // one that ends now hides no other
				continue
			}
			now, err := counters(&st)
			if err != nil {
				return err
			}
			err = emit(cmd, hostStats{c.Name(), st}, func(w io.Writer) {
				if len(hosts) > 1 {
					fmt.Fprintf(w, "host %s\n", c.Name())
				}
				printCounters(w, now, before[c.Name()], all)
			})
			if err != nil {
				return err
			}
			before[c.Name()] = now
		}
		if cmd.Context().Err() != nil {
			return nil
		}
		if every == 0 || failed != nil {
			return failed
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(every):
		}
	}
}

// counters flattens what the workers counted into names and sums: the JSON's keys,
// joined by dots.
func counters(st *xdpstack.Stats) (map[string]float64, error) {
	out := map[string]float64{}
	for i := range st.Workers {
		w := &st.Workers[i]
		for name, part := range map[string]any{"loop": w.Loop, "port": w.Port, "stack": w.Stack, "frames": w.Frames} {
			text, err := json.Marshal(part)
			if err != nil {
				return nil, fmt.Errorf("counters of worker %d: %w", w.Worker, err)
			}
			var tree map[string]any
			if err := json.Unmarshal(text, &tree); err != nil {
				return nil, fmt.Errorf("counters of worker %d: %w", w.Worker, err)
			}
			flatten(out, name, tree)
		}
		for _, d := range w.Drops {
			out["drops."+d.Reason] += float64(d.Packets)
		}
		for _, s := range w.Slow {
			out["slow_handlers."+s.Name] += float64(s.Calls)
		}
	}
	return out, nil
}

// perWorker are gauges that make no sense summed; --json has them.
var perWorker = []string{"loop.gap_p50_ns", "loop.gap_p99_ns", "loop.gap_p999_ns", "loop.gap_max_ns"}

func flatten(out map[string]float64, prefix string, tree map[string]any) {
	for key, v := range tree {
		name := prefix + "." + key
		switch v := v.(type) {
		case float64:
			if !slices.Contains(perWorker, name) {
				out[name] += v
			}
		case map[string]any:
			flatten(out, name, v)
		}
	}
}

// printCounters prints sorted lines: what a counter is, or with a past by how much
// it changed.
func printCounters(w io.Writer, now, before map[string]float64, zeros bool) {
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if v := now[name] - before[name]; v != 0 || zeros {
			fmt.Fprintf(w, "%-44s %.0f\n", name, v)
		}
	}
}
