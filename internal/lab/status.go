package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Status is a lab as it is: all but its record's part is read from the kernel.
type Status struct {
	Name       string       `json:"name"`
	State      string       `json:"state"` // "up", "making", or "broken": see Problem
	Problem    string       `json:"problem,omitempty"`
	Persistent bool         `json:"persistent"`
	Owner      int          `json:"owner_pid,omitempty"` // the process that makes or owns it
	Partial    bool         `json:"partial"`             // checksums are partial, segments long
	Hosts      []HostStatus `json:"hosts"`
}

// HostStatus is one host of a Status.
type HostStatus struct {
	Name       string            `json:"name"`
	Namespace  string            `json:"namespace"`
	PIDs       []int             `json:"pids"` // of processes in the namespace
	Interfaces []InterfaceStatus `json:"interfaces"`
}

// InterfaceStatus is one end of a link in a Status.
type InterfaceStatus struct {
	Name     string         `json:"name"`
	Index    int            `json:"index"`
	MAC      string         `json:"mac"`
	Peer     string         `json:"peer"`
	MTU      int            `json:"mtu"`
	Up       bool           `json:"up"`
	RxQueues int            `json:"rx_queues"`
	TxQueues int            `json:"tx_queues"`
	Kernel   []netip.Prefix `json:"kernel_addresses"` // that the kernel answers for, without link-local ones
	Stack    []netip.Prefix `json:"stack_addresses"`  // kept for the stack
	XDP      uint32         `json:"xdp_program"`      // id; 0 for none
	// Falsifying lists the features in force that let packets through which no wire could carry.
	Falsifying []string `json:"falsifying_offloads"`
}

// List returns the status of every lab that has a record, sorted by name.
func List() ([]Status, error) {
	j, err := openJournal()
	if err != nil {
		return nil, err
	}
	defer j.close()
	names, err := j.names()
	if err != nil {
		return nil, err
	}
	all := make([]Status, 0, len(names))
	for _, name := range names {
		r, err := j.read(name)
		if err != nil {
			return nil, err
		}
		if r != nil {
			all = append(all, r.status())
		}
	}
	return all, nil
}

// Status reads the lab's status.
func (l *Lab) Status() (Status, error) { return StatusOf(l.cfg.Name) }

// StatusOf reads the status of the lab of that name, or returns ErrNotFound.
func StatusOf(name string) (Status, error) {
	if err := checkName(name); err != nil {
		return Status{}, err
	}
	j, err := openJournal()
	if err != nil {
		return Status{}, err
	}
	defer j.close()
	r, err := j.read(name)
	if err != nil {
		return Status{}, err
	}
	if r == nil {
		return Status{}, j.notFound(name)
	}
	return r.status(), nil
}

func (r *record) status() Status {
	s := Status{
		Name: r.Config.Name, State: r.State,
		Persistent: r.Config.Persistent, Partial: r.Config.Partial, Hosts: []HostStatus{},
	}
	if r.Owner != nil {
		s.Owner = r.Owner.PID
	}
	if r.abandoned() {
		s.State, s.Problem = "broken", fmt.Sprintf("whoever made it is gone; \"xdpstack lab down %s\" removes what is left", s.Name)
		return s
	}
	if s.State != stateUp {
		return s
	}
	for _, h := range plan(r.Config).hosts {
		hs, err := h.status()
		if err != nil {
			s.State, s.Problem = "broken", err.Error()
		}
		s.Hosts = append(s.Hosts, hs)
	}
	return s
}

func (h *Host) status() (HostStatus, error) {
	s := HostStatus{Name: h.name, Namespace: h.namespace, PIDs: processesIn(h.Path()), Interfaces: []InterfaceStatus{}}
	nl, err := netlinkAt(h.Path())
	if err != nil {
		return s, err
	}
	defer nl.Close()
	err = h.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return fmt.Errorf("lab: ethtool: %w", err)
		}
		defer e.Close()
		for _, i := range h.interfaces {
			is, err := i.status(nl, e)
			if err != nil {
				return fmt.Errorf("lab: %s/%s: %w", h.name, i.Name, err)
			}
			s.Interfaces = append(s.Interfaces, is)
		}
		return nil
	})
	return s, err
}

func (i *Interface) status(nl *netlink.Handle, e *ethtool.Ethtool) (s InterfaceStatus, err error) {
	l, err := nl.LinkByName(i.Name)
	if err != nil {
		return s, err
	}
	a := l.Attrs()
	s = InterfaceStatus{
		Name: a.Name, Index: a.Index, MAC: a.HardwareAddr.String(), Peer: i.Peer, MTU: a.MTU,
		Up: a.OperState == netlink.OperUp, Stack: []netip.Prefix{},
	}
	if i.Stack4.IsValid() {
		s.Stack = append(s.Stack, i.Stack4, i.Stack6)
	}
	if a.Xdp != nil && a.Xdp.Attached {
		s.XDP = a.Xdp.ProgId
	}
	if s.Kernel, err = addresses(nl, l); err != nil {
		return s, err
	}
	if s.RxQueues, s.TxQueues, err = channels(e, i.Name); err != nil {
		return s, err
	}
	s.Falsifying, err = falsifying(e, i.Name)
	return s, err
}

func addresses(nl *netlink.Handle, l netlink.Link) ([]netip.Prefix, error) {
	list, err := nl.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	found := []netip.Prefix{}
	for _, a := range list {
		addr, ok := netip.AddrFromSlice(a.IP)
		if !ok || a.Scope != unix.RT_SCOPE_UNIVERSE {
			continue
		}
		bits, _ := a.Mask.Size()
		found = append(found, netip.PrefixFrom(addr.Unmap(), bits))
	}
	return found, nil
}

// processesIn lists the processes whose main thread is in the namespace.
func processesIn(path string) []int {
	pids := []int{}
	want, err := os.Stat(path)
	if err != nil {
		return pids
	}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, link := range links {
		got, err := os.Stat(link)
		if err != nil || !os.SameFile(want, got) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link)))); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
