package asavie

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is a range of our address space.
type mapping struct{ from, to uintptr }

// ringMappings finds the rings of a socket. The library maps them and never unmaps them, and a
// mapping keeps the socket, and so the queue, until the process ends.
func ringMappings(fd int) (list []mapping, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("asavie: fstat: %w", err)
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("asavie: looking for what the library mapped: %w", err)
	}
	defer maps.Close()
	socket := fmt.Sprintf("socket:[%d]", st.Ino)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var m mapping
		if !strings.HasSuffix(lines.Text(), socket) {
			continue
		}
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &m.from, &m.to); err != nil {
			return nil, fmt.Errorf("asavie: /proc/self/maps: %q: %w", lines.Text(), err)
		}
		list = append(list, m)
	}
	return list, lines.Err()
}

// unmap does what the library's Close leaves out. None of its methods may be called afterwards.
func unmap(list []mapping) (err error) {
	for _, m := range list {
		if _, _, errno := unix.RawSyscall(unix.SYS_MUNMAP, m.from, m.to-m.from, 0); errno != 0 {
			err = errors.Join(err, fmt.Errorf("asavie: munmap: %w", errno))
		}
	}
	return err
}
