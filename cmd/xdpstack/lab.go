package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack/internal/lab"
)

func newLabCmd() *cobra.Command {
	c := newGroup("lab", "Make and remove networks to try the stack in: namespaces joined by veth pairs",
		newLabUpCmd(), newLabDownCmd(), newLabExecCmd(), newLabStatusCmd())
	c.Long = `Make and remove networks to try the stack in: namespaces joined by veth pairs.

Host a is for the stack: on its interface xs0 the addresses 198.18.0.2 and 2001:2::2 are free for it, beside 198.18.0.3
and 2001:2::3 of a's kernel. Host b is a kernel to talk to, at 198.18.0.1 and 2001:2::1 on xp0. Offloads are off at both ends, so that the
packets are what a real wire would carry. A lab stays until "lab down".

  xdpstack lab up
  xdpstack lab exec b -- ping -c 3 198.18.0.3
  xdpstack lab down`
	return c
}

func newLabUpCmd() *cobra.Command {
	cfg := lab.Config{Persistent: true}
	c := &cobra.Command{
		Use: "up [NAME]", Short: "Make a lab", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Name = nameOr(args, lab.DefaultName)
			return labUp(cmd, cfg)
		},
	}
	c.Flags().IntVar(&cfg.Queues, "queues", lab.DefaultQueues, "receive and transmit queues of each interface")
	c.Flags().IntVar(&cfg.MTU, "mtu", lab.DefaultMTU, "bytes; above 3506 a veth refuses XDP programs without fragments")
	c.Flags().BoolVar(&cfg.Partial, "partial", false, "leave the offloads on: partial checksums, long segments")
	return c
}

func nameOr(args []string, name string) string {
	if len(args) > 0 {
		return args[0]
	}
	return name
}

// labMade is what "lab up" reports.
type labMade struct {
	lab.Status
	Recovered bool  `json:"recovered"` // what a killed "lab up" had left was removed first
	TookMS    int64 `json:"took_ms"`
}

func labUp(cmd *cobra.Command, cfg lab.Config) error {
	if cfg.Name == "" || cfg.Queues == 0 || cfg.MTU == 0 { // which a Config takes for "the default"
		return usagef("lab up: the name must not be empty, --queues and --mtu must not be 0")
	}
	start := time.Now()
	l, err := lab.Up(cfg)
	if err != nil {
		return err
	}
	if interrupted := cmd.Context().Err(); interrupted != nil {
		return errors.Join(interrupted, l.Down())
	}
	s, err := l.Status()
	if err != nil {
		return err
	}
	made := labMade{s, l.Recovered, time.Since(start).Milliseconds()}
	return emit(cmd, made, func(w io.Writer) {
		if made.Recovered {
			fmt.Fprintf(w, "removed what a killed \"lab up\" had left of lab %s\n", s.Name)
		}
		printLab(w, s)
	})
}

func newLabDownCmd() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "down [NAME | --all]", Short: "Remove a lab, also one that was left half-made", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usagef("lab down: give a name or --all, not both")
			}
			if all {
				return labDownAll(cmd)
			}
			return labDown(cmd, nameOr(args, lab.DefaultName))
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all labs but those that belong to a running process")
	return c
}

// labsGone is what "lab down" reports.
type labsGone struct {
	Removed []string `json:"removed"`
	Left    []string `json:"left"`
	PIDs    []int    `json:"pids"` // processes that still run in the namespaces of what was removed, without a network
}

func labDown(cmd *cobra.Command, name string) error {
	before, _ := lab.StatusOf(name) // Down says what is wrong, if anything is
	if err := lab.Down(name); err != nil {
		return err
	}
	gone := labsGone{Removed: []string{name}, Left: []string{}, PIDs: []int{}}
	for _, h := range before.Hosts {
		gone.PIDs = append(gone.PIDs, h.PIDs...)
	}
	return emit(cmd, gone, func(w io.Writer) { printGone(w, gone) })
}

func labDownAll(cmd *cobra.Command) error {
	removed, left, err := lab.DownAll()
	if err != nil {
		return err
	}
	gone := labsGone{Removed: append([]string{}, removed...), Left: append([]string{}, left...), PIDs: []int{}}
	return emit(cmd, gone, func(w io.Writer) { printGone(w, gone) })
}

func printGone(w io.Writer, g labsGone) {
	for _, name := range g.Removed {
		fmt.Fprintf(w, "lab %s is removed\n", name)
	}
	for _, name := range g.Left {
		fmt.Fprintf(w, "lab %s is left: it belongs to a running process\n", name)
	}
	if len(g.PIDs) > 0 {
		fmt.Fprintf(w, "still running, without a network: processes %v\n", g.PIDs)
	}
	if len(g.Removed)+len(g.Left) == 0 {
		fmt.Fprintln(w, "no labs")
	}
}

func newLabStatusCmd() *cobra.Command {
	return &cobra.Command{
		Use: "status [NAME]", Short: "Show the labs as the kernel has them", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			labs, err := statuses(args)
			if err != nil {
				return err
			}
			return emit(cmd, map[string][]lab.Status{"labs": labs}, func(w io.Writer) {
				for _, s := range labs {
					printLab(w, s)
				}
				if len(labs) == 0 {
					fmt.Fprintln(w, "no labs; \"xdpstack lab up\" makes one")
				}
			})
		},
	}
}

func statuses(args []string) ([]lab.Status, error) {
	if len(args) == 0 {
		return lab.List()
	}
	s, err := lab.StatusOf(args[0])
	return []lab.Status{s}, err
}

func printLab(w io.Writer, s lab.Status) {
	fmt.Fprintf(w, "lab %s: %s", s.Name, s.State)
	if s.Owner != 0 {
		fmt.Fprintf(w, ", process %d", s.Owner)
	}
	if s.Partial {
		fmt.Fprint(w, ", partial checksums")
	}
	if s.Problem != "" {
		fmt.Fprintf(w, ": %s", s.Problem)
	}
	fmt.Fprintln(w)
	for _, h := range s.Hosts {
		fmt.Fprintf(w, "  %-8s %s", h.Name, h.Namespace)
		if len(h.PIDs) > 0 {
			fmt.Fprintf(w, ", processes %v", h.PIDs)
		}
		fmt.Fprintln(w)
		for _, i := range h.Interfaces {
			printInterface(w, i)
		}
	}
}

func printInterface(w io.Writer, i lab.InterfaceStatus) {
	state := "down"
	if i.Up {
		state = "up"
	}
	fmt.Fprintf(w, "    %s %s, to %s, %s, MTU %d, %d+%d queues", i.Name, state, i.Peer, i.MAC, i.MTU, i.RxQueues, i.TxQueues)
	if i.XDP != 0 {
		fmt.Fprintf(w, ", XDP program %d", i.XDP)
	}
	fmt.Fprintf(w, "\n      kernel %s\n", words(i.Kernel))
	if len(i.Stack) > 0 {
		fmt.Fprintf(w, "      stack  %s\n", words(i.Stack))
	}
	if len(i.Falsifying) > 0 {
		fmt.Fprintf(w, "      offloads on: %s\n", words(i.Falsifying))
	}
}

func words[T any](list []T) string { return strings.Trim(fmt.Sprint(list), "[]") }
