package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Counts are what the threads of a process spent on one core.
type Counts struct {
	Cycles       uint64 // in user space and in the kernel
	UserCycles   uint64
	Instructions uint64 // in user space and in the kernel
}

// Since is what was spent from a to c.
func (c Counts) Since(a Counts) Counts {
	return Counts{c.Cycles - a.Cycles, c.UserCycles - a.UserCycles, c.Instructions - a.Instructions}
}

// events are the members of a group, in the order of Counts. The first is pinned, so that the
// group counts all the time whoever else counts.
var events = [...]unix.PerfEventAttr{
	{Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CPU_CYCLES, Bits: unix.PerfBitExcludeHv | unix.PerfBitPinned},
	{Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CPU_CYCLES, Bits: unix.PerfBitExcludeHv | unix.PerfBitExcludeKernel},
	{Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_INSTRUCTIONS, Bits: unix.PerfBitExcludeHv},
}

// ErrShared says that the processor has no counters left: others pinned theirs.
var ErrShared = errors.New("meter: somebody else uses the processor's counters; end them (perf)")

// Counters counts the threads of a process.
type Counters struct {
	groups [][len(events)]int // of descriptors, for each thread
}

// Open counts, on core cpu, the threads that process pid has now.
func Open(pid, cpu int) (*Counters, error) {
	tids, err := threads(pid)
	if err != nil {
		return nil, err
	}
	c := &Counters{}
	for _, tid := range tids {
		if err := c.add(tid, cpu); err != nil && !errors.Is(err, unix.ESRCH) { // one that has ended
			return nil, errors.Join(fmt.Errorf("meter: counters of process %d: %w", pid, err), c.Close())
		}
	}
	return c, nil
}

// OpenCore counts all that runs on core cpu.
func OpenCore(cpu int) (*Counters, error) {
	c := &Counters{}
	if err := c.add(-1, cpu); err != nil {
		return nil, fmt.Errorf("meter: counters of core %d: %w", cpu, err)
	}
	return c, nil
}

// threads are those of a process.
func threads(pid int) (tids []int, err error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, fmt.Errorf("meter: threads of process %d: %w", pid, err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return nil, fmt.Errorf("meter: threads of process %d: %w", pid, err)
		}
		tids = append(tids, tid)
	}
	return tids, nil
}

func (c *Counters) add(tid, cpu int) error {
	var group [len(events)]int
	for i, attr := range events {
		leader := -1
		if i > 0 {
			leader = group[0]
		}
		attr.Size = uint32(unsafe.Sizeof(attr))
		attr.Read_format = unix.PERF_FORMAT_GROUP
		fd, err := unix.PerfEventOpen(&attr, tid, cpu, leader, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return errors.Join(err, closeAll(group[:i]))
		}
		group[i] = fd
	}
	c.groups = append(c.groups, group)
	return nil
}

// Read sums up all threads.
func (c *Counters) Read() (sum Counts, err error) {
	var buf [8 * (1 + len(events))]byte
	for _, group := range c.groups {
		n, err := unix.Read(group[0], buf[:])
		if err != nil {
			return sum, fmt.Errorf("meter: reading counters: %w", err)
		}
		if n != len(buf) { // a pinned group that found no room reads as nothing
			return sum, ErrShared
		}
		sum.Cycles += binary.NativeEndian.Uint64(buf[8:])
		sum.UserCycles += binary.NativeEndian.Uint64(buf[16:])
		sum.Instructions += binary.NativeEndian.Uint64(buf[24:])
	}
	return sum, nil
}

// Close ends the counting.
func (c *Counters) Close() (err error) {
	for _, group := range c.groups {
		err = errors.Join(err, closeAll(group[:]))
	}
	c.groups = nil
	return err
}

func closeAll(fds []int) (err error) {
	for i := len(fds) - 1; i >= 0; i-- {
		err = errors.Join(err, unix.Close(fds[i]))
	}
	return err
}
