package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// TestTurnOrder: one turn, in the order that the package comment draws.
func TestTurnOrder(t *testing.T) {
	p := pools(t, 1, 64)[0]
	var log []string
	say := func(s string) { log = append(log, s) }
	port := &fakePort{pool: p, log: say, room: 64, takes: 64, fd: -1}
	s := &script{pool: p}
	s.input = func(f []*umem.Frame) { say(fmt.Sprint("Input ", len(f))); p.FreeBatch(f) }
	s.completed = func(f []*umem.Frame) { say(fmt.Sprint("Completed ", len(f))); p.ReleaseBatch(f, umem.HoldTx) }
	s.mail = func(n *engine.Node) { say(fmt.Sprint("Mail ", n.Value)) }
	s.expire = func(now umem.Time, budget int) { say(fmt.Sprint("Expire ", now, " ", budget)) }
	s.events = func() int { say("Events"); return 0 }
	s.output = func(out []*umem.Frame) int {
		say(fmt.Sprint("Output ", len(out)))
		out[0] = packet(t, p, "sent")
		p.Hold(out[0], umem.HoldTx)
		return 1
	}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: s, Batch: 32, Budget: 7})
	sent := packet(t, p, "done")
	p.Hold(sent, umem.HoldTx)
	port.Transmit([]*umem.Frame{sent})
	port.complete()
	port.receive = []*umem.Frame{packet(t, p, "one"), packet(t, p, "two")}
	w.Post(&engine.Node{Value: "first"})
	w.Post(&engine.Node{Value: "second"})
	log = nil
	if work := w.Turn(99); work != 6 {
		t.Errorf("a turn with 6 things to do says %d", work)
	}
	want := []string{
		"Reap", "Completed 1", "Receive", "Input 2", "Mail first", "Mail second", "Expire 99 7", "Events",
		"Output 32", "Transmit", "Refill", "Kick",
	}
	if d := cmp.Diff(want, log); d != "" {
		t.Error(d)
	}
}

// TestOutputWithinRoom: the program is asked for no more than every port has room for, so a
// full ring makes a queue in the program and nowhere else.
func TestOutputWithinRoom(t *testing.T) {
	p := pools(t, 1, 64)[0]
	a, b := &fakePort{pool: p, room: 20, fd: -1}, &fakePort{pool: p, room: 9, fd: -1}
	asked := -1
	s := &script{pool: p, output: func(out []*umem.Frame) int { asked = len(out); return 0 }}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{a, b}, Pool: p, Program: s})
	for _, c := range []struct{ a, b, want int }{{20, 9, 9}, {3, 9, 3}, {1000, 1000, 64}, {0, 9, -1}} {
		asked, a.room, b.room = -1, c.a, c.b
		if w.Turn(1); asked != c.want {
			t.Errorf("rooms %d and %d: asked for %d, want %d", c.a, c.b, asked, c.want)
		}
	}
}

// TestTransmitTakesFewer: what a port takes less than it had room for is kept, counted as
// held, and sent first.
func TestTransmitTakesFewer(t *testing.T) {
	p := pools(t, 1, 64)[0]
	port := &fakePort{pool: p, room: 10, takes: 2, fd: -1}
	s := &script{pool: p}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: s, LedgerEvery: 1})
	var frames []*umem.Frame
	for range 5 {
		frames = append(frames, packet(t, p, "early"))
	}
	s.send(frames...)
	w.Turn(1)
	if len(port.tx) != 2 || w.Err() != nil {
		t.Fatalf("sent %d; ledger: %v", len(port.tx), w.Err())
	}
	last := []*umem.Frame{packet(t, p, "late"), packet(t, p, "late")}
	frames = append(frames, last...)
	s.send(last...)
	for takes := range 4 {
		port.takes = takes
		w.Turn(1)
	}
	if w.Err() != nil || !slices.Equal(port.tx, frames) {
		t.Errorf("ledger: %v; sent %d, in order: %v", w.Err(), len(port.tx), slices.Equal(port.tx, frames))
	}
	port.complete()
	w.Turn(1)
	if got := p.Books(); got.Free != 64 || w.Err() != nil {
		t.Errorf("books at the end: %+v; ledger: %v", got, w.Err())
	}
}

