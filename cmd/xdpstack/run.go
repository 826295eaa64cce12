package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/services"
)

func newRunCmd() *cobra.Command {
	var flags runConfig
	var file string
	c := &cobra.Command{
		Use: "run", Short: "Run the stack on an interface, with services on it", Args: cobra.NoArgs,
		Long: `Run the stack on an interface, with services on it, until Ctrl-C.

The addresses are the stack's alone: what is sent to them is taken off the interface, ARP and Neighbor Discovery included; all other
packets stay with the kernel. When the program ends, however it ends, the kernel has the whole interface back.

At SIGUSR1 it prints the way of the next packet of each worker through the layers, with its times.

  xdpstack lab up
  xdpstack lab exec a -- xdpstack run -i xs0 --addr 198.18.0.2/24 --addr 2001:2::2/64 --service echo
  xdpstack lab exec b -- ping -c 3 198.18.0.2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.merge(cmd.Flags(), file)
			if err != nil {
				return err
			}
			return runHost(cmd, cfg)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "config", "c", "", "YAML file with the flags' names as keys; flags given besides win")
	f.StringVarP(&flags.Interface, "interface", "i", "", "the device")
	f.StringSliceVar(&flags.Addr, "addr", nil, "address and prefix length, such as 198.18.0.2/24; may be given often")
	f.StringSliceVar(&flags.Gateway, "gateway", nil, "default router, one of each family")
	f.StringSliceVar(&flags.Service, "service", nil, "services to run: echo (UDP 7), discard (9), chargen (19)")
	f.IntSliceVar(&flags.Queue, "queue", nil, "queues to use, a worker each (default all)")
	f.IntSliceVar(&flags.CPU, "cpu", nil, "cores of the workers (default one after the other)")
	f.StringVar(&flags.Mode, "mode", "auto", "how packets cross: auto, zerocopy, copy or skb")
	f.StringVar(&flags.Poll, "poll", "adaptive", "what an idle worker does: busy (spin), adaptive (spin, then sleep) or interrupt (sleep)")
	f.StringVar(&flags.Scheduling, "scheduling", "shared", "shared: Go's scheduler runs the workers; dedicated: a thread and a core for each, with a core left for all else")
	f.BoolVar(&flags.Partial, "partial", false, "accept partial checksums, as a veth peer with offloads on leaves them")
	f.IntVar(&flags.MTU, "mtu", 0, "largest IP packet in bytes (default the device's)")
	f.IntVar(&flags.Frames, "frames", 0, "packet frames of each worker (default 4096)")
	f.BoolVar(&flags.HugePages, "huge-pages", false, "take huge pages for the packet memory")
	return c
}

// runSummary is what "run" prints at its end.
type runSummary struct {
	Seconds  float64        `json:"seconds"`
	Services []string       `json:"services"`
	Stats    xdpstack.Stats `json:"stats"`
}

func runHost(cmd *cobra.Command, cfg runConfig) (err error) {
	hostCfg, err := cfg.host(newLogger(cmd))
	if err != nil {
		return err
	}
	start := time.Now()
	h, err := xdpstack.New(cmd.Context(), hostCfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	for _, name := range cfg.Service {
		if _, err := services.Start(h, name); err != nil {
			return err
		}
	}
	if err := emitReady(cmd, h, cfg); err != nil {
		return err
	}
	if err := serve(cmd, h); err != nil {
		return err
	}
	st, err := h.Stats()
	if err != nil {
		return err
	}
	sum := runSummary{Seconds: time.Since(start).Seconds(), Services: cfg.Service, Stats: st}
	return emit(cmd, sum, func(w io.Writer) { printRunSummary(w, &sum) })
}

// serve waits for the end; at each SIGUSR1 it prints the ways of the next
// packets.
func serve(cmd *cobra.Command, h *xdpstack.Host) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	ended := make(chan error, 1)
	go func() { ended <- h.Wait(cmd.Context()) }()
	traces := make(chan packetLife, h.Workers())
	for {
		select {
		case err := <-ended:
			return err
		case <-asked:
			for i := range h.Workers() {
				go func(next <-chan engine.Trace) {
					select {
					case t := <-next:
						traces <- newPacketLife(i, t)
					case <-cmd.Context().Done():
					}
				}(h.TraceNext(i))
			}
		case life := <-traces:
			if err := emit(cmd, life, life.print); err != nil {
				return err
			}
		}
	}
}

// emitReady says what is in force, read back from the kernel.
func emitReady(cmd *cobra.Command, h *xdpstack.Host, cfg runConfig) error {
	st, err := h.Stats()
	if err != nil {
		return err
	}
	return emit(cmd, struct {
		Ready bool           `json:"ready"`
		Stats xdpstack.Stats `json:"stats"`
	}{true, st}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d workers, mode %s", st.Interface, len(st.Workers), st.Device.Mode)
		if n := len(st.Device.Reasons); n > 0 {
			fmt.Fprintf(w, " (%s)", st.Device.Reasons[n-1])
		}
		fmt.Fprintln(w)
		for _, a := range st.Addresses {
			fmt.Fprintf(w, "  %s\n", a)
		}
		for _, s := range cfg.Service {
			fmt.Fprintf(w, "  service %s\n", s)
		}
		fmt.Fprintln(w, "Ctrl-C ends it")
	})
}

func printRunSummary(w io.Writer, s *runSummary) {
	fmt.Fprintf(w, "\n%.1f s\n", s.Seconds)
	for _, k := range s.Stats.Workers {
		fmt.Fprintf(w, "worker %d: received %d packets (%d bytes), sent %d (%d bytes), %d system calls to send, %d to receive\n",
			k.Worker, k.Port.RxPackets, k.Port.RxBytes, k.Port.TxPackets, k.Port.TxBytes, k.Port.Kicks, k.Port.Wakes)
		fmt.Fprintf(w, "  between two looks at the ring: p50 %v, p99 %v, p99.9 %v, at most %v; slept %d times\n", time.Duration(k.Loop.GapP50),
			time.Duration(k.Loop.GapP99), time.Duration(k.Loop.GapP999), time.Duration(k.Loop.GapMax), k.Loop.Sleeps)
		for _, d := range k.Drops {
			fmt.Fprintf(w, "  dropped %d: %s (%s)\n", d.Packets, d.Reason, d.Meaning)
		}
		for _, h := range k.Slow {
			fmt.Fprintf(w, "  handler %s took over 100 µs %d times, %d µs at most\n", h.Name, h.Calls, h.Longest/int64(time.Microsecond))
		}
	}
}
