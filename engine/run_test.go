package engine_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
	"github.com/xdpstack/xdpstack/umem"
)

// TestStopDrains: a worker that is stopped waits for completions, and its ledger is in order.
func TestStopDrains(t *testing.T) {
	both(t, func(t *testing.T, mode engine.Mode) {
		p := pools(t, 1, 64)[0]
		port := &slowPort{fakePort: fakePort{pool: p, room: 64, takes: 64, fd: -1}}
		port.after.Store(1000) // not before the drain
		s := &script{pool: p}
		s.send(packet(t, p, "a"), packet(t, p, "b"))
		w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: s, Mode: mode, CPU: -1, Poll: engine.Interrupt})
		w.Turn(1)
		w.Stop()
		port.after.Store(3)
		if err := w.Run(); err != nil {
			t.Error(err)
		}
		if st := w.Status(); st.Books.Free != 64 || st.DrainTimeouts != 0 || st.LedgerChecks != 1 {
			t.Errorf("%d of 64 free, %d timeouts, %d checks of the ledger", st.Books.Free, st.DrainTimeouts, st.LedgerChecks)
		}
	})
}

// TestStopSendsWhatIsLeft: a program that has more to say at its end than a turn sends, such as a RST
// for each of many connections, says it all.
func TestStopSendsWhatIsLeft(t *testing.T) {
	const packets = 200
	ps := pools(t, 2, 512)
	near, far := pair(t, ps[0], ps[1], 256)
	s := &script{pool: ps[0]}
	var frames []*umem.Frame
	for range packets {
		frames = append(frames, packet(t, ps[0], "a packet that is left"))
	}
	s.send(frames...)
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{near}, Pool: ps[0], Program: s})
	w.Stop()
	if err := w.Run(); err != nil {
		t.Error(err)
	}
	in := make([]*umem.Frame, packets+1)
	if n := far.Receive(0, in); n != packets {
		t.Errorf("%d packets of %d were sent", n, packets)
	}
}

// TestDrainIsBounded: a device that keeps its frames does not keep the worker, and the ledger
// says where they are.
func TestDrainIsBounded(t *testing.T) {
	p := pools(t, 1, 64)[0]
	port := &fakePort{pool: p, room: 64, takes: 64, fd: -1}
	s := &script{pool: p}
	s.send(packet(t, p, "a"))
	w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: s})
	w.Turn(1)
	w.Stop()
	if err := w.Run(); err != nil {
		t.Error(err)
	}
	if st := w.Status(); st.DrainTimeouts != 1 || st.Books.Tx != 1 {
		t.Errorf("%d timeouts, %d frames with the device", st.DrainTimeouts, st.Books.Tx)
	}
}

// TestLedgerEndsRun: a frame that a program loses ends the worker, in the turn in tests, at the
// end otherwise; the error names place and last act.
func TestLedgerEndsRun(t *testing.T) {
	for _, every := range []int{1, 0} {
		p := pools(t, 1, 64)[0]
		var w *engine.Worker
		s := &script{pool: p, expire: func(now umem.Time, _ int) {
			if p.Books().Stack == 0 {
				p.Get(umem.ClassSend) // lost
			}
			if every == 0 {
				w.Stop()
			}
		}}
		w = newWorker(t, engine.WorkerConfig{Pool: p, Program: s, LedgerEvery: every})
		err := w.Run()
		var i *umem.Imbalance
		if !errors.As(err, &i) || !strings.Contains(err.Error(), "place stack, held by nobody") || !strings.Contains(err.Error(), "last taken from the pool") {
			t.Errorf("LedgerEvery %d: Run says %v", every, err)
		}
		if st := w.Status(); st.LedgerErrors == 0 {
			t.Errorf("LedgerEvery %d: %d ledger errors counted", every, st.LedgerErrors)
		}
	}
}

// TestDo: calls run on the worker between turns, and here when it does not run.
func TestDo(t *testing.T) {
	p := pools(t, 1, 64)[0]
	s := &script{pool: p}
	w := newWorker(t, engine.WorkerConfig{Pool: p, Program: s, Mode: engine.Shared})
	turns := uint64(0)
	s.expire = func(umem.Time, int) { turns++ } // the race detector sees if Do is elsewhere
	before := uint64(1)
	w.Do(func() { before = turns })
	done := make(chan error, 1)
	go func() { done <- w.Run() }()
	during := uint64(0)
	for during == 0 {
		w.Do(func() { during = turns })
	}
	w.Stop()
	within(t, done, "Run does not end", func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	after := uint64(0)
	w.Do(func() { after = turns })
	if before != 0 || after < during {
		t.Errorf("turns before %d, during %d, after %d", before, during, after)
	}
}

// TestDoWhileEnding: no call is lost between the last turn and the end.
func TestDoWhileEnding(t *testing.T) {
	for range 200 {
		p := pools(t, 1, 2)[0]
		w := newWorker(t, engine.WorkerConfig{Pool: p, Program: &script{pool: p}, Mode: engine.Shared})
		done := make(chan error, 1)
		go func() { done <- w.Run() }()
		called := make(chan bool, 1)
		go func() { w.Do(func() {}); called <- true }()
		w.Stop()
		within(t, done, "Run does not end", func(error) {})
		within(t, called, "a call was forgotten at the end", func(bool) {})
	}
}

// TestRunTwice: a worker that runs is refused a second loop.
func TestRunTwice(t *testing.T) {
	p := pools(t, 1, 64)[0]
	w := newWorker(t, engine.WorkerConfig{Pool: p, Program: &script{pool: p}})
	start(t, w)
	running := make(chan struct{})
	go func() { w.Do(func() {}); close(running) }()
	within(t, running, "the worker does not run", func(struct{}) {})
	for w.Status().Turns == 0 {
		runtime.Gosched()
	}
	if err := w.Run(); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second Run says %v", err)
	}
}

