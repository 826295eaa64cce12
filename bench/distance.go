package bench

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Tags of a Distance.
const (
	Near    = "near"    // both probes are below FarNs
	Far     = "far"     // both are above
	Mixed   = "mixed"   // the machine changed during the run: it compares with nothing
	Unknown = "unknown" // there are no two cores to probe, or they were too busy
)

// FarNs is the latency from which two cores count as far from each other. Cores that share a
// last-level cache stay well below it, others well above.
const FarNs = 150

// probeTime is how long one probe takes, probeChunk how many round trips it measures at a time:
// the fastest chunk counts, since what else the cores do can only make one slower.
const (
	probeTime  = 10 * time.Millisecond
	probeChunk = 100
	busyNs     = 2000 // no two cores of a machine are so far from each other
)

// Distance is the one-way latency of a cache line between two cores, before and after a run.
type Distance struct {
	CPUs     [2]int  `json:"cpus"`
	BeforeNs float64 `json:"before_ns"`
	AfterNs  float64 `json:"after_ns"`
	Tag      string  `json:"tag"`
}

// probeBefore probes the two cores that matter to a worker on cpu: that one, and the first other,
// where a source is. Without a pinned worker, -1, they are the first and the last.
func probeBefore(cpu int) (d Distance) {
	cpus := usableCPUs()
	d.CPUs = [2]int{cpus[0], cpus[len(cpus)-1]}
	if cpu >= 0 && cpu != d.CPUs[0] {
		d.CPUs[1] = cpu
	}
	d.BeforeNs = Probe(d.CPUs[0], d.CPUs[1])
	return d
}

// probeAfter probes them again, and sums up both.
func (d *Distance) probeAfter() {
	d.AfterNs = Probe(d.CPUs[0], d.CPUs[1])
	d.Tag = tagOf(d.BeforeNs, d.AfterNs)
}

func tagOf(before, after float64) string {
	switch {
	case before == 0 || after == 0:
		return Unknown
	case before < FarNs && after < FarNs:
		return Near
	case before >= FarNs && after >= FarNs:
		return Far
	}
	return Mixed
}

// String says it in a line.
func (d Distance) String() string {
	if d.Tag == Unknown {
		return "unknown: there are no two cores to probe, or they were too busy"
	}
	return fmt.Sprintf("%s: CPUs %d and %d are %.0f ns apart before, %.0f ns after", d.Tag, d.CPUs[0], d.CPUs[1], d.BeforeNs, d.AfterNs)
}

// Probe measures the one-way latency of a cache line between two cores, in nanoseconds. It takes
// 10 ms, or longer where the cores are busy. It returns 0 when it may not run on both, or when they
// were too busy to say.
func Probe(a, b int) float64 {
	if a == b || runtime.GOMAXPROCS(0) < 2 {
		return 0
	}
	var ball struct {
		_    [64]byte
		turn atomic.Uint32 // even: ours; odd: the other's; stop: over
		_    [64]byte
	}
	const stop = math.MaxUint32
	other := make(chan bool, 1)
	go func() {
		unpin, ok := pinTo(b)
		other <- ok
		defer unpin()
		for ok {
			v := ball.turn.Load()
			if v == stop {
				return
			}
			if v&1 == 1 {
				ball.turn.Store(v + 1)
			}
		}
	}()
	best := make(chan float64, 1)
	go func() {
		unpin, ok := pinTo(a)
		defer unpin()
		ok = <-other && ok
		least := math.Inf(1)
		for start := time.Now(); ok && !enough(time.Since(start), least); {
			least = min(least, rally(&ball.turn))
		}
		ball.turn.Store(stop)
		best <- least
	}()
	if ns := <-best; ns < busyNs {
		return ns
	}
	return 0
}

// enough says whether to end a probe: after its time, or much later while the cores were too busy for one
// chunk without interruption.
func enough(took time.Duration, least float64) bool {
	return took >= probeTime && (least < busyNs || took >= 10*probeTime)
}

// rally plays a chunk of round trips and returns the latency of one way. The ball is ours.
func rally(turn *atomic.Uint32) float64 {
	start := time.Now()
	v := turn.Load()
	for range probeChunk {
		v += 2
		turn.Store(v - 1)
		for turn.Load() != v {
		}
	}
	turn.Store(0)
	return float64(time.Since(start).Nanoseconds()) / (2 * probeChunk)
}

// pinTo puts the goroutine on a core, and returns what undoes that.
func pinTo(cpu int) (unpin func(), ok bool) {
	runtime.LockOSThread()
	var old, set unix.CPUSet
	set.Set(cpu)
	ok = unix.SchedGetaffinity(0, &old) == nil && unix.SchedSetaffinity(0, &set) == nil
	return func() {
		if ok {
			_ = unix.SchedSetaffinity(0, &old) // the set that it had: allowed
		}
		runtime.UnlockOSThread()
	}, ok
}

// usableCPUs are the cores that the process may use, in order.
func usableCPUs() (cpus []int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return []int{0}
	}
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}
