package lab

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestUpIsWhatWasAskedFor(t *testing.T) {
	before := ownLinks(t)
	l := testLab(t, Config{Queues: 4, MTU: 3000})
	if during := ownLinks(t); !slices.Equal(before, during) {
		t.Errorf("links of the caller's namespace: %q before, %q with the lab", before, during)
	}
	s, err := l.Status()
	if err != nil {
		t.Fatal(err)
	}
	if s.State != "up" || s.Problem != "" || s.Owner != os.Getpid() || len(s.Hosts) != 2 {
		t.Fatalf("status %+v", s)
	}
	for n, want := range []InterfaceStatus{
		{
			Name: "xs0", MAC: "02:c6:12:00:00:02", Peer: "b/xp0",
			Kernel: []netip.Prefix{netip.MustParsePrefix("198.18.0.3/24"), netip.MustParsePrefix("2001:2::3/64")},
			Stack:  []netip.Prefix{netip.MustParsePrefix("198.18.0.2/24"), netip.MustParsePrefix("2001:2::2/64")},
		},
		{
			Name: "xp0", MAC: "02:c6:12:00:00:01", Peer: "a/xs0",
			Kernel: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/24"), netip.MustParsePrefix("2001:2::1/64")},
		},
	} {
		got := s.Hosts[n].Interfaces[0]
		if got.Name != want.Name || got.MAC != want.MAC || got.Peer != want.Peer || !slices.Equal(got.Kernel, want.Kernel) || !slices.Equal(got.Stack, want.Stack) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if !got.Up || got.MTU != 3000 || got.RxQueues != 4 || got.TxQueues != 4 || len(got.Falsifying) > 0 || got.XDP != 0 {
			t.Errorf("%+v: want it up, MTU 3000, 4 queues, nothing falsifying, no program", got)
		}
		if got.Index != l.hosts[n].Interface().Index || got.MAC != l.hosts[n].Interface().MAC.String() {
			t.Errorf("kernel %+v, lab %+v", got, l.hosts[n].Interface())
		}
	}
}

func TestQueuesByNetlink(t *testing.T) {
	for _, queues := range []int{1, 2, 8} {
		l := testLab(t, Config{Queues: queues})
		for _, h := range l.Hosts() {
			nl, err := netlinkAt(h.Path())
			if err != nil {
				t.Fatal(err)
			}
			link, err := nl.LinkByName(h.Interface().Name)
			nl.Close()
			if err != nil {
				t.Fatal(err)
			}
			if a := link.Attrs(); a.NumRxQueues != queues || a.NumTxQueues != queues {
				t.Errorf("%s: %d receive and %d transmit queues, want %d", h.Name(), a.NumRxQueues, a.NumTxQueues, queues)
			}
		}
	}
}

func TestPartialLeavesOffloads(t *testing.T) {
	s, err := testLab(t, Config{Partial: true}).Status()
	if err != nil {
		t.Fatal(err)
	}
	if !s.Partial {
		t.Error("status does not say partial")
	}
	for _, h := range s.Hosts {
		for _, want := range []string{"tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-generic-segmentation"} {
			if on := h.Interfaces[0].Falsifying; !slices.Contains(on, want) {
				t.Errorf("%s: %s is off; on are %q", h.Name, want, on)
			}
		}
	}
}

func TestThreeHosts(t *testing.T) {
	l := testLab(t, Config{Hosts: []string{"proxy", "client", "server"}})
	for _, leaf := range l.Hosts()[1:] {
		for _, family := range []int{4, 6} {
			if err := echo(leaf, leaf.Interface().KernelAddr(family), hubOf(l, leaf).KernelAddr(family), 56); err != nil {
				t.Errorf("%s, IPv%d: %v", leaf.Name(), family, err)
			}
		}
	}
}

func hubOf(l *Lab, leaf *Host) *Interface {
	for _, k := range l.links {
		if k.leaf == leaf {
			return k.near
		}
	}
	return nil
}

