package afxdp

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of the search for who holds a queue: it runs on the way to an error only.
const (
	maxHolders = 4
	maxSockets = 4096 // descriptors looked at in all
)

// holder is a process that has AF_XDP sockets. Which queue they are bound to the
// kernel tells nobody (sock_diag would, where CONFIG_XDP_SOCKETS_DIAG is set).
type holder struct {
	pid  int
	name string
}

func (h holder) String() string {
	if h.pid == os.Getpid() {
		return "this process itself"
	}
	return fmt.Sprintf("process %d (%s)", h.pid, h.name)
}

// findHolders looks through the descriptors of all processes that it may look at, this one first.
func findHolders() []holder {
	var found []holder
	budget := maxSockets
	self := os.Getpid()
	if hasXDPSocket(self, &budget) {
		found = append(found, holder{pid: self})
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return found
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == self {
			continue
		}
		if hasXDPSocket(pid, &budget) {
			found = append(found, holder{pid, commandOf(pid)})
		}
		if budget <= 0 || len(found) == maxHolders {
			break
		}
	}
	return found
}

func commandOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}

// hasXDPSocket borrows the sockets of a process to ask them for their family.
func hasXDPSocket(pid int, budget *int) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	for _, e := range fds {
		target, err := os.Readlink(dir + "/" + e.Name())
		if err != nil || !strings.HasPrefix(target, "socket:") {
			continue
		}
		if *budget--; *budget < 0 {
			return false
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil && isXDPSocket(pidfd, fd) {
			return true
		}
	}
	return false
}

func isXDPSocket(pidfd, theirs int) bool {
	fd, err := unix.PidfdGetfd(pidfd, theirs, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && family == unix.AF_XDP
}
