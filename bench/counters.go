package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counts are a thread's cycles and instructions.
type counts struct {
	cycles, instructions, userCycles, userInstructions uint64
}

func (c counts) since(a counts) counts {
	return counts{c.cycles - a.cycles, c.instructions - a.instructions, c.userCycles - a.userCycles, c.userInstructions - a.userInstructions}
}

func (c *counts) add(o counts) {
	c.cycles += o.cycles
	c.instructions += o.instructions
	c.userCycles += o.userCycles
	c.userInstructions += o.userInstructions
}

// numCounters are the members of a group, in the order of counts.
const numCounters = 4

// counters is a group of the processor's counters for one thread (perf_event_open(2)).
type counters struct {
	fds [numCounters]int
	buf [8 * (3 + numCounters)]byte
}

// openCounters counts the calling thread, wherever it runs, until close.
func openCounters() (*counters, error) {
	c := &counters{}
	for i := range c.fds {
		c.fds[i] = -1
	}
	for i := range c.fds {
		attr := unix.PerfEventAttr{
			Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CPU_CYCLES,
			Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
			Read_format: unix.PERF_FORMAT_GROUP | unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
			Bits:        unix.PerfBitExcludeHv,
		}
		if i%2 == 1 {
			attr.Config = unix.PERF_COUNT_HW_INSTRUCTIONS
		}
		if i >= 2 {
			attr.Bits |= unix.PerfBitExcludeKernel
		}
		leader := -1
		if i > 0 {
			leader = c.fds[0]
		}
		fd, err := unix.PerfEventOpen(&attr, 0, -1, leader, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			c.close()
			return nil, countersError(err)
		}
		c.fds[i] = fd
	}
	return c, nil
}

func countersError(err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return errors.New("not permitted: run as root, or \"sysctl kernel.perf_event_paranoid=1\"")
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
		return errors.New("this machine shows no cycle counters (a virtual machine without a PMU)")
	case errors.Is(err, unix.ENOSYS):
		return errors.New("this kernel has no perf events")
	}
	return fmt.Errorf("perf_event_open: %w", err)
}

// read returns the counts so far, scaled up for the time in which others had the counters.
func (c *counters) read() (counts, error) {
	if n, err := unix.Read(c.fds[0], c.buf[:]); err != nil || n != len(c.buf) {
		return counts{}, fmt.Errorf("reading the counters: %d bytes, %w", n, err)
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(c.buf[8*i:]) }
	scaled := func(i int) uint64 {
		enabled, running := word(1), word(2)
		if running == 0 || running == enabled {
			return word(3 + i)
		}
		return uint64(float64(word(3+i)) * float64(enabled) / float64(running))
	}
	return counts{scaled(0), scaled(1), scaled(2), scaled(3)}, nil
}

func (c *counters) close() {
	for i, fd := range c.fds {
		if fd >= 0 {
			_ = unix.Close(fd)
			c.fds[i] = -1
		}
	}
}