// TestRouteByPort: frames go in order to where each says.
func TestRouteByPort(t *testing.T) {
	p := pools(t, 1, 64)[0]
	ports := []*fakePort{{pool: p, room: 64, takes: 64, fd: -1}, {pool: p, room: 64, takes: 64, fd: -1}}
	s := &script{pool: p}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{ports[0], ports[1]}, Pool: p, Program: s, LedgerEvery: 1})
	var frames []*umem.Frame
	for i, to := range []uint8{0, 0, 1, 1, 1, 0, 2, 127, 1} {
		frames = append(frames, packet(t, p, fmt.Sprint(i)))
		frames[i].Port = to
	}
	s.send(frames...)
	w.Turn(1)
	text := func(p *fakePort) (s string) {
		for _, f := range p.tx {
			s += string(f.Bytes())
		}
		return s
	}
	if a, b := text(ports[0]), text(ports[1]); a != "015" || b != "2348" {
		t.Errorf("port 0 sent %s, port 1 %s", a, b)
	}
	if st := w.Status(); st.NoPort != 2 || st.Sent != 7 || w.Err() != nil {
		t.Errorf("%d frames for no port, %d sent; ledger: %v", st.NoPort, st.Sent, w.Err())
	}
}

// TestDeviceDown: a device that is down drops, and does not hold up another; when it is up again, it
// sends again.
func TestDeviceDown(t *testing.T) {
	p := pools(t, 1, 256)[0]
	up, down := &fakePort{pool: p, room: 64, takes: 64, fd: -1}, &fakePort{pool: p, room: 3, takes: 3, fd: -1}
	s := &script{pool: p}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{up, down}, Pool: p, Program: s, LedgerEvery: 1})
	batch := func(to uint8, n int) {
		var frames []*umem.Frame
		for range n {
			f := packet(t, p, "x")
			f.Port = to
			frames = append(frames, f)
		}
		s.send(frames...)
		w.Turn(1)
	}
	batch(1, 3)
	down.room, down.kick = 0, fmt.Errorf("fake: %w", engine.ErrDown)
	w.Turn(1)
	batch(1, 40)
	batch(0, 40)
	st := w.Status()
	if len(up.tx) != 40 || st.TxDown != 40 || !st.Down[1] || st.Down[0] {
		t.Errorf("sent %d on the device that is up, dropped %d of the other's; down: %v", len(up.tx), st.TxDown, st.Down)
	}
	down.room, down.takes, down.kick = 3, 3, nil
	w.Turn(1)
	batch(1, 2)
	if st = w.Status(); len(down.tx) != 5 || st.Down[1] || w.Err() != nil {
		t.Errorf("sent %d once up, down: %v; ledger: %v", len(down.tx), st.Down[1], w.Err())
	}
}

// TestLateFramesOfDeviceDown: what was kept for a device that goes down is dropped, not kept for ever.
func TestLateFramesOfDeviceDown(t *testing.T) {
	p := pools(t, 1, 64)[0]
	port := &fakePort{pool: p, room: 10, takes: 1, fd: -1}
	s := &script{pool: p}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: s, LedgerEvery: 1})
	port.kick = fmt.Errorf("fake: %w", engine.ErrDown)
	s.send(packet(t, p, "a"), packet(t, p, "b"), packet(t, p, "c"))
	w.Turn(1)
	w.Turn(1)
	if st := w.Status(); st.TxDown != 2 || st.Sent != 1 || w.Err() != nil {
		t.Errorf("%d dropped, %d sent; ledger: %v", st.TxDown, st.Sent, w.Err())
	}
}

// TestDeviceGone: Run ends with the device's error, and with the ledger in order.
func TestDeviceGone(t *testing.T) {
	p := pools(t, 1, 64)[0]
	port := &fakePort{pool: p, fd: -1, kick: fmt.Errorf("fake: eth9: %w", engine.ErrGone)}
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: &script{pool: p}})
	if err := w.Run(); !errors.Is(err, engine.ErrGone) || !strings.Contains(err.Error(), "eth9") {
		t.Errorf("Run says %v", err)
	}
}

// TestWorkerConfig: what cannot work is refused, with what to change.
func TestWorkerConfig(t *testing.T) {
	p := pools(t, 2, 64)
	mesh, err := engine.NewMesh(engine.MeshConfig{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &script{pool: p[0]}
	for want, cfg := range map[string]engine.WorkerConfig{
		"no pool or no program":   {Program: s},
		"set WorkerConfig.Pool":   {Pool: p[0]},
		"the pool of worker 1":    {Pool: p[1], Program: s},
		"batch 2000":              {Pool: p[0], Program: s, Batch: 2000},
		"budget -1":               {Pool: p[0], Program: s, Budget: -1},
		"128 ports":               {Pool: p[0], Program: s, Ports: make([]engine.Port, 128)},
		"worker 1 in a mesh of 1": {ID: 1, Pool: p[1], Program: s, Mesh: mesh},
	} {
		if _, err := engine.NewWorker(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewWorker says %v, want %q", err, want)
		}
	}
}
