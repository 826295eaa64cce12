package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/bench"
)

// echoFlags are what "bench udp-echo" can be told.
type echoFlags struct {
	host   hostConfig // the host on -i, as "run" takes it
	client bench.EchoConfig
	to     string
}

func newBenchUDPEchoCmd() *cobra.Command {
	var e echoFlags
	c := &cobra.Command{
		Use: "udp-echo", Short: "Measure UDP echoes: be the client, through the stack or the kernel, or the server", Args: cobra.NoArgs,
		Long: `Measure UDP echoes. What it is, depends on the words:

  -i IFACE --addr CIDR --to IP:7   a client on the stack that asks a server, the kernel's or another's
  --to IP:7                        a client on the kernel's sockets
  -i IFACE --addr CIDR             an echo server on the stack, on UDP port 7, until Ctrl-C or for --duration

Clients run a closed loop: --outstanding datagrams are on their way at a time, each of its own socket, and each answer sends the next.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd) },
	}
	f := c.Flags()
	f.StringVarP(&e.host.Interface, "interface", "i", "", "the device of the stack; without it a client uses the kernel's sockets")
	f.StringSliceVar(&e.host.Addr, "addr", nil, "the stack's address and prefix length, such as 198.18.0.2/24; may be given often")
	f.StringSliceVar(&e.host.Gateway, "gateway", nil, "default router, one of each family")
	f.IntSliceVar(&e.host.Queue, "queue", nil, "queues to use, a worker each (default all)")
	f.IntSliceVar(&e.host.CPU, "cpu", nil, "cores of the workers (default one after the other)")
	f.StringVar(&e.host.Mode, "mode", "auto", "how packets cross: auto, zerocopy, copy or skb")
	f.StringVar(&e.host.Poll, "poll", "adaptive", "what an idle worker does: busy (spin), adaptive (spin, then sleep) or interrupt (sleep)")
	f.StringVar(&e.host.Scheduling, "scheduling", "dedicated", "dedicated: a thread and a core for each worker; shared: Go's scheduler runs them")
	f.BoolVar(&e.host.Partial, "partial", false, "accept partial checksums, as a veth peer with offloads on leaves them")
	f.StringVar(&e.to, "to", "", "the server to ask, such as 198.18.0.1:7")
	f.IntVar(&e.client.Outstanding, "outstanding", 1, "datagrams on their way at a time")
	f.IntVar(&e.client.Size, "size", bench.DefaultSize, "payload of each datagram in bytes")
	f.DurationVar(&e.client.Timeout, "timeout", 200*time.Millisecond, "how long a client waits for an answer")
	f.DurationVar(&e.client.Duration, "duration", 10*time.Second, "how long to measure; 0 until Ctrl-C")
	f.DurationVar(&e.client.Omit, "omit", 0, "how long to run before measuring")
	f.DurationVar(&e.client.Interval, "interval", time.Second, "time between reports")
	return c
}

func (e *echoFlags) run(cmd *cobra.Command) error {
	c := &e.client
	if c.Outstanding == 0 || c.Size == 0 || c.Timeout == 0 || c.Interval == 0 { // which an EchoConfig takes for "the default"
		return usagef("--outstanding, --size, --timeout and --interval must not be 0")
	}
	if e.to != "" {
		var err error
		if c.To, err = netip.ParseAddrPort(e.to); err != nil {
			return usagef("--to %q is not an IP address with its port, such as 198.18.0.1:7", e.to)
		}
	}
	switch {
	case e.host.Interface == "" && e.to == "":
		return usagef("say whom to ask with --to IP:7, or where to answer with -i IFACE --addr CIDR")
	case e.host.Interface == "":
		c.Via, c.Dial = "kernel", new(net.Dialer).DialContext
		return e.ask(cmd)
	}
	return e.onHost(cmd)
}

// onHost is the client or the server on the stack.
func (e *echoFlags) onHost(cmd *cobra.Command) (err error) {
	cfg, err := e.host.host(newLogger(cmd))
	if err != nil {
		return err
	}
	h, err := xdpstack.New(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if e.to == "" {
		return e.serve(cmd, h)
	}
	e.client.Via, e.client.Dial = "xdpstack", h.DialContext
	return e.ask(cmd)
}

func (e *echoFlags) ask(cmd *cobra.Command) error {
	first := true
	var printErr error
	e.client.Report = func(i bench.EchoInterval) {
		err := emit(cmd, map[string]bench.EchoInterval{"interval": i}, func(w io.Writer) {
			if first {
				fmt.Fprintln(w, bench.EchoHeader())
			}
			i.Text(w)
		})
		first, printErr = false, errors.Join(printErr, err)
	}
	res, err := bench.EchoClient(cmd.Context(), e.client)
	if err != nil {
		return err
	}
	return emitResult(cmd, &res, res.Text, res.Interrupted, printErr)
}

func (e *echoFlags) serve(cmd *cobra.Command, h *xdpstack.Host) error {
	shared, err := parseScheduling(e.host.Scheduling)
	if err != nil {
		return err
	}
	b := benchFlags{cfg: bench.Config{
		Interfaces: []string{e.host.Interface}, Shared: shared,
		Duration: e.client.Duration, Omit: e.client.Omit, Interval: e.client.Interval,
	}}
	return b.run(cmd, func(ctx context.Context, cfg bench.Config) (bench.Result, error) {
		return bench.EchoServer(ctx, h, cfg)
	})
}