func TestUpTwice(t *testing.T) {
	l := testLab(t, Config{})
	if _, err := Up(l.Config()); !errors.Is(err, ErrInUse) {
		t.Errorf("second Up: %v, want ErrInUse", err)
	}
	if s, err := l.Status(); err != nil || s.State != "up" {
		t.Errorf("the first lab after that: %+v, %v", s, err)
	}
	for range 2 {
		if err := l.Down(); err != nil {
			t.Errorf("Down: %v", err)
		}
	}
	if err := Down(l.Name()); !errors.Is(err, ErrNotFound) {
		t.Errorf("Down by name of what is not there: %v, want ErrNotFound", err)
	}
	if again, err := Up(l.Config()); err != nil || again.Recovered {
		t.Errorf("Up after Down: recovered %v, %v", again != nil && again.Recovered, err)
	}
}

func TestOpen(t *testing.T) {
	l := testLab(t, Config{Persistent: true})
	o, err := Open(l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := o.Host("b").Interface().Index, l.Host("b").Interface().Index; got != want || got == 0 {
		t.Errorf("index %d after Open, %d after Up", got, want)
	}
	if _, err := o.Lookup("c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Lookup of no host: %v", err)
	}
	if _, err := Open(l.Name() + "x"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), l.Name()) {
		t.Errorf("Open of no lab: %v; want ErrNotFound that names those there are", err)
	}
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []Config{
		{Name: "A"}, {Name: "-a"}, {Name: "../x"}, {Name: strings.Repeat("a", 33)},
		{Hosts: []string{"a"}}, {Hosts: []string{"a", "a"}}, {Hosts: []string{"a", "b-c"}}, {Hosts: strings.Split("abcdefghijk", "")},
		{Queues: -1}, {Queues: MaxQueues + 1}, {MTU: MinMTU - 1}, {MTU: MaxMTU + 1},
	} {
		l, err := Up(cfg)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("Up(%+v): %v, want ErrConfig", cfg, err)
		}
		if l != nil {
			l.Down()
		}
	}
}

// TestFailedUpLeavesNothing lets Up fail at its end: the name of the last host is taken meanwhile.
func TestFailedUpLeavesNothing(t *testing.T) {
	name := testName(t)
	_, err := up(Config{Name: name}, func(point string) {
		if point != "host a" {
			return
		}
		if err := os.WriteFile(namespacePath(namespaceName(name, "b")), nil, 0o444); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, os.ErrExist) {
		t.Errorf("Up: %v, want ErrExist", err)
	}
	wantNothing(t, name)
}

// TestIPv6UsableAtOnce asks as soon as Up returns. Before Up waited for it, the link-local address was tentative in one of three labs.
func TestIPv6UsableAtOnce(t *testing.T) {
	for range 8 {
		l := testLab(t, Config{})
		for _, h := range l.Hosts() {
			wantUsable(t, h)
		}
	}
}

func wantUsable(t *testing.T, h *Host) {
	t.Helper()
	nl, err := netlinkAt(h.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer nl.Close()
	addrs, err := nl.AddrList(h.Interface().handle(), netlink.FAMILY_V6)
	if err != nil || len(addrs) != 2 { // ours and the link-local one
		t.Fatalf("%s: %v, %v", h.Name(), addrs, err)
	}
	for _, a := range addrs {
		if a.Flags&unix.IFA_F_TENTATIVE != 0 {
			t.Errorf("%s: %v is tentative", h.Name(), a)
		}
	}
}

// TestUpTime holds the best of five, since one run on a busy machine says nothing: what it
// is to find is a wait, for duplicate address detection say, which every run would have.
func TestUpTime(t *testing.T) {
	const limit = 300 * time.Millisecond
	var ups, downs []time.Duration
	for range 5 {
		cfg := Config{Name: testName(t)}
		start := time.Now()
		l, err := Up(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ups = append(ups, time.Since(start))
		start = time.Now()
		if err := l.Down(); err != nil {
			t.Fatal(err)
		}
		downs = append(downs, time.Since(start))
	}
	slices.Sort(ups)
	slices.Sort(downs)
	t.Logf("up: median %v of %v; down: median %v", ups[2], ups, downs[2])
	if ups[0] > limit {
		t.Errorf("Up takes %v at best, want at most %v", ups[0], limit)
	}
}
