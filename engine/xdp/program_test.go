package xdp

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

func expect(t testing.TB, p *Program, b []byte, want Verdict) {
	t.Helper()
	got, err := p.Match(b)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%x: verdict %s, want %s", b, got, want)
	}
}

func count(t testing.TB, p *Program) Counts {
	t.Helper()
	counts, err := p.Verdicts()
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// run lets the program of production decide about a packet, on queue 0 of the loopback.
func run(t testing.TB, p *Program, b []byte) (action uint32) {
	t.Helper()
	action, err := p.entry(p.all).Run(&ebpf.RunOptions{Data: b})
	if err != nil {
		t.Fatal(err)
	}
	return action
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want error
	}{
		{"no queues", Config{}, ErrQueue},
		{"negative queues", Config{Queues: -1}, ErrQueue},
		{"addresses", Config{Queues: 1, MaxAddrs: 65537}, ErrLimit},
		{"negative addresses", Config{Queues: 1, MaxAddrs: -1}, ErrLimit},
		{"port sets", Config{Queues: 1, MaxPortSets: 1025}, ErrLimit},
		{"negative port sets", Config{Queues: 1, MaxPortSets: -1}, ErrLimit},
		{"filter", Config{Queues: 1, Filter: Filter{Addrs: []Addr{{}}}}, ErrFilter},
	} {
		if _, err := Load(c.cfg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestLoadWithoutCapabilities(t *testing.T) {
	testenv.Root(t)
	_, line := child(t, "no-capabilities")
	if !strings.Contains(line, ErrPermission.Error()) || !strings.Contains(line, "run as root") {
		t.Errorf("Load without capabilities: %q, want %q and what to do", line, ErrPermission)
	}
}

func TestRegister(t *testing.T) {
	p := load(t, Config{Queues: 2, Filter: testFilter})
	ours := packet(v4, ip4(own4, 17), udp(9, 9))
	if action := run(t, p, ours); action != xdpPass {
		t.Errorf("no socket: action %d, want pass", action)
	}
	fd := socket(t)
	if err := p.Register(0, fd); err != nil {
		t.Fatal(err)
	}
	if action := run(t, p, ours); action != xdpRedirect {
		t.Errorf("socket on queue 0: action %d, want redirect", action)
	}
	for range 2 { // the second time there is nothing to remove
		if err := p.Unregister(0); err != nil {
			t.Fatal(err)
		}
	}
	if action := run(t, p, ours); action != xdpPass {
		t.Errorf("socket removed: action %d, want pass", action)
	}
	want := Counts{TakenIPv4: 1, PassedSocket: 2}
	if got := count(t, p); got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// A socket that is closed leaves the map by itself.
func TestClosedSocketUnregisters(t *testing.T) {
	p := load(t, Config{Queues: 1, Filter: Filter{All: true}})
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Register(0, fd), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	if action := run(t, p, v4); action != xdpPass {
		t.Errorf("action %d, want pass", action)
	}
}

func TestRegisterRefuses(t *testing.T) {
	p := load(t, Config{Queues: 2})
	for _, queue := range []int{-1, 2} {
		if err := p.Register(queue, socket(t)); !errors.Is(err, ErrQueue) {
			t.Errorf("Register(%d): %v, want %v", queue, err, ErrQueue)
		}
		if err := p.Unregister(queue); !errors.Is(err, ErrQueue) {
			t.Errorf("Unregister(%d): %v, want %v", queue, err, ErrQueue)
		}
	}
	other, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	for _, fd := range []int{other, -1} {
		if err := p.Register(0, fd); err == nil || !strings.Contains(err.Error(), "AF_XDP") {
			t.Errorf("Register of descriptor %d: %v, want an error that asks for an AF_XDP socket", fd, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	p := load(t, Config{Queues: 1})
	web := packet(v4, ip4(shared4, 6), tcp(9, 80))
	expect(t, p, web, PassedAddress)
	steps := []struct {
		filter Filter
		want   Verdict
	}{
		{Filter{Addrs: []Addr{{Addr: shared4}}}, PassedPort},
		{testFilter, TakenPort},
		{Filter{Addrs: []Addr{{Addr: shared4, Exclusive: true}}}, TakenIPv4},
		{Filter{All: true}, TakenAll},
		{testFilter, TakenPort},
		{Filter{Addrs: testFilter.Addrs}, PassedPort},
		{Filter{}, PassedAddress},
	}
	for i, step := range steps {
		if err := p.Update(step.filter); err != nil {
			t.Fatal(err)
		}
		got, err := p.Match(web)
		if err != nil || got != step.want {
			t.Errorf("step %d: %s, %v, want %s", i, got, err, step.want)
		}
	}
	if err := p.Update(Filter{Addrs: []Addr{{}}}); !errors.Is(err, ErrFilter) {
		t.Errorf("Update with a bad filter: %v, want %v", err, ErrFilter)
	}
}

// A filter may be replaced by one that has nothing in common with it, both at their limits.
func TestUpdateAtTheLimits(t *testing.T) {
	const addrs, sets = 8, 4
	p := load(t, Config{Queues: 1, MaxAddrs: addrs, MaxPortSets: sets})
	full := func(turn byte) (f Filter) {
		for i := range addrs {
			a := netip.AddrFrom4([4]byte{198, 18, turn, byte(i)})
			port := uint16(turn)*sets + uint16(i%sets)
			f.Addrs = append(f.Addrs, Addr{Addr: a})
			f.Ports = append(f.Ports, PortRule{Addr: a, Proto: UDP, From: port, To: port})
		}
		return f
	}
	for turn := range byte(10) {
		f := full(turn)
		if err := p.Update(f); err != nil {
			t.Fatalf("turn %d: %v", turn, err)
		}
		for i, a := range f.Addrs {
			expect(t, p, packet(v4, ip4(a.Addr, 17), udp(9, f.Ports[i].From)), TakenPort)
			expect(t, p, packet(v4, ip4(a.Addr, 17), udp(9, f.Ports[i].From+1)), PassedPort)
			if turn > 0 {
				old := full(turn - 1).Addrs[i].Addr
				expect(t, p, packet(v4, ip4(old, 17), udp(9, 9)), PassedAddress)
			}
		}
	}
	f := full(0)
	f.Addrs = append(f.Addrs, Addr{Addr: own4})
	if err := p.Update(f); !errors.Is(err, ErrLimit) {
		t.Errorf("Update with %d addresses: %v, want %v", addrs+1, err, ErrLimit)
	}
}

// otherFilter shares most of testFilter's rules, but none of its port sets, and has them in
// the opposite order.
func otherFilter() Filter {
	f := Filter{Addrs: slices.Clone(testFilter.Addrs), Ports: slices.Clone(testFilter.Ports)}
	f.Addrs = append(f.Addrs, Addr{Addr: other4})
	slices.Reverse(f.Addrs)
	f.Ports = append(f.Ports, PortRule{Proto: TCP, From: 1000, To: 1999})
	return f
}

// A new set of ports is never written where an address in force still looks.
func TestUpdateWritesOnlyFreeSlots(t *testing.T) {
	p := load(t, Config{Queues: 1, Filter: testFilter})
	inUse := func() map[uint16]bool {
		slots := map[uint16]bool{}
		for _, rule := range p.rules.addrs {
			if rule.Exclusive == 0 {
				slots[rule.PortSet] = true
			}
		}
		return slots
	}
	for turn, f := range []Filter{otherFilter(), testFilter, otherFilter()} {
		before := inUse()
		if err := p.Update(f); err != nil {
			t.Fatal(err)
		}
		for slot := range inUse() {
			if before[slot] {
				t.Errorf("turn %d: slot %d was written while it was in use", turn, slot)
			}
		}
	}
}

// What both filters take is taken at every moment of an update, and what neither takes never.
func TestUpdateHasNoGap(t *testing.T) {
	p := load(t, Config{Queues: 1, Filter: testFilter})
	other := otherFilter()
	stop := make(chan struct{})
	var updater sync.WaitGroup
	updater.Go(func() {
		for {
			for _, f := range []Filter{other, testFilter} {
				if err := p.Update(f); err != nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 20000 {
		expect(t, p, packet(v4, ip4(own4, 17), udp(9, 9)), TakenIPv4)
		expect(t, p, packet(v4, ip4(shared4, 6), tcp(9, 80)), TakenPort)
		expect(t, p, packet(v6, ip6(shared6, 17), udp(9, 50000)), TakenPort)
		expect(t, p, packet(v6, ip6(shared6, 6), tcp(9, 6443)), PassedPort)
		if t.Failed() {
			break
		}
	}
	close(stop)
	updater.Wait()
}

func TestMatchRefusesLessThanAHeader(t *testing.T) {
	p := load(t, Config{Queues: 1})
	if _, err := p.Match(make([]byte, 13)); err == nil || !strings.Contains(err.Error(), "14") {
		t.Errorf("Match of 13 bytes: %v, want an error that says 14", err)
	}
}

func TestCloseTwice(t *testing.T) {
	p := load(t, Config{Queues: 1})
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := p.Verdicts(); err == nil {
		t.Error("Verdicts of a closed program: no error")
	}
}
