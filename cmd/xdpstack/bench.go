package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
)

func newBenchCmd() *cobra.Command {
	c := newGroup("bench", "Measure packets per second, and what each costs",
		newBenchRxDropCmd(), newBenchTxOnlyCmd(), newBenchL2FwdCmd(), newBenchPktgenCmd(), newBenchUDPEchoCmd(), newBenchTableCmd())
	c.AddCommand(newBenchTCPCmds()...)
	c.Long = `Measure packets per second, and what each costs.

A line for each interval, as iperf3 has it, then a summary. Workers take the last cores first, sources the first, so that
the two keep apart. Results are tagged "near" or "far": the distance of the cores from each other, which on a virtual machine changes; only
results of equal tags compare.

  xdpstack lab up
  xdpstack lab exec a -- xdpstack bench txonly -i xs0 --duration 3s
  xdpstack lab exec b -- xdpstack bench pktgen -i xp0 --via live &
  xdpstack lab exec a -- xdpstack bench rxdrop -i xs0`
	return c
}

// benchFlags are what benchmarks can be told, before they are read.
type benchFlags struct {
	cfg             bench.Config
	port, mode      string
	poll            string
	scheduling      string
	take            []string
	from, to        string
	srcMAC, dstMAC  string
	via             string
	defaultDuration time.Duration
}

// base are the flags that all benchmarks of packets have.
func (b *benchFlags) base(f *pflag.FlagSet, duration time.Duration) {
	b.defaultDuration = duration
	f.StringSliceVarP(&b.cfg.Interfaces, "interface", "i", nil, "the device; l2fwd takes two, too")
	f.IntSliceVar(&b.cfg.Queues, "queue", nil, "queues to use, a worker each (default all)")
	f.IntSliceVar(&b.cfg.CPUs, "cpu", nil, "cores of the workers (default from the last one down)")
	f.StringVar(&b.port, "port", "afxdp", "the library that drives the queues: afxdp, or asavie for comparison")
	f.StringVar(&b.mode, "mode", "auto", "how packets cross: auto, zerocopy, copy or skb")
	f.StringVar(&b.poll, "poll", "adaptive", "what an idle worker does: busy (spin), adaptive (spin, then sleep) or interrupt (sleep)")
	f.StringVar(&b.scheduling, "scheduling", "dedicated", "dedicated: a thread and a core for each worker; shared: Go's scheduler runs them")
	f.IntVar(&b.cfg.Batch, "batch", engine.DefaultBatch, "frames that a worker takes at a time")
	f.DurationVar(&b.cfg.Duration, "duration", duration, "how long to measure; 0 until Ctrl-C")
	f.DurationVar(&b.cfg.Omit, "omit", 0, "how long to run before measuring")
	f.DurationVar(&b.cfg.Interval, "interval", time.Second, "time between reports")
}

// taking are the flags of benchmarks that take packets off the interface.
func (b *benchFlags) taking(f *pflag.FlagSet) {
	f.StringSliceVar(&b.take, "addr", nil, "take only packets to these addresses (default all packets)")
	f.BoolVar(&b.cfg.All, "all", false, "take all packets even off the interface of the default route: cuts the host off")
}

// sending are the flags of benchmarks that send.
func (b *benchFlags) sending(f *pflag.FlagSet) {
	f.IntVar(&b.cfg.Packets.Size, "size", bench.DefaultSize, "bytes of each Ethernet frame, without preamble and FCS")
	f.IntVar(&b.cfg.Packets.Flows, "flows", 1, "source ports, from 1024 on, that take turns")
	f.StringVar(&b.from, "from", "", "source address (default 198.18.0.1 or 2001:2::1)")
	f.StringVar(&b.to, "to", "", "destination address (default 198.18.0.2 or 2001:2::2)")
	f.Uint16Var(&b.cfg.Packets.DstPort, "to-port", bench.DefaultDstPort, "destination port")
	f.StringVar(&b.srcMAC, "src-mac", "", "source MAC (default the interface's)")
	f.StringVar(&b.dstMAC, "dst-mac", "", "destination MAC (default what the kernel knows for the destination, or one that nobody has)")
	f.Float64Var(&b.cfg.Rate, "rate", 0, "packets per second, of all workers (default as many as go)")
}

func newBenchRxDropCmd() *cobra.Command {
	var b benchFlags
	c := b.command("rxdrop", "Receive packets and drop them", bench.RxDrop)
	b.base(c.Flags(), 10*time.Second)
	b.taking(c.Flags())
	return c
}

func newBenchTxOnlyCmd() *cobra.Command {
	var b benchFlags
	c := b.command("txonly", "Send packets", bench.TxOnly)
	b.base(c.Flags(), 10*time.Second)
	b.sending(c.Flags())
	return c
}

