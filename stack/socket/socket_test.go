package socket

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/table"
	"pgregory.net/rapid"
)

func newTable(n int) *Table {
	return NewTable(Config{
		Sockets: n, Raw: 2, RecvFrames: 4, RecvBytes: 1000, Random: 7,
		Ports:  Ports{Low: 100, High: 119, Workers: 2, Worker: 1},
		Secret: table.NewSecret(func() uint64 { return 0x9e3779b97f4a7c15 }),
	})
}

// model is one socket as a plain list has it.
type model struct {
	h           Handle
	local, peer Addr
	bound       bool
	v6only      bool
}

// takes says by the rules of a plain reading whether m takes a datagram, and how
// specific it is.
func (m *model) takes(local, remote Addr) (int, bool) {
	if !m.bound || m.local.Port != local.Port {
		return 0, false
	}
	if m.peer != (Addr{}) {
		return 4, m.local.IP == local.IP && m.peer == remote
	}
	switch m.local.IP {
	case local.IP:
		return 3, true
	case ip.Any4:
		return 2, local.IP.Is4()
	case ip.Any6:
		return 1, !local.IP.Is4() || !m.v6only
	}
	return 0, false
}

func (m *model) overlaps(o *model) bool {
	if m.local.Port != o.local.Port {
		return false
	}
	both := func(x *model) bool { return x.local.IP == ip.Any6 && !x.v6only }
	switch {
	case !m.local.IP.IsAny() && !o.local.IP.IsAny():
		return m.local.IP == o.local.IP
	case both(m) || both(o):
		return true
	}
	return m.local.IP.Is4() == o.local.IP.Is4()
}

// TestTableAgainstList compares binding and look-up with a list that is searched.
func TestTableAgainstList(t *testing.T) {
	addrs := []ip.Addr{ip.Any4, ip.Any6}
	for _, s := range []string{"198.18.0.1", "198.18.0.2", "2001:2::1", "2001:2::2"} {
		addrs = append(addrs, ip.FromNetip(netip.MustParseAddr(s)))
	}
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(8)
		var list []*model
		draw := func(name string) Addr {
			return Addr{rapid.SampledFrom(addrs).Draw(t, name), rapid.Uint16Range(1, 3).Draw(t, name+" port")}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if h, e := table.Open(Datagram, 0, Owner{}); e == 0 {
				m := &model{h: h, v6only: rapid.Bool().Draw(t, "V6Only")}
				table.SetOptions(table.Get(h), Options{V6Only: m.v6only})
				list = append(list, m)
			}
			i := rapid.IntRange(0, len(list)-1).Draw(t, "socket")
			m := list[i]
			switch so := table.Get(m.h); rapid.IntRange(0, 2).Draw(t, "do") {
			case 0:
				table.Close(so)
				list = append(list[:i], list[i+1:]...)
			case 1:
				bind(t, table, list, m, draw("bind"))
			case 2:
				peer := draw("peer")
				if m.bound && !m.local.IP.IsAny() && !peer.IP.IsAny() && table.Connect(so, peer, ip.Addr{}) == 0 {
					m.peer = peer
				}
			}
			find(t, table, list, draw("to"), draw("from"))
		}
	})
}

func bind(t *rapid.T, table *Table, list []*model, m *model, a Addr) {
	want := Errno(0)
	try := model{local: a, v6only: m.v6only}
	for _, o := range list {
		if o != m && o.bound && o.overlaps(&try) {
			want = EADDRINUSE
		}
	}
	if m.bound {
		want = EINVAL
	}
	if e := table.Bind(table.Get(m.h), a); e != want {
		t.Fatalf("binding to %v: %v, not %v", a.Netip(), e, want)
	}
	if want == 0 {
		m.local, m.bound = a, true
	}
}

func find(t *rapid.T, table *Table, list []*model, local, remote Addr) {
	var best *model
	most := 0
	for _, m := range list {
		if n, ok := m.takes(local, remote); ok && n > most {
			best, most = m, n
		}
	}
	for range 2 { // the second from memory
		i, ok := table.Find(protoUDP, local, remote)
		if ok != (best != nil) || ok && table.At(i).Handle() != best.h {
			t.Fatalf("from %v to %v: found %v", remote.Netip(), local.Netip(), ok)
		}
	}
}

// TestPortsOfWorkers: the runs are disjoint, and cover what WorkerOf says.
func TestPortsOfWorkers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Uint16Range(1, 60000).Draw(t, "low")
		high := rapid.Uint16Range(low+64, 65535).Draw(t, "high")
		workers := rapid.IntRange(1, 64).Draw(t, "workers")
		p := Ports{Low: low, High: high, Workers: workers}
		count := make([]int, workers)
		for port := range 0x10000 {
			if w, ok := p.WorkerOf(uint16(port)); ok {
				if port < int(low) || port > int(high) {
					t.Fatalf("port %d is worker %d's", port, w)
				}
				count[w]++
			}
		}
		for w, n := range count {
			if n != p.run() {
				t.Fatalf("worker %d has %d ports, not %d", w, n, p.run())
			}
		}
	})
}

func TestErrnosSayWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	for e := Errno(1); e < numErrnos; e++ {
		text := e.Error()
		if text == "" || seen[text] || e.Err() != error(e) {
			t.Errorf("error %d says %q", e, text)
		}
		seen[text] = true
	}
	if Errno(0).Err() != nil || Errno(200).Error() != "unknown socket error" {
		t.Error("zero is an error, or an unknown number has no text")
	}
	if n := testing.AllocsPerRun(100, func() { _ = EAGAIN.Err() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestConnectToATakenPair: two sockets cannot have both ends in common.
func TestConnectToATakenPair(t *testing.T) {
	table := newTable(4)
	us, peer := ip.FromNetip(netip.MustParseAddr("198.18.0.1")), AddrFrom(netip.MustParseAddrPort("198.18.0.2:9"))
	a, _ := table.Open(Datagram, 0, Owner{})
	if e := table.Bind(table.Get(a), Addr{us, 7}); e != 0 {
		t.Fatal(e)
	}
	if e := table.Connect(table.Get(a), peer, us); e != 0 {
		t.Fatal(e)
	}
	b, _ := table.Open(Datagram, 0, Owner{})
	so := table.Get(b)
	if e := table.Connect(so, peer, us); e != 0 || so.Local.Port < 110 || so.Local.Port > 119 {
		t.Fatalf("an unbound socket: %v, port %d", e, so.Local.Port)
	}
	if i, ok := table.Find(protoUDP, so.Local, peer); !ok || table.At(i) != so {
		t.Error("it is not found")
	}
	if e := table.Connect(so, Addr{}, us); e != 0 || so.Connected() || !so.CanSend() {
		t.Errorf("dissolving: %v", e)
	}
	if i, ok := table.Find(protoUDP, so.Local, Addr{peer.IP, 10}); !ok || table.At(i) != so {
		t.Error("dissolved, it does not hear others")
	}
}