// TestPinned: a dedicated worker runs on its core, and its thread gets the old cores back.
func TestPinned(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !allowed.IsSet(cpu) {
		cpu++
	}
	p := pools(t, 1, 64)[0]
	var on unix.CPUSet
	var w *engine.Worker
	s := &script{pool: p, expire: func(umem.Time, int) { _ = unix.SchedGetaffinity(0, &on); w.Stop() }}
	w = newWorker(t, engine.WorkerConfig{Pool: p, Program: s, Mode: engine.Dedicated, CPU: cpu})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	var back unix.CPUSet
	if err := unix.SchedGetaffinity(0, &back); err != nil {
		t.Fatal(err)
	}
	if on.Count() != 1 || !on.IsSet(cpu) {
		t.Errorf("the worker of CPU %d ran on a set of %d", cpu, on.Count())
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if back != allowed {
		t.Errorf("its thread may use %d cores now, %d before", back.Count(), allowed.Count())
	}
	w = newWorker(t, engine.WorkerConfig{Pool: p, Program: s, Mode: engine.Dedicated, CPU: 1000})
	if err := w.Run(); err == nil || !strings.Contains(err.Error(), "CPU 1000") {
		t.Errorf("Run on CPU 1000 says %v", err)
	}
}

// TestCheckCores: the table of what goes together.
func TestCheckCores(t *testing.T) {
	var two unix.CPUSet
	two.Set(0)
	two.Set(5)
	dedicated := func(cpu int, poll engine.Poll) engine.WorkerConfig {
		return engine.WorkerConfig{ID: cpu + 10, CPU: cpu, Mode: engine.Dedicated, Poll: poll}
	}
	shared := engine.WorkerConfig{Mode: engine.Shared}
	for i, c := range []struct {
		procs   int
		workers []engine.WorkerConfig
		err     string
		warning string
	}{
		{2, []engine.WorkerConfig{dedicated(0, engine.Busy)}, "", ""},
		{2, []engine.WorkerConfig{dedicated(0, engine.Adaptive), dedicated(5, engine.Adaptive)}, "", ""},
		{2, []engine.WorkerConfig{dedicated(0, engine.Busy), dedicated(5, engine.Busy)}, "", "no processor for goroutines"},
		{2, []engine.WorkerConfig{dedicated(-1, 0), dedicated(-1, 0), dedicated(-1, 0)}, "3 dedicated workers on 2", ""},
		{2, []engine.WorkerConfig{dedicated(0, 0), dedicated(0, 0)}, "both ask for CPU 0", ""},
		{2, []engine.WorkerConfig{dedicated(1, 0)}, "CPU 1, which this process may not use", ""},
		{2, []engine.WorkerConfig{shared, shared, shared, shared}, "", ""},
		{4, []engine.WorkerConfig{shared}, "", "GOMAXPROCS is 4 on 2 cores"},
	} {
		warnings, err := engine.CheckCoresOf(c.workers, &two, c.procs)
		if c.err == "" && err != nil || c.err != "" && (!errors.Is(err, engine.ErrCores) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%d: error %v, want %q", i, err, c.err)
		}
		if c.warning == "" && len(warnings) > 0 || c.warning != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], c.warning)) {
			t.Errorf("%d: warnings %q, want %q", i, warnings, c.warning)
		}
	}
	if _, err := engine.CheckCores([]engine.WorkerConfig{shared}); err != nil {
		t.Error(err)
	}
}

// TestMailboxOrder: what one goroutine posts arrives in its order, each once.
func TestMailboxOrder(t *testing.T) {
	var m engine.Mailbox
	nodes := make([]engine.Node, 100)
	var got []int
	take := func() { m.Take(func(n *engine.Node) { got = append(got, n.Value.(int)) }) }
	for i := range nodes {
		nodes[i].Value = i
		m.Post(&nodes[i])
		if i%7 == 0 {
			take()
		}
	}
	take()
	if !slices.IsSorted(got) || len(got) != 100 || !m.Empty() {
		t.Errorf("got %v", got)
	}
}

