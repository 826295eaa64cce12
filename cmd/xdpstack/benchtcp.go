package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/engine"
)

// tcpFlags are what "bench tcp-rr" and its like can be told.
type tcpFlags struct {
	host      hostConfig // the host on -i, as "run" takes it
	client    bench.TCPConfig
	stack, to string
	direction string
	serve     bool
}

// serverFlags are what "bench tcp-server" can be told.
type serverFlags struct {
	cfg  bench.TCPServerConfig
	addr string
}

func newBenchTCPCmds() []*cobra.Command {
	var rr, stream, crr tcpFlags
	return []*cobra.Command{
		rr.command("tcp-rr", "Measure TCP requests and their answers", 7, bench.DefaultSize, bench.TCPRR),
		stream.command("tcp-stream", "Measure how many octets a second pass over TCP", 9, bench.DefaultStreamSize, bench.TCPStream),
		crr.command("tcp-crr", "Measure TCP connections: opened, one request, its answer, closed", 7, 1, bench.TCPCRR),
		newBenchTCPServerCmd(),
	}
}

const tcpServers = `
Servers are "xdpstack run --service echo --service discard --service chargen", or "xdpstack bench tcp-server", which has the same services on the
kernel's sockets. The client uses the kernel's sockets, from plain threads that block, or with --stack xdpstack this stack on -i.`

// command is one of the benchmarks over TCP.
func (t *tcpFlags) command(use, short string, port, size int, run func(context.Context, bench.TCPConfig) (bench.TCPResult, error)) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, Long: short + ".\n" + tcpServers,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if t.serve {
				return t.serveInstead(cmd)
			}
			return t.run(cmd, run)
		},
	}
	f := c.Flags()
	f.StringVar(&t.to, "to", "", fmt.Sprintf("the server to ask, such as 198.18.0.1:%d", port))
	f.StringVar(&t.stack, "stack", "kernel", "what the client connects through: kernel, or xdpstack on -i")
	f.IntVar(&t.client.Connections, "connections", 1, "connections open at a time")
	f.IntSliceVar(&t.client.CPUs, "cpu", nil, "cores of the client's threads, or of the stack's workers")
	f.BoolVar(&t.client.Busy, "busy", false, "do not sleep in the kernel while waiting for it; of a stack, see --poll")
	f.DurationVar(&t.client.Timeout, "timeout", 5*time.Second, "how long an answer is waited for")
	f.DurationVar(&t.client.Duration, "duration", 10*time.Second, "how long to measure; 0 until Ctrl-C")
	f.DurationVar(&t.client.Omit, "omit", 0, "how long to run before measuring")
	f.DurationVar(&t.client.Interval, "interval", time.Second, "time between reports")
	switch use {
	case "tcp-stream":
		f.IntVar(&t.client.Size, "size", size, "octets of each write or read")
		f.StringVar(&t.direction, "direction", "out", "out: the client sends, to a discard server; in: it receives, from a chargen server")
	case "tcp-crr":
		f.BoolVar(&t.client.Reset, "reset", false, "end connections by RST: no port stays in TIME-WAIT")
		f.IntVar(&t.client.Size, "size", size, "octets of the request, and of its answer; 0 for none")
	default:
		f.IntVar(&t.client.Size, "size", size, "octets of each request, and of its answer")
	}
	f.BoolVar(&t.serve, "server", false, "be the server instead, on the kernel's sockets: \"bench tcp-server\"")
	f.StringVarP(&t.host.Interface, "interface", "i", "", "with --stack xdpstack: the device")
	f.StringSliceVar(&t.host.Addr, "addr", nil, "the stack's address and prefix length, such as 198.18.0.2/24; of --server, the address to listen on")
	f.StringSliceVar(&t.host.Gateway, "gateway", nil, "default router, one of each family")
	f.IntSliceVar(&t.host.Queue, "queue", nil, "queues to use, a worker each (default all)")
	f.StringVar(&t.host.Mode, "mode", "auto", "how packets cross: auto, zerocopy, copy or skb")
	f.StringVar(&t.host.Poll, "poll", "adaptive", "what an idle worker does: busy (spin), adaptive (spin, then sleep) or interrupt (sleep)")
	f.StringVar(&t.host.Scheduling, "scheduling", "dedicated", "dedicated: a thread and a core for each worker; shared: Go's scheduler runs them")
	f.BoolVar(&t.host.Partial, "partial", false, "accept partial checksums, as a veth peer with offloads on leaves them")
	return c
}

