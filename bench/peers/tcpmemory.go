package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/xdpstack/xdpstack/bench/peers/tcp"
)

const (
	memoryWord = "tcp-memory" // first argument of a process that measures TCP in memory
	tcpSize    = 64           // of a request
	streamUnit = 1 << 20      // octets of a stream that are measured at a time
	streamName = "stream"
	streamRate = 3 // the column
)

// tcpStacks are the pairs of stacks, ours first.
var tcpStacks = []struct {
	name string
	make func() (tcp.Pair, error)
}{
	{"xdpstack", tcp.NewXDPStack},
	{"event API", tcp.NewHosts},
	{"gvisor", tcp.NewGVisor},
}

// tcpTests are what they do: a unit is a transaction, streamUnit octets, or a connection.
var tcpTests = []struct {
	name string
	warm int
	do   func(p tcp.Pair, n int) error
	head string
	unit string
	want want // of ours
}{
	{"rr", 10_000, func(p tcp.Pair, n int) error { return p.RoundTrips(n, tcpSize) }, "Request and answer of 64 octets", "pair of them", want{what: "request and answer", column: 0, most: 1000}},
	{streamName, 100, func(p tcp.Pair, n int) error { return p.Stream(n * streamUnit) }, "Octets in one direction", "MiB", want{what: "one stream", column: streamRate, least: 20}},
	{"crr", 5_000, func(p tcp.Pair, n int) error { return p.Connections(n) }, "Connections opened, accepted, closed by both ends", "connection", want{what: "connect, accept, close", column: 0, most: 4000}},
}

var errMemory = errors.New("tcp-memory: say which stack, and what it is to do")

// memoryRun is what a unit cost.
type memoryRun struct {
	CPUNs       float64 `json:"cpu_ns"`  // of all threads of the process, the collector's too
	WallNs      float64 `json:"wall_ns"` // on the clock
	Allocations float64 `json:"allocations"`
}

// memoryMain is the life of a process that measures TCP in memory.
func memoryMain(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errMemory
	}
	for _, s := range tcpStacks {
		for _, t := range tcpTests {
			if s.name == args[0] && t.name == args[1] {
				r, err := measureMemory(s.make, t.do, t.warm)
				if err != nil {
					return err
				}
				return json.NewEncoder(out).Encode(r)
			}
		}
	}
	return errMemory
}

// measureMemory runs on one P, and on the core that the process was given.
func measureMemory(make func() (tcp.Pair, error), do func(p tcp.Pair, n int) error, warm int) (r memoryRun, err error) {
	runtime.GOMAXPROCS(1)
	p, err := make()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	began := time.Now()
	if err := do(p, warm); err != nil {
		return r, err
	}
	units := max(1, int(float64(warm)*per(float64(echoTime), float64(time.Since(began)))))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, wall := spent(), time.Now()
	if err := do(p, units); err != nil {
		return r, err
	}
	n := float64(units)
	r.WallNs, r.CPUNs = per(float64(time.Since(wall)), n), per(float64(spent()-cpu), n)
	runtime.ReadMemStats(&after)
	r.Allocations = per(float64(after.Mallocs-before.Mallocs), n)
	return r, nil
}

// tcpMemory compares stacks in memory.
func tcpMemory(ctx context.Context, lim limits, progress io.Writer) (list []section) {
	for _, t := range tcpTests {
		c := &contest{
			name: "tcp in memory", head: []string{
				t.head + " over TCP in memory, both ends on one core, checksums computed and verified",
				"Nanoseconds are of all threads of the process, for each " + t.unit + ".",
			},
			columns: []column{{"ns", "%.0f"}, {"ns on the clock", "%.0f"}, {"allocations", "%.3f"}},
		}
		if t.name == streamName {
			c.columns = append(c.columns, column{"Gbit/s", "%.2f"})
		}
		for i, s := range tcpStacks {
			c.entrants = append(c.entrants, entrant{s.name, func(ctx context.Context) ([]float64, string, error) { return runMemory(ctx, s.name, t.name) }})
			if i > 0 {
				c.wants = append(c.wants, want{what: t.want.what, column: 0, ours: 0, theirs: i})
			}
		}
		own := t.want
		own.theirs = none
		c.wants = append(c.wants, own)
		list = append(list, c.compare(ctx, lim, progress))
	}
	return list
}

func runMemory(ctx context.Context, stack, test string) ([]float64, string, error) {
	self, err := again()
	if err != nil {
		return nil, "", err
	}
	// All threads on one core, the collector's too.
	out, err := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(workerCPU), self, memoryWord, stack, test).Output()
	var r memoryRun
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s of %s: %w", test, stack, err)
	}
	figures := []float64{r.CPUNs, r.WallNs, r.Allocations}
	if test == streamName {
		figures = append(figures, per(8*streamUnit, r.CPUNs))
	}
	return figures, "", nil
}
