package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Down removes the lab: links, namespaces, names, record. What runs in its namespaces keeps running, without a network. A
// second Down does nothing.
func (l *Lab) Down() error {
	err := Down(l.cfg.Name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Down removes the lab of that name, whole or left half-made by a process that was killed. It is ErrInUse if a living
// process other than this one owns the lab, and ErrNotFound if there is nothing of that name.
func Down(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	j, err := openJournal()
	if err != nil {
		return err
	}
	defer j.close()
	r, err := j.read(name)
	if err != nil {
		return err
	}
	if r == nil && len(namespacesOf(name)) == 0 {
		return j.notFound(name)
	}
	if r != nil && r.foreign() {
		return fmt.Errorf("%w: lab %q belongs to process %d, which is running; end that first", ErrInUse, name, r.Owner.PID)
	}
	return j.remove(name, r)
}

// DownAll removes the labs that no living process owns, and returns the names of those removed and of those left.
func DownAll() (removed, left []string, err error) {
	return downWhere(func(r *record) bool { return !r.foreign() })
}

// Sweep removes the labs of processes that died without Down, and returns their names. Persistent labs stay.
func Sweep() (removed []string, err error) {
	removed, _, err = downWhere(func(r *record) bool { return r.abandoned() })
	return removed, err
}

func downWhere(doomed func(*record) bool) (removed, left []string, err error) {
	j, err := openJournal()
	if err != nil {
		return nil, nil, err
	}
	defer j.close()
	names, err := j.names()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		r, readErr := j.read(name)
		if readErr != nil || r == nil {
			err = errors.Join(err, readErr)
			continue
		}
		if !doomed(r) {
			left = append(left, name)
			continue
		}
		if removeErr := j.remove(name, r); removeErr != nil {
			err = errors.Join(err, removeErr)
			continue
		}
		removed = append(removed, name)
	}
	return removed, left, err
}

// remove takes away what the record names (r may be nil) and what is there under the lab's name, and then the record: killed
// anywhere in between, it can be run again.
func (j *journal) remove(name string, r *record) error {
	names := namespacesOf(name)
	if r != nil {
		names = append(names, r.Namespaces...)
	}
	slices.Sort(names)
	var errs []error
	for _, n := range slices.Compact(names) {
		errs = append(errs, removeNamespace(n))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return j.forget(name)
}

// namespacesOf finds the names in /run/netns that can only be this lab's: host names hold no "-".
func namespacesOf(lab string) []string {
	entries, err := os.ReadDir(namespaceDir)
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		host, ok := strings.CutPrefix(e.Name(), namespaceName(lab, ""))
		if ok && hostName.MatchString(host) {
			found = append(found, e.Name())
		}
	}
	return found
}