func (t *tcpFlags) run(cmd *cobra.Command, run func(context.Context, bench.TCPConfig) (bench.TCPResult, error)) (err error) {
	c := &t.client
	if c.Connections == 0 || c.Timeout == 0 || c.Interval == 0 || (c.Size == 0 && cmd.Name() != "tcp-crr") { // which a TCPConfig takes for "the default"
		return usagef("--connections, --size, --timeout and --interval must not be 0")
	}
	if c.To, err = netip.ParseAddrPort(t.to); err != nil {
		return usagef("--to %q: say whom to ask, an IP address with its port, such as 198.18.0.1:7", t.to)
	}
	switch t.direction {
	case "", "out":
	case "in":
		c.Receive = true
	default:
		return usagef("--direction %q: there are out and in", t.direction)
	}
	switch t.stack {
	case "kernel":
		if t.host.Interface != "" {
			return usagef("-i %s is for --stack xdpstack: the kernel finds its own way", t.host.Interface)
		}
		return t.ask(cmd, run)
	case "xdpstack":
		return t.onHost(cmd, run)
	}
	return usagef("--stack %q: there are kernel and xdpstack", t.stack)
}

// onHost is the client on the stack.
func (t *tcpFlags) onHost(cmd *cobra.Command, run func(context.Context, bench.TCPConfig) (bench.TCPResult, error)) (err error) {
	t.host.CPU, t.client.CPUs = t.client.CPUs, nil
	t.client.Shared = t.host.Scheduling == engine.Shared.String()
	cfg, err := t.host.host(newLogger(cmd))
	if err != nil {
		return err
	}
	h, err := xdpstack.New(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	t.client.Host = h
	return t.ask(cmd, run)
}

func (t *tcpFlags) ask(cmd *cobra.Command, run func(context.Context, bench.TCPConfig) (bench.TCPResult, error)) error {
	first := true
	stream := t.direction != ""
	var printErr error
	t.client.Report = func(i bench.TCPInterval) {
		err := emit(cmd, map[string]bench.TCPInterval{"interval": i}, func(w io.Writer) {
			if first {
				fmt.Fprintln(w, bench.TCPHeader(stream))
			}
			i.Text(w, stream)
		})
		first, printErr = false, errors.Join(printErr, err)
	}
	res, err := run(cmd.Context(), t.client)
	if err != nil {
		return err
	}
	return emitResult(cmd, &res, res.Text, res.Interrupted, printErr)
}

// serveInstead is --server.
func (t *tcpFlags) serveInstead(cmd *cobra.Command) error {
	s := serverFlags{cfg: bench.TCPServerConfig{CPUs: t.client.CPUs}}
	switch len(t.host.Addr) {
	case 0:
	case 1:
		s.addr = t.host.Addr[0]
	default:
		return usagef("--server listens on one address, or without --addr on all")
	}
	return s.run(cmd)
}

func newBenchTCPServerCmd() *cobra.Command {
	var s serverFlags
	c := &cobra.Command{
		Use: "tcp-server", Short: "Serve echo, discard and chargen on the kernel's sockets, to measure beside", Args: cobra.NoArgs,
		Long: `Serve echo (port 7), discard (port 9) and chargen (port 19) over TCP on the kernel's sockets until Ctrl-C, for the clients "bench tcp-rr",
"bench tcp-stream" and "bench tcp-crr": what the stack's services are measured beside.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := c.Flags()
	f.StringVar(&s.addr, "addr", "", "the address to listen on (default all)")
	f.IntSliceVar(&s.cfg.CPUs, "cpu", nil, "cores of the server's threads, in turns")
	f.BoolVar(&s.cfg.Busy, "busy", false, "do not sleep in the kernel while waiting for it")
	f.BoolVar(&s.cfg.Threads, "threads", false, "a thread that blocks for each connection, instead of one thread and epoll for all")
	return c
}

func (s *serverFlags) run(cmd *cobra.Command) (err error) {
	if s.addr != "" {
		if s.cfg.Addr, err = netip.ParseAddr(s.addr); err != nil {
			return usagef("--addr %q is not an IP address", s.addr)
		}
	}
	s.cfg.Ready = func() {
		// The line is for people and for scripts that wait for it; a closed output does not end the server.
		_ = emit(cmd, map[string]string{"state": "ready"}, func(w io.Writer) {
			fmt.Fprintln(w, "echo on TCP port 7, discard on 9, chargen on 19, on the kernel's sockets")
		})
	}
	return bench.TCPServer(cmd.Context(), s.cfg)
}
