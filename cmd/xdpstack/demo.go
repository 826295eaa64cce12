package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/probe"
)

func newDemoCmd() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Show the stack at work, in a lab of its own, in half a minute", Args: cobra.NoArgs,
		Long: `Show the stack at work, in a lab of its own, in half a minute.

Two network namespaces are joined by a veth pair with two queues. In one the stack runs, a worker for each queue; in the other the kernel
pings it, exchanges UDP with it, and fetches a file by HTTP through the proxy, whose hash is checked. Then the engine alone takes, sends and
forwards packets as fast as it can. Nothing is left behind.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd) },
	}
}

// Shape of the demo.
const (
	demoPings  = 500
	demoEchoes = 2000
	demoFlows  = 32
	demoLives  = 10
	demoSize   = 64 // octets of data
	demoBench  = 1500 * time.Millisecond
	demoWait   = 2 * time.Second // for one answer

	demoPatience = 10 * time.Second // for the stack to say something
)

// demoReport is what the demo found; --json prints it.
type demoReport struct {
	Device string       `json:"device"`
	Mode   string       `json:"mode"`
	Ping   []roundTrips `json:"ping"`
	Echo   []roundTrips `json:"udp_echo"`
	Shares []demoShare  `json:"shares"`
	Packet packetLife   `json:"life_of_a_packet"`

	Downloads []download `json:"downloads"`
	Request   packetLife `json:"life_of_a_request"`
	Forwarded uint64     `json:"forwarded_frames"`

	Benches []bench.Result `json:"benchmarks"`
	Seconds float64        `json:"seconds"`
}

type roundTrips struct {
	To   string        `json:"to"`
	Sent int           `json:"sent"`
	Lost int           `json:"lost"`
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
}

type demoShare struct {
	Worker   int    `json:"worker"`
	Received uint64 `json:"received"`
	Sent     uint64 `json:"sent"`
}

func runDemo(cmd *cobra.Command) (err error) {
	start := time.Now()
	l, err := lab.Up(lab.Config{Name: fmt.Sprintf("demo-%d", os.Getpid())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	d := &demo{cmd: cmd, lab: l}
	d.say("lab: host a (the stack) and host b (the kernel), joined by a veth pair with 2 queues\n\n")
	for _, step := range []func(ctx context.Context) error{d.talk, d.carry, d.measure} {
		if err := step(cmd.Context()); err != nil {
			return err
		}
	}
	d.report.Seconds = time.Since(start).Seconds()
	return emit(cmd, &d.report, func(w io.Writer) { fmt.Fprintf(w, "\n%.1f s; nothing is left behind\n", d.report.Seconds) })
}

// demo is a run of it.
type demo struct {
	cmd    *cobra.Command
	lab    *lab.Lab
	report demoReport
}

// say prints for people; with --json the report comes at the end.
func (d *demo) say(format string, args ...any) {
	if !wantsJSON(d.cmd) {
		fmt.Fprintf(d.cmd.OutOrStdout(), format, args...)
	}
}

// talk runs the stack on host a, as "xdpstack run" in a process of its own, and
// the kernel's clients on host b.
func (d *demo) talk(ctx context.Context) (err error) {
	itf := d.lab.Host("a").Interface()
	stack, err := d.startStack(ctx, itf)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.end()) }()
	if err := d.sayMode(stack); err != nil {
		return err
	}
	for _, a := range []netip.Addr{itf.Stack4.Addr(), itf.Stack6.Addr()} {
		if err := d.ping(ctx, a); err != nil {
			return err
		}
	}
	for _, a := range []netip.Addr{itf.Stack4.Addr(), itf.Stack6.Addr()} {
		if err := d.echo(ctx, netip.AddrPortFrom(a, 7)); err != nil {
			return err
		}
	}
	if err := d.packet(ctx, stack, netip.AddrPortFrom(itf.Stack4.Addr(), 7)); err != nil {
		return err
	}
	return d.shares(stack)
}

func (d *demo) sayMode(stack *demoStack) error {
	var ready struct {
		Stats struct {
			Interface string
			Workers   []struct{}
			Device    struct {
				Mode, Attached string
				Reasons        []string `json:"not_possible"`
			}
		}
	}
	if err := stack.next(&ready); err != nil {
		return err
	}
	st := &ready.Stats
	d.report.Device, d.report.Mode = st.Interface, st.Device.Mode
	d.say("stack on %s: %d workers, mode %s, program attached: %s\n", st.Interface, len(st.Workers), st.Device.Mode, st.Device.Attached)
	for _, r := range st.Device.Reasons {
		d.say("  not possible: %s\n", r)
	}
	return nil
}

// ask asks n times, and prints the round trips.
func (d *demo) ask(ctx context.Context, what, to string, n int, once func() (time.Duration, error)) (roundTrips, error) {
	r := roundTrips{To: to}
	var times probe.Times
	for r.Sent < n && ctx.Err() == nil {
		took, err := once()
		switch {
		case errors.Is(err, probe.ErrLost):
			r.Lost++
		case err != nil:
			return r, err
		default:
			times = append(times, took)
		}
		r.Sent++
	}
	r.P50, r.P99 = times.Quantile(0.5), times.Quantile(0.99)
	d.say("%-8s %-16s %5d sent, %d lost, round trip p50 %v, p99 %v\n", what, to, r.Sent, r.Lost,
		r.P50.Round(100*time.Nanosecond), r.P99.Round(100*time.Nanosecond))
	return r, ctx.Err()
}

func (d *demo) ping(ctx context.Context, to netip.Addr) error {
	p, err := probe.NewPinger(d.lab.Host("b"), to)
	if err != nil {
		return err
	}
	defer p.Close()
	r, err := d.ask(ctx, "ping", to.String(), demoPings, func() (time.Duration, error) { return p.Echo(56, demoWait) })
	d.report.Ping = append(d.report.Ping, r)
	return err
}

func (d *demo) echo(ctx context.Context, to netip.AddrPort) error {
	e, err := probe.NewEchoer(ctx, d.lab.Host("b"), to, demoFlows)
	if err != nil {
		return err
	}
	defer e.Close()
	r, err := d.ask(ctx, "UDP echo", to.String(), demoEchoes, func() (time.Duration, error) { return e.Echo(demoSize, demoWait) })
	d.report.Echo = append(d.report.Echo, r)
	return err
}

// packet follows datagrams through the layers, and shows the one that was
// fastest: the others met an interrupt, or a cold cache.
func (d *demo) packet(ctx context.Context, stack *demoStack, to netip.AddrPort) error {
	e, err := probe.NewEchoer(ctx, d.lab.Host("b"), to, demoFlows)
	if err != nil {
		return err
	}
	defer e.Close()
	for range demoLives {
		if err := stack.trace(); err != nil {
			return err
		}
		for range stack.workers {
			life, err := d.nextLife(stack, e)
			if err != nil {
				return err
			}
			if life.Same && (d.report.Packet.Stages == nil || life.total() < d.report.Packet.total()) {
				d.report.Packet = life
			}
		}
	}
	d.say("\nthe life of one packet, the fastest of %d: ", demoLives*stack.workers)
	if !wantsJSON(d.cmd) {
		d.report.Packet.print(d.cmd.OutOrStdout())
	}
	return nil
}

// nextLife sends datagrams over all flows until the stack has seen one through.
func (d *demo) nextLife(stack *demoStack, e *probe.Echoer) (life packetLife, err error) {
	for began := time.Now(); time.Since(began) < 2*demoWait; {
		if _, err := e.Echo(demoSize, demoWait); err != nil {
			return life, err
		}
		if len(stack.lines) > 0 {
			break
		}
	}
	return life, stack.next(&life)
}

// shares shows that both queues, and so both cores, had their part.
func (d *demo) shares(stack *demoStack) error {
	if err := stack.interrupt(); err != nil {
		return err
	}
	var sum struct {
		Stats struct {
			Workers []struct {
				Worker int
				Port   struct {
					Received uint64 `json:"rx_packets"`
					Sent     uint64 `json:"tx_packets"`
				}
			}
		}
	}
	if err := stack.next(&sum); err != nil {
		return err
	}
	d.say("\n")
	for _, w := range sum.Stats.Workers {
		d.report.Shares = append(d.report.Shares, demoShare{w.Worker, w.Port.Received, w.Port.Sent})
		d.say("worker %d had %d packets, and sent %d\n", w.Worker, w.Port.Received, w.Port.Sent)
	}
	return nil
}

// measure runs the engine alone, without a stack, on host a: on one queue, with
// the source on the other core, and on both, where source and workers share the
// cores of a machine that has but two.
func (d *demo) measure(ctx context.Context) error {
	d.say("\nthe engine alone, frames of %d bytes:\n", demoSize)
	for _, b := range []struct {
		name   string
		run    func(context.Context, bench.Config) (bench.Result, error)
		source bool
	}{
		{"rxdrop", bench.RxDrop, true}, {"txonly", bench.TxOnly, false}, {"l2fwd", bench.L2Fwd, true},
	} {
		for _, queues := range [][]int{{0}, {0, 1}} {
			r, err := d.bench(ctx, queues, b.run, b.source)
			if err != nil {
				return err
			}
			d.report.Benches = append(d.report.Benches, r)
			d.say("  %-7s %d queues %6.2f Mpps %6.2f Gbit/s %5.0f ns a packet;", b.name, len(queues), r.Sum.PacketsPerSecond/1e6, r.Sum.BitsPerSecond/1e9, r.Cost.Ns)
			for _, p := range r.Parts {
				d.say(" worker %d on core %d: %.0f %%", p.Worker, p.CPU, 100*p.Share)
			}
			d.say("\n")
		}
	}
	return nil
}

// bench runs one benchmark on host a, and beside it, when it needs one, a source on
// host b: live frames arrive on the queue with the number of the core that sends them.
func (d *demo) bench(ctx context.Context, queues []int, run func(context.Context, bench.Config) (bench.Result, error), source bool) (r bench.Result, err error) {
	a, b := d.lab.Host("a"), d.lab.Host("b")
	cfg := bench.Config{
		Interfaces: []string{a.Interface().Name}, Queues: queues,
		Duration: demoBench, Omit: 200 * time.Millisecond, All: true,
		Packets: bench.Packets{Size: demoSize}, Log: newLogger(d.cmd),
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	if source {
		from := cfg
		from.Interfaces, from.Duration, from.Via = []string{b.Interface().Name}, 0, bench.Live
		from.CPUs, from.Queues = queues, nil
		go func() {
			ended <- b.Do(func() error {
				_, err := bench.Pktgen(ctx, from)
				return err
			})
		}()
	} else {
		ended <- nil
	}
	err = a.Do(func() (err error) {
		r, err = run(ctx, cfg)
		return err
	})
	cancel()
	return r, errors.Join(err, <-ended)
}
