package meter

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// jiffy is the unit of /proc/stat: USER_HZ, which is 100 on all that Go runs on (proc_stat(5)).
const jiffy = 10 * time.Millisecond

// errStat says that /proc/stat lacks a core.
var errStat = errors.New("meter: /proc/stat has no such core")

// Idle is how long each of cores has been idle, since the machine began. It goes in steps of 10 ms.
func Idle(cores []int) ([]time.Duration, error) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return nil, fmt.Errorf("meter: %w", err)
	}
	defer f.Close()
	list, found := make([]time.Duration, len(cores)), 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // cpuN user nice system idle iowait …
		for i, core := range cores {
			if len(fields) > 5 && fields[0] == "cpu"+strconv.Itoa(core) {
				idle, err := strconv.ParseInt(fields[4], 10, 64)
				wait, err2 := strconv.ParseInt(fields[5], 10, 64)
				if err := errors.Join(err, err2); err != nil {
					return nil, fmt.Errorf("meter: /proc/stat: %w", err)
				}
				list[i], found = time.Duration(idle+wait)*jiffy, found+1
			}
		}
	}
	if found != len(cores) {
		return nil, fmt.Errorf("%w: of %d", errStat, cores)
	}
	return list, nil
}
