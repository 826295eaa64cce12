package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/internal/lab"
)

// readyTime is how long a server may take until it accepts a connection.
const readyTime = 10 * time.Second

// labTests are what the kernel's client asks servers over a veth.
var labTests = []struct {
	test    string
	port    uint16
	head    string
	columns []column
	figures func(r *bench.TCPResult) []float64
	want    want
}{
	{
		contender.RR, bench.EchoPort, "Request and answer of 64 octets over TCP over a veth, one connection",
		[]column{{"p50 µs", "%.2f"}, {"p99 µs", "%.1f"}, {"per second", "%.0f"}, {"sent again", "%.0f"}},
		func(r *bench.TCPResult) []float64 {
			return []float64{float64(r.Latency.P50) / 1e3, float64(r.Latency.P99) / 1e3, r.PerSecond, float64(r.Retransmits)}
		},
		want{what: "tcp-rr, p50", most: 1.1},
	},
	{
		contender.StreamOut, bench.DiscardPort, "One stream over TCP over a veth, to the server",
		streamColumns, streamFigures, want{what: "one stream to the server", least: 0.8},
	},
	{
		contender.StreamIn, bench.ChargenPort, "One stream over TCP over a veth, from the server",
		streamColumns, streamFigures, want{what: "one stream from the server", least: 0.8},
	},
	{
		contender.CRR, bench.EchoPort, "Connections over TCP over a veth, one at a time: opened, closed by both ends",
		[]column{{"p50 µs", "%.1f"}, {"p99 µs", "%.1f"}, {"per second", "%.0f"}, {"sent again", "%.0f"}},
		func(r *bench.TCPResult) []float64 {
			return []float64{float64(r.Latency.P50) / 1e3, float64(r.Latency.P99) / 1e3, r.PerSecond, float64(r.Retransmits)}
		},
		want{what: "tcp-crr, p50"},
	},
}

// serverNames are those of servers as entrants.
var serverNames = map[contender.ServerKind]string{
	contender.Services: "xdpstack", contender.KernelServer: "kernel", contender.KernelBusy: "kernel, busy",
}

var streamColumns = []column{{"Gbit/s", "%.2f"}, {"sent again", "%.0f"}}

func streamFigures(r *bench.TCPResult) []float64 {
	return []float64{r.BitsPerSecond / 1e9, float64(r.Retransmits)}
}

// tcpLab compares servers, asked by the kernel's sockets over a veth.
func tcpLab(ctx context.Context, lim limits, progress io.Writer) (list []section) {
	for _, t := range labTests {
		for _, busy := range []bool{false, true} {
			if busy && t.test != contender.RR {
				continue
			}
			asleep := "sleeps while it waits"
			kinds := []contender.ServerKind{contender.Services, contender.KernelServer}
			if busy {
				asleep = "never sleeps"
				kinds = append(kinds, contender.KernelBusy)
			}
			c := &contest{
				name: "tcp over a veth", twoCores: true, columns: t.columns,
				head: []string{
					t.head + "; server on core 1, client on core 0",
					"The client uses the kernel's sockets, and " + asleep + ". No offloads at either end: segments and checksums as on a wire.",
				},
			}
			for i, kind := range kinds {
				c.entrants = append(c.entrants, entrant{serverNames[kind], func(ctx context.Context) ([]float64, string, error) {
					return askInLab(ctx, kind, t.test, busy, t.port, t.figures)
				}})
				if i > 0 {
					w := t.want
					w.theirs = i
					if busy {
						w.what += ", busy client"
					}
					c.wants = append(c.wants, w)
				}
			}
			list = append(list, c.compare(ctx, lim, progress))
		}
	}
	return list
}

// askInLab has a server asked in a new lab.
func askInLab(ctx context.Context, kind contender.ServerKind, test string, busy bool, port uint16, figures func(r *bench.TCPResult) []float64) (list []float64, note string, err error) {
	err = serving(ctx, kind, "", port, func(far *lab.Host, _ *contender.Process, to netip.AddrPort) error {
		res, err := contender.Ask(ctx, far, test, busy, to, sourceCPU)
		list = figures(&res)
		return err
	})
	return list, "", err
}

// serving makes a lab with a server on host a, and calls ask when that accepts connections at to.
func serving(ctx context.Context, kind contender.ServerKind, dir string, port uint16, ask func(far *lab.Host, server *contender.Process, to netip.AddrPort) error) (err error) {
	l, err := lab.Up(lab.Config{Name: fmt.Sprintf("peers%d", os.Getpid()), Queues: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	near, far := l.Host("a"), l.Host("b")
	// A client's ports of connections that ended are free again at once.
	if err := errors.Join(silence(near), silence(far), far.Setting("ipv4/tcp_max_tw_buckets", "0")); err != nil {
		return err
	}
	server, err := contender.Serve(ctx, near, kind, dir, workerCPU)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.End()) }()
	addr := near.Interface().KernelAddr(4)
	if kind.StackSide() {
		addr = near.Interface().StackAddr(4)
	}
	to := netip.AddrPortFrom(addr, port)
	if err := accepts(ctx, far, server, to); err != nil {
		return err
	}
	return ask(far, server, to)
}

// accepts waits until a server accepts a connection.
func accepts(ctx context.Context, h *lab.Host, server *contender.Process, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, time.Second)
		c, err := h.Dial(once, "tcp", to.String())
		done()
		if err == nil {
			return c.Close()
		}
		if ended := server.Running(); ended != nil {
			return ended
		}
		if late := pause(ctx, 20*time.Millisecond); late != nil {
			return fmt.Errorf("%s does not accept connections: %w", to, err)
		}
	}
}