func newBenchL2FwdCmd() *cobra.Command {
	var b benchFlags
	c := b.command("l2fwd", "Send packets back, or on to a second interface, their MAC addresses swapped", bench.L2Fwd)
	b.base(c.Flags(), 10*time.Second)
	b.taking(c.Flags())
	return c
}

func newBenchPktgenCmd() *cobra.Command {
	var b benchFlags
	c := b.command("pktgen", "Be a source of packets for the other end", bench.Pktgen)
	c.Long = `Be a source of packets for the other end, until Ctrl-C or for --duration.

With --via live, packets are made within the kernel (BPF_PROG_RUN) and redirected out of the interface: the fastest source there is for a veth,
on one core for each --cpu. The other end must have an XDP program, and gets them on the queue that the CPU's number stands for, modulo its
queues. With --via afxdp queue n of this end sends to queue n of the other.`
	b.base(c.Flags(), 0)
	b.sending(c.Flags())
	c.Flags().StringVar(&b.via, "via", "afxdp", "how to send: afxdp, or live (for a veth)")
	return c
}

// command is a benchmark of packets.
func (b *benchFlags) command(use, short string, run func(context.Context, bench.Config) (bench.Result, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := b.parse(); err != nil {
				return err
			}
			return b.run(cmd, run)
		},
	}
}

// run runs the benchmark and prints what it reports. One that Ctrl-C ended early has its summary, too.
func (b *benchFlags) run(cmd *cobra.Command, run func(context.Context, bench.Config) (bench.Result, error)) error {
	cfg := b.cfg
	cfg.Log = quietLogger(cmd)
	first := true
	var printErr error
	cfg.Report = func(i bench.Interval) {
		err := emit(cmd, map[string]bench.Interval{"interval": i}, func(w io.Writer) {
			if first {
				fmt.Fprintln(w, bench.Header())
			}
			i.Text(w)
		})
		first, printErr = false, errors.Join(printErr, err)
	}
	res, err := run(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	return emitResult(cmd, &res, res.Text, res.Interrupted, printErr)
}

// parse reads the words.
func (b *benchFlags) parse() (err error) {
	if b.cfg.Port, err = bench.ParsePort(b.port); err != nil {
		return usagef("--port: %w", err)
	}
	if b.cfg.Mode, err = afxdp.ParseMode(b.mode); err != nil {
		return usagef("--mode: %w", err)
	}
	if b.cfg.Poll, err = engine.ParsePoll(b.poll); err != nil {
		return usagef("--poll: %w", err)
	}
	if b.cfg.Shared, err = parseScheduling(b.scheduling); err != nil {
		return err
	}
	if b.via != "" {
		if b.cfg.Via, err = bench.ParseVia(b.via); err != nil {
			return usagef("--via: %w", err)
		}
	}
	if b.cfg.Interval == 0 || b.cfg.Batch == 0 { // which a Config takes for "the default"
		return usagef("--interval and --batch must not be 0")
	}
	return b.parseAddrs()
}

func parseScheduling(word string) (shared bool, err error) {
	switch word {
	case engine.Dedicated.String():
		return false, nil
	case engine.Shared.String():
		return true, nil
	}
	return false, usagef("--scheduling %q: there are dedicated and shared", word)
}

func (b *benchFlags) parseAddrs() (err error) {
	for _, word := range b.take {
		a, err := netip.ParseAddr(word)
		if err != nil {
			return usagef("--addr %q is not an IP address", word)
		}
		b.cfg.Take = append(b.cfg.Take, a)
	}
	p := &b.cfg.Packets
	for _, a := range []struct {
		flag, word string
		addr       *netip.Addr
	}{{"from", b.from, &p.From}, {"to", b.to, &p.To}} {
		if a.word == "" {
			continue
		}
		if *a.addr, err = netip.ParseAddr(a.word); err != nil {
			return usagef("--%s %q is not an IP address", a.flag, a.word)
		}
	}
	for _, m := range []struct {
		flag, word string
		mac        *[6]byte
	}{{"src-mac", b.srcMAC, &p.SrcMAC}, {"dst-mac", b.dstMAC, &p.DstMAC}} {
		if m.word == "" {
			continue
		}
		mac, err := net.ParseMAC(m.word)
		if err != nil || len(mac) != len(m.mac) {
			return usagef("--%s %q is not a MAC address, such as 02:00:00:00:00:01", m.flag, m.word)
		}
		copy(m.mac[:], mac)
	}
	return nil
}

// quietLogger leaves out what is not possible: the summaries tell.
func quietLogger(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
}
