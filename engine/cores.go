package engine

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrCores says that workers and cores do not go together. It comes wrapped, with what to change.
var ErrCores = errors.New("engine: not enough cores")

// CheckCores says whether workers made of cfgs can run on this machine together: an error
// when they cannot, warnings for what makes them slow.
func CheckCores(cfgs []WorkerConfig) (warnings []string, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("engine: sched_getaffinity: %w", err)
	}
	return checkCores(cfgs, &set, runtime.GOMAXPROCS(0))
}

func checkCores(cfgs []WorkerConfig, set *unix.CPUSet, procs int) (warnings []string, err error) {
	cores, dedicated, spinning := set.Count(), 0, 0
	owner := make(map[int]int)
	for _, c := range cfgs {
		if c.Mode != Dedicated {
			continue
		}
		dedicated++
		if c.Poll == Busy {
			spinning++
		}
		if c.CPU < 0 {
			continue
		}
		if !set.IsSet(c.CPU) {
			return nil, fmt.Errorf("%w: worker %d asks for CPU %d, which this process may not use; \"taskset -p\" shows which it may", ErrCores, c.ID, c.CPU)
		}
		if first, taken := owner[c.CPU]; taken {
			return nil, fmt.Errorf("%w: workers %d and %d both ask for CPU %d; give each its own", ErrCores, first, c.ID, c.CPU)
		}
		owner[c.CPU] = c.ID
	}
	if dedicated > cores {
		return nil, fmt.Errorf("%w: %d dedicated workers on %d; use fewer, or mode shared", ErrCores, dedicated, cores)
	}
	if procs > cores {
		warnings = append(warnings, fmt.Sprintf("GOMAXPROCS is %d on %d cores: a worker may pause for 30 to 300 ms; set GOMAXPROCS=%d", procs, cores, cores))
	}
	if spinning > 0 && dedicated >= procs {
		warnings = append(warnings, fmt.Sprintf("%d dedicated workers that poll busy and GOMAXPROCS %d leave no processor for goroutines: use handlers only, or poll adaptive, or mode shared", dedicated, procs))
	}
	return warnings, nil
}

// pin locks the goroutine to its thread and the thread to a core, unless cpu is negative,
// and gives its timers the finest slack. It returns what undoes that.
func pin(cpu int) (unpin func(), err error) {
	runtime.LockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	if cpu >= 0 {
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			runtime.UnlockOSThread()
			return nil, fmt.Errorf("CPU %d: sched_setaffinity: %w", cpu, err)
		}
	}
	// PR_SET_TIMERSLACK: 1 ns for this thread, 0 for its default again (prctl(2)). A
	// kernel that refuses leaves sleeps 50 µs longer, and nothing else.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
		_ = unix.SchedSetaffinity(0, &old) // the set that it had: allowed
		runtime.UnlockOSThread()
	}, nil
}
