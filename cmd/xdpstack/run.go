package main

import (
	"errors"
	"fmt"
	"io"
	"net"
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
  xdpstack lab exec b -- ping -c 3 198.18.0.2

  xdpstack run -i eth1 --addr 198.18.0.2/24 --service echo=:7007 --service http=:80,/srv/www
  curl http://198.18.0.2/index.html; curl -T FILE http://198.18.0.2/upload   (answers with the file's SHA-256)`,
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
	flags.Host.register(f)
	f.StringArrayVar(&flags.Service, "service", nil,
		"NAME[=ADDRESS[,FOLDER]], often: echo (UDP and TCP 7), discard (9), chargen (19), http=:80,FOLDER, go-http=:8080,FOLDER")
	return c
}

// runSummary is what "run" prints at its end.
type runSummary struct {
	Seconds  float64        `json:"seconds"`
	Services []string       `json:"services"`
	Stats    xdpstack.Stats `json:"stats"`
}

func runHost(cmd *cobra.Command, cfg runConfig) (err error) {
	specs, err := services.ParseAll(cfg.Service)
	if err != nil {
		return fmt.Errorf("--service: %w", err)
	}
	start := time.Now()
	h, closing, err := cfg.Host.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	lines, stop, err := startServices(h, specs)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	if err := serveReady(cmd, h, lines); err != nil {
		return err
	}
	st, err := h.Stats()
	if err != nil {
		return err
	}
	sum := runSummary{Seconds: time.Since(start).Seconds(), Services: cfg.Service, Stats: st}
	return emit(cmd, sum, func(w io.Writer) { printRunSummary(w, &sum) })
}

// startServices also says what it started. stop ends those that were.
func startServices(h *xdpstack.Host, specs []services.Spec) (lines []string, stop func() error, err error) {
	var started []io.Closer
	stop = func() (err error) {
		for _, s := range started {
			if e := s.Close(); !errors.Is(e, net.ErrClosed) { // the device has gone first, which is said already
				err = errors.Join(err, e)
			}
		}
		return err
	}
	for _, spec := range specs {
		s, err := services.Start(h, spec)
		if err != nil {
			return nil, stop, adviseListen(err)
		}
		started = append(started, s)
		lines = append(lines, "service "+spec.String())
	}
	return lines, stop, nil
}

// serveReady says that the stack is ready, and waits for the end. Whoever reads that
// may send SIGUSR1 at once.
func serveReady(cmd *cobra.Command, h *xdpstack.Host, lines []string) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	if err := emitReady(cmd, h, lines); err != nil {
		return err
	}
	return serveAsked(cmd, h, asked)
}

// serveAsked waits for the end; each time that it is asked it prints the ways of the
// next packets.
func serveAsked(cmd *cobra.Command, h *xdpstack.Host, asked <-chan os.Signal) error {
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

// emitReady says what is in force, read back from the kernel, and in lines what runs on it.
func emitReady(cmd *cobra.Command, h *xdpstack.Host, lines []string) error {
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
		for _, l := range lines {
			fmt.Fprintf(w, "  %s\n", l)
		}
		fmt.Fprintln(w, "Ctrl-C ends it")
	})
}

func printRunSummary(w io.Writer, s *runSummary) {
	fmt.Fprintf(w, "\n%.1f s\n", s.Seconds)
	printWorkers(w, s.Stats.Workers)
}

func printWorkers(w io.Writer, workers []xdpstack.WorkerStats) {
	for _, k := range workers {
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
