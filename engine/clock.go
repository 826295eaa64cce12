package engine

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/umem"
)

// epoch pairs a reading of Go's monotonic clock with one of CLOCK_MONOTONIC, so
// that Now costs a read through the vDSO and no system call.
var (
	epoch     = time.Now()
	epochMono = monotonic()
)

func monotonic() umem.Time {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // every Linux has this clock; a clock that starts at 0 serves as well
	}
	return umem.Time(ts.Nano())
}

// Now is CLOCK_MONOTONIC, in nanoseconds: the clock of workers that are not
// given another.
func Now() umem.Time { return epochMono + umem.Time(time.Since(epoch)) }
