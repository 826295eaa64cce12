package meter

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ErrPinned says that a process has no thread that is pinned to the core asked for.
var ErrPinned = errors.New("meter: no thread is pinned to the core")

// Waits is how long those threads of a process that are pinned to one core were ready to run
// there, and did not, since others ran: those of other processes. What its own threads ran
// is taken off: that is its program's affair, as is a thread that waits for anything else.
type Waits struct {
	pinned, others []*os.File // /proc/PID/task/TID/schedstat
}

// OpenWaits looks at the threads of process pid; pinned are those that may run on core cpu and on no
// other.
func OpenWaits(pid, cpu int) (*Waits, error) {
	tids, err := threads(pid)
	if err != nil {
		return nil, err
	}
	w := &Waits{}
	for _, tid := range tids {
		f, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
		if errors.Is(err, fs.ErrNotExist) { // it has ended
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("meter: %w", err), w.Close())
		}
		var set unix.CPUSet
		if unix.SchedGetaffinity(tid, &set) == nil && set.IsSet(cpu) && set.Count() == 1 {
			w.pinned = append(w.pinned, f)
		} else {
			w.others = append(w.others, f)
		}
	}
	if len(w.pinned) == 0 {
		return nil, errors.Join(fmt.Errorf("%w %d: process %d", ErrPinned, cpu, pid), w.Close())
	}
	return w, nil
}

// Read sums up all threads, since each began. The sum may go down: others of the
// process ran elsewhere.
func (w *Waits) Read() (sum time.Duration, err error) {
	for _, f := range w.pinned {
		_, waited, err := schedstat(f)
		if err != nil {
			return 0, err
		}
		sum += waited
	}
	for _, f := range w.others {
		ran, _, err := schedstat(f)
		if err != nil {
			return 0, err
		}
		sum -= ran
	}
	return sum, nil
}

// schedstat reads how long a thread ran, and how long it waited to.
func schedstat(f *os.File) (ran, waited time.Duration, err error) {
	var buf [128]byte
	n, err := f.ReadAt(buf[:], 0)
	if errors.Is(err, unix.ESRCH) { // it has ended
		return 0, 0, nil
	}
	fields := bytes.Fields(buf[:n]) // the third is how many times it ran
	if len(fields) != 3 {
		return 0, 0, fmt.Errorf("meter: %s says %q: %w", f.Name(), buf[:n], err)
	}
	a, err := strconv.ParseInt(string(fields[0]), 10, 64)
	b, err2 := strconv.ParseInt(string(fields[1]), 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return 0, 0, fmt.Errorf("meter: %s: %w", f.Name(), err)
	}
	return time.Duration(a), time.Duration(b), nil
}

// Close ends the looking.
func (w *Waits) Close() (err error) {
	for _, list := range [][]*os.File{w.pinned, w.others} {
		for _, f := range list {
			err = errors.Join(err, f.Close())
		}
	}
	w.pinned, w.others = nil, nil
	return err
}