// TestTrace: the stamps are of one packet, in order, whether the frame itself goes back or another.
func TestTrace(t *testing.T) {
	for _, same := range []bool{true, false} {
		ps := pools(t, 2, 64)
		pa, pb := pair(t, ps[0], ps[1], 16)
		client := &script{pool: ps[0]}
		a := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{pa}, Pool: ps[0], Program: client})
		var echo engine.Program = bare.NewForward(ps[1], 16, nil)
		if !same {
			echo = copier(t, ps[1])
		}
		b := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{pb}, Pool: ps[1], Program: echo, LedgerEvery: 1})
		got := b.TraceNext()
		b.Turn(engine.Now())
		client.send(packet(t, ps[0], strings.Repeat("x", 60)), packet(t, ps[0], strings.Repeat("y", 61)))
		for range 3 {
			a.Turn(engine.Now())
			b.Turn(engine.Now())
		}
		var tr engine.Trace
		select {
		case tr = <-got:
		default:
			t.Fatal("no trace of a packet that went through")
		}
		if !slices.IsSorted(tr.At[:]) || tr.At[0] == 0 || tr.Same != same || tr.Bytes != 60 || tr.Sent != 60 || tr.Batch != 2 {
			t.Errorf("trace %+v", tr)
		}
		for s := range engine.NumStages {
			t.Logf("%-16s %6d ns", s, tr.At[s]-tr.At[0])
		}
		select {
		case tr = <-got:
			t.Errorf("a second trace %+v", tr)
		default:
		}
	}
}

// copier answers each packet by a copy in a frame of its own.
func copier(t *testing.T, p *umem.Pool) *script {
	s := &script{pool: p}
	var queue []*umem.Frame
	s.input = func(frames []*umem.Frame) {
		for _, f := range frames {
			g := packet(t, p, string(f.Bytes()))
			p.Hold(g, umem.HoldTx)
			queue = append(queue, g)
		}
		p.FreeBatch(frames)
	}
	s.output = func(out []*umem.Frame) int {
		n := copy(out, queue)
		queue = queue[n:]
		return n
	}
	s.holders = func(h *umem.Holders) { h.Holds[umem.HoldTx] += len(queue) }
	return s
}

// TestTurnAllocatesNothing: mail, notes, hand-offs, packets both ways, the ledger.
func TestTurnAllocatesNothing(t *testing.T) {
	ps := pools(t, 2, 256)
	mesh, err := engine.NewMesh(engine.MeshConfig{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	pa, pb := pair(t, ps[0], ps[1], 64)
	mailed, noted := 0, 0
	gen := &script{pool: ps[0], mail: func(*engine.Node) { mailed++ }, note: func(int, *engine.Note) { noted++ }}
	gen.output = func(out []*umem.Frame) int {
		n := ps[0].GetBatch(umem.ClassSend, out[:min(len(out), 32)])
		for i, f := range out[:n] {
			f.Put(60)
			f.Port = 0
			if i%2 == 0 {
				f.Port = umem.PortWorker + 1
				continue
			}
			ps[0].Hold(f, umem.HoldTx)
		}
		return n
	}
	a := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{pa}, Pool: ps[0], Program: gen, Mesh: mesh, LedgerEvery: 2})
	b := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{pb}, Pool: ps[1], Program: bare.NewForward(ps[1], 256, nil), Mesh: mesh, LedgerEvery: 2})
	node := &engine.Node{}
	if n := testing.AllocsPerRun(200, func() {
		a.Post(node)
		b.Note(0, engine.Note{})
		a.Turn(engine.Now())
		b.Turn(engine.Now())
	}); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
	st := b.Status()
	if a.Err() != nil || b.Err() != nil || mailed < 200 || noted < 199 || st.HandedIn < 1000 || st.Received < 1000 {
		t.Errorf("%v, %v; %d mails, %d notes, %d handed in, %d received", a.Err(), b.Err(), mailed, noted, st.HandedIn, st.Received)
	}
}

// TestClock: Now is CLOCK_MONOTONIC, goes forward, and allocates nothing.
func TestClock(t *testing.T) {
	var before, after unix.Timespec
	for range 1000 {
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
		now := engine.Now()
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
		// The two readings that make the epoch are not of one moment.
		if d := umem.Time(before.Nano()) - now; d > umem.Millisecond || now > umem.Time(after.Nano())+umem.Millisecond {
			t.Fatalf("Now is %d, between %d and %d", now, before.Nano(), after.Nano())
		}
	}
	if n := testing.AllocsPerRun(100, func() { engine.Now() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// ExampleCheckCores shows what a host asks before it starts its workers.
func ExampleCheckCores() {
	_, err := engine.CheckCores([]engine.WorkerConfig{
		{ID: 0, Mode: engine.Dedicated, CPU: 0},
		{ID: 1, Mode: engine.Dedicated, CPU: 0},
	})
	fmt.Println(err)
	// Output: engine: not enough cores: workers 0 and 1 both ask for CPU 0; give each its own
}
