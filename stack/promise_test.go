package stack

import (
	"net/netip"
	"reflect"
	"runtime"
	"syscall"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/umem"
)

// TestNoAllocs: no path of a packet allocates.
func TestNoAllocs(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		echo := h.socketOf(f.us, 7, socket.Options{Events: true})
		queue := h.socketOf(f.us, 8, socket.Options{})
		raw, _ := h.s.Open(socket.Raw, f.icmp, socket.Owner{})
		loop := h.socketOf(f.us, 9, socket.Options{})
		dead := h.socketOf(f.us, 10, socket.Options{})
		request := echoRequest(f, segment{}, 1, 1, make([]byte, 56))
		buffer := make([]byte, 2000)
		m := &socket.Msg{}
		frames, out, events := make([]*umem.Frame, 1), make([]*umem.Frame, 64), make([]Event, 64)
		receive := func(b []byte) {
			frames[0] = h.frame(b)
			h.s.Input(h.now, frames)
		}
		drain := func() {
			for n := h.s.Output(h.now, out); n > 0; n = h.s.Output(h.now, out) {
				h.s.Completed(h.now, out[:n])
			}
		}
		pump := func() {
			drain()
			n := h.s.Events(events)
			for _, e := range events[:n] {
				if e.Kind == Datagram {
					_ = h.s.Reply(h.now, echo, e.Frame)
				}
			}
			for _, s := range []socket.Handle{queue, raw, loop} {
				for err := error(nil); err == nil; {
					*m = socket.Msg{Data: buffer}
					_, err = h.s.RecvMsg(h.now, s, m)
				}
			}
			drain()
		}
		send := func(s socket.Handle, a socket.Addr) {
			*m = socket.Msg{Data: buffer[:64], Addr: a}
			_, _ = h.s.SendMsg(h.now, s, m)
		}
		n := 0
		for name, path := range map[string]func(){
			"echo":           func() { receive(testPackets(f).echo) },
			"queue":          func() { receive(testPackets(f).queued) },
			"no port":        func() { receive(testPackets(f).noPort) },
			"ping":           func() { receive(request) },
			"question":       func() { receive(testPackets(f).question) },
			"send":           func() { send(queue, to(f.peer, 9)) },
			"send to self":   func() { send(loop, to(f.us, 9)); h.s.Expire(h.now, 64) },
			"too large":      func() { *m = socket.Msg{Data: buffer, Addr: to(f.peer, 9)}; _, _ = h.s.SendMsg(h.now, queue, m) },
			"nobody answers": func() { n++; send(dead, to(neighbour(f, n%100), 9)); h.now += umem.Second; h.s.Expire(h.now, 64) },
			"broken":         func() { receive(testPackets(f).broken) },
		} {
			path()
			pump()
			if allocs := testing.AllocsPerRun(200, func() { path(); pump() }); allocs != 0 {
				t.Errorf("%s: %v allocations", name, allocs)
			}
		}
		h.events()
	})
}

// packets are made once: building them allocates.
type packets struct{ echo, queued, noPort, question, broken []byte }

var prepared = map[string]packets{}

func testPackets(f *family) packets {
	p, ok := prepared[f.name]
	if !ok {
		p = packets{
			echo: segment{payload: make([]byte, 64)}.bytes(f), queued: segment{dstPort: 8}.bytes(f),
			noPort: segment{dstPort: 9999}.bytes(f), question: solicitation(f, f.peer, peerMAC, f.us),
			broken: segment{fragment: true}.bytes(f),
		}
		prepared[f.name] = p
	}
	return p
}

// TestNoPointers: what the tables consist of, the collector need not look into.
func TestNoPointers(t *testing.T) {
	seen := 0
	for _, table := range []any{&Stack{}, &socket.Table{}, &link.Neighbours{}, &ip.Dests{}, &ip.Routes{}, &tcp.Table{}, &tcp.Flows{}} {
		v := reflect.TypeOf(table).Elem()
		for i := range v.NumField() {
			seen += pointersIn(t, v.Name()+"."+v.Field(i).Name, v.Field(i).Type)
		}
	}
	if seen < 12 {
		t.Errorf("only %d tables found", seen)
	}
}

// pointersIn reports pointers in the elements of slices within a type, and returns
// how many slices there are.
func pointersIn(t *testing.T, name string, v reflect.Type) int {
	switch v.Kind() {
	case reflect.Slice:
		if path := pointer(v.Elem()); path != "" {
			t.Errorf("%s holds a Go pointer: %s", name, path)
		}
		return 1
	case reflect.Struct:
		n := 0
		for i := range v.NumField() {
			n += pointersIn(t, name+"."+v.Field(i).Name, v.Field(i).Type)
		}
		return n
	}
	return 0
}

// pointer finds a pointer in a type, and says where.
func pointer(v reflect.Type) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer:
		return v.String()
	case reflect.Array:
		return pointer(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if path := pointer(v.Field(i).Type); path != "" {
				return v.Field(i).Name + " " + path
			}
		}
	}
	return ""
}

// TestPointerFinderFindsPointers: the test above can fail.
func TestPointerFinderFindsPointers(t *testing.T) {
	for _, v := range []any{struct{ a [2]*int }{}, struct{ a struct{ s string } }{}, netip.Addr{}, map[int]int{}} {
		if pointer(reflect.TypeOf(v)) == "" {
			t.Errorf("no pointer found in %T", v)
		}
	}
	if path := pointer(reflect.TypeOf(packet{})); path != "" {
		t.Errorf("a pointer found in packet: %s", path)
	}
}

// TestCollectorWithFullTables: a cycle of the collector takes no more than a
// millisecond of CPU with 64k sockets and 16k neighbours.
func TestCollectorWithFullTables(t *testing.T) {
	f := &families[1]
	const sockets, neighbours = 1 << 16, 1 << 14
	empty := cycle(t)
	h := newHost(t, limits(func(l *Limits) {
		l.Sockets, l.Neighbours, l.Incomplete = sockets, neighbours, neighbours
		l.EphemeralLow, l.EphemeralHigh = 1, 65535
	}))
	for i := range sockets {
		s, err := h.s.Open(socket.Datagram, 0, socket.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue // that port would be chosen
		}
		if err := h.s.Bind(s, netip.AddrPortFrom(f.us, uint16(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range neighbours {
		h.s.heard(h.now, 0, ip.FromNetip(neighbour(f, i)), peerMAC)
	}
	if h.s.neigh.Len() != neighbours || h.s.sockets.Len() != sockets {
		t.Fatalf("%d neighbours, %d sockets", h.s.neigh.Len(), h.s.sockets.Len())
	}
	full := cycle(t)
	t.Logf("a cycle takes %d ns of CPU, %d ns without the tables", full, empty)
	if full > 1e6 && !raceEnabled {
		t.Errorf("a cycle takes %d ns of CPU", full)
	}
	runtime.KeepAlive(h)
}

// cycle is the CPU time that a cycle of the collector takes, the best of many: the
// machine has other things to do, sometimes for long.
func cycle(t *testing.T) int64 {
	best := int64(1 << 62)
	for n := 0; n < 10 || best > 1e6 && n < 500; n++ {
		before := cpuTime(t)
		runtime.GC()
		best = min(best, cpuTime(t)-before)
	}
	return best
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime(t *testing.T) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
