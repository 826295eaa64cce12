package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/bench/peers/echo"
)

const (
	echoWord = "echo" // first argument of a process that measures an echo
	echoSize = 64

	echoWarm = 20_000
	echoTime = 500 * time.Millisecond // of each run, about
	echoEnd  = 30 * time.Second       // of its process
)

// echoWindows are how many requests are on their way at a time.
var echoWindows = []int{1, 32}

// echoPairs are the pairs of stacks, ours first.
var echoPairs = []struct {
	name string
	make func() (echo.Pair, error)
}{
	{"xdpstack", echo.NewXDPStack},
	{"gvisor", echo.NewGVisor},
}

var errEcho = errors.New("echo: say which stack, and the window")

// echoRun is what a round trip cost.
type echoRun struct {
	CPUNs       float64 `json:"cpu_ns"`  // of all threads of the process, the collector's too
	WallNs      float64 `json:"wall_ns"` // on the clock
	Allocations float64 `json:"allocations"`
	Trips       int     `json:"trips"`

	err error
}

// echoMain is the life of a process that measures an echo, args as echoRuns gives them.
func echoMain(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errEcho
	}
	window, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("%w: %w", errEcho, err)
	}
	for _, p := range echoPairs {
		if p.name == args[0] {
			r, err := measureEcho(p.make, window)
			if err != nil {
				return err
			}
			return json.NewEncoder(out).Encode(r)
		}
	}
	return errEcho
}

// measureEcho runs on one P, and on the core that the process was given.
func measureEcho(make func() (echo.Pair, error), window int) (r echoRun, err error) {
	runtime.GOMAXPROCS(1)
	p, err := make()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	began := time.Now()
	if err := p.RoundTrips(echoWarm, window, echoSize); err != nil {
		return r, err
	}
	r.Trips = int(float64(echoWarm) * per(float64(echoTime), float64(time.Since(began))))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, wall := spent(), time.Now()
	if err := p.RoundTrips(r.Trips, window, echoSize); err != nil {
		return r, err
	}
	n := float64(r.Trips)
	r.WallNs, r.CPUNs = per(float64(time.Since(wall)), n), per(float64(spent()-cpu), n)
	runtime.ReadMemStats(&after)
	r.Allocations = per(float64(after.Mallocs-before.Mallocs), n)
	return r, nil
}

// spent is the time on cores of all threads of this process.
func spent() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0 // it fails for no process that lives (getrusage(2))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// echoResult is all rounds with one window, each in the order of echoPairs.
type echoResult struct {
	window int
	rounds [][]echoRun
}

// compareEchoes has the stacks take turns, each in a process of its own.
func compareEchoes(ctx context.Context, rounds int, progress io.Writer) (list []echoResult) {
	for _, window := range echoWindows {
		r := echoResult{window: window}
		for n := 0; n < rounds && ctx.Err() == nil; n++ {
			round := make([]echoRun, 0, len(echoPairs))
			for _, p := range echoPairs {
				one := runEcho(ctx, p.name, window)
				fmt.Fprintf(progress, "echo, window %d %d %-8s %6.0f ns %.2f allocations\n", window, n+1, p.name, one.CPUNs, one.Allocations)
				round = append(round, one)
			}
			r.rounds = append(r.rounds, round)
		}
		list = append(list, r)
	}
	return list
}

func runEcho(ctx context.Context, name string, window int) (r echoRun) {
	ctx, cancel := context.WithTimeout(ctx, echoEnd)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		r.err = err
		return r
	}
	// All threads on one core, the collector's too.
	out, err := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(workerCPU), self, echoWord, name, strconv.Itoa(window)).Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		r.err = fmt.Errorf("echo of %s: %w", name, err)
	}
	return r
}

// ratios are theirs by ours, of rounds without an error.
func (r *echoResult) ratios() (list []float64) {
	for _, round := range r.rounds {
		if round[0].err == nil && round[1].err == nil {
			list = append(list, per(round[1].CPUNs, round[0].CPUNs))
		}
	}
	return list
}

// of has the runs of one stack that have no error.
func (r *echoResult) of(i int) (list []echoRun) {
	for _, round := range r.rounds {
		if round[i].err == nil {
			list = append(list, round[i])
		}
	}
	return list
}
