package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// journalDir is a variable for this package's tests alone, which kill their processes: a Sweep of other tests must not come in between.
var journalDir = "/run/xdpstack/labs"

// States of a record.
const (
	stateMaking = "making" // Up runs, or was killed
	stateUp     = "up"
)

// record is what the journal holds of a lab. It is written before anything that it names is made.
type record struct {
	State      string   `json:"state"`
	Owner      *process `json:"owner,omitempty"` // nil for a persistent lab that is up
	Boot       string   `json:"boot"`            // /run may lie on a disk: a record may be older than the machine's uptime
	Namespaces []string `json:"namespaces"`
	Config     Config   `json:"config"`
}

// process names a process for good: pids come again, pid and start time together do not.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start_ticks"` // field 22 of /proc/PID/stat
}

// abandoned says that whoever made the lab is gone without removing it.
func (r *record) abandoned() bool {
	return r.Boot != bootID() || r.Owner != nil && !r.Owner.alive()
}

// foreign says that a living process other than this one owns the lab.
func (r *record) foreign() bool {
	return !r.abandoned() && r.Owner != nil && r.Owner.PID != os.Getpid()
}

func self() process {
	start, _ := startTime(os.Getpid())
	return process{PID: os.Getpid(), Start: start}
}

func (p process) alive() bool {
	start, ok := startTime(p.PID)
	return ok && start == p.Start
}

// startTime returns when a process started, in clock ticks since boot, and whether it still runs: a zombie does not.
func startTime(pid int) (uint64, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The second field is the program's name in parentheses and may hold anything (proc_pid_stat(5)).
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	return start, err == nil
}

func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// journal is the directory of records, locked. The lock is an flock(2), which dies with its holder.
type journal struct{ dir *os.File }

func openJournal() (*journal, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w; run it with sudo", ErrPermission)
	}
	if err := os.MkdirAll(journalDir, 0o755); err != nil {
		return nil, fmt.Errorf("lab: journal: %w", err)
	}
	dir, err := os.Open(journalDir)
	if err != nil {
		return nil, fmt.Errorf("lab: journal: %w", err)
	}
	for {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("lab: lock %s: %w", journalDir, err)
	}
	// Under the lock nobody else is writing: this was left by a writer that was killed.
	os.Remove(scratchFile())
	return &journal{dir}, nil
}

func (j *journal) close() { j.dir.Close() }

func scratchFile() string { return filepath.Join(journalDir, ".new") }

func recordFile(name string) string { return filepath.Join(journalDir, name+".json") }

// write replaces the record at once: a reader sees the old one or the new one, whenever the writer is killed.
func (j *journal) write(r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("lab: journal: %w", err)
	}
	if err := os.WriteFile(scratchFile(), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("lab: journal: %w", err)
	}
	if err := os.Rename(scratchFile(), recordFile(r.Config.Name)); err != nil {
		return fmt.Errorf("lab: journal: %w", err)
	}
	return nil
}

// read returns the record of a lab, or nil if there is none.
func (j *journal) read(name string) (*record, error) {
	b, err := os.ReadFile(recordFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lab: journal: %w", err)
	}
	r := &record{}
	if err := json.Unmarshal(b, r); err != nil || r.Config.Name != name || r.Config.check() != nil {
		// Nothing here writes such a file. It still must not stand in the way of removing the lab.
		return &record{State: stateMaking, Config: Config{Name: name}.withDefaults()}, nil
	}
	return r, nil
}

func (j *journal) forget(name string) error {
	if err := os.Remove(recordFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lab: journal: %w", err)
	}
	return nil
}

// names lists the labs that have a record, sorted.
func (j *journal) names() ([]string, error) {
	entries, err := os.ReadDir(journalDir)
	if err != nil {
		return nil, fmt.Errorf("lab: journal: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, isRecord := strings.CutSuffix(e.Name(), ".json")
		if isRecord && labName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
