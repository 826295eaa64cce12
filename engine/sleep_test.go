package engine_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// patience is how long a test waits for what must happen at once: a lost wake-up waits for ever.
const patience = 20 * time.Second

// both runs a test in both modes: they sleep in different ways.
func both(t *testing.T, f func(t *testing.T, mode engine.Mode)) {
	for _, mode := range []engine.Mode{engine.Dedicated, engine.Shared} {
		t.Run(mode.String(), func(t *testing.T) { f(t, mode) })
	}
}

// start runs a worker until the test ends, and fails the test if it ends with an error.
func start(t *testing.T, w *engine.Worker) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- w.Run() }()
	t.Cleanup(func() {
		w.Stop()
		within(t, done, "Run does not end after Stop", func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	})
}

// within waits for c, and fails the test if nothing comes.
func within[T any](t *testing.T, c <-chan T, otherwise string, then func(T)) {
	t.Helper()
	select {
	case v := <-c:
		then(v)
	case <-time.After(patience):
		t.Fatal(otherwise)
	}
}

// TestSleepRaces forces what may come between a worker's decision to sleep and its sleep. Before the
// worker says that it sleeps, its last look must see it; after that look, whoever brings it must
// see the sleeper; in between either will do.
func TestSleepRaces(t *testing.T) {
	type scene struct {
		pool *umem.Pool
		port *mem2
		w    *engine.Worker
	}
	events := map[string]func(s *scene){
		"goroutine posts":  func(s *scene) { s.w.Post(&engine.Node{}) },
		"ring is filled":   func(s *scene) { s.port.fill() },
		"frame handed off": func(s *scene) { s.port.handOff() },
		"stop":             func(s *scene) { s.w.Stop() },
		"call":             func(s *scene) { go s.w.Do(func() { s.port.happened() }) },
	}
	both(t, func(t *testing.T, mode engine.Mode) {
		for name, happen := range events {
			for i, point := range []string{"decided", "said", "looked"} {
				t.Run(name+"/"+point, func(t *testing.T) {
					ps := pools(t, 2, 64)
					port := newMem2(t, ps)
					prog := &script{pool: ps[0]}
					prog.mail = func(*engine.Node) { port.happened() }
					prog.input = func(f []*umem.Frame) { port.happened(); ps[0].FreeBatch(f) }
					w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: ps[0], Program: prog, Mode: mode, CPU: -1, Poll: engine.Interrupt, Mesh: port.mesh})
					s := &scene{ps[0], port, w}
					once := sync.OnceFunc(func() { happen(s) })
					var seams [3]func()
					seams[i] = once
					w.SetSeams(seams[0], seams[1], seams[2])
					done := make(chan error, 1)
					go func() { done <- w.Run() }()
					if name != "stop" {
						within(t, port.seen, "the worker sleeps on what happened", func(struct{}) {})
						w.Stop()
					}
					within(t, done, "the worker sleeps and does not stop", func(err error) {
						if err != nil {
							t.Error(err)
						}
					})
					port.mesh.Settle()
				})
			}
		}
	})
}

// mem2 is a port that a test fills by hand, with a descriptor that says so; and a peer in a mesh.
type mem2 struct {
	fakePort
	filled atomic.Bool
	mesh   *engine.Mesh
	peer   *engine.Worker
	give   func(n int)
	seen   chan struct{}
}

func newMem2(t *testing.T, ps []*umem.Pool) *mem2 {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	mesh, err := engine.NewMesh(engine.MeshConfig{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	p := &mem2{fakePort: fakePort{pool: ps[0], fd: fd, room: 64}, mesh: mesh, seen: make(chan struct{}, 100)}
	peer := &script{pool: ps[1]}
	p.peer = newWorker(t, engine.WorkerConfig{Pool: ps[1], Program: peer, Mesh: mesh})
	p.give = func(n int) {
		peer.output = func(out []*umem.Frame) int {
			if n == 0 {
				return 0
			}
			n--
			out[0] = packet(t, ps[1], "handed off")
			out[0].Port = umem.PortWorker
			return 1
		}
	}
	return p
}

func (p *mem2) happened() { p.seen <- struct{}{} }

func (p *mem2) handOff() {
	p.give(1)
	p.peer.Turn(1)
}

// fill is the kernel: the ring first, then the descriptor.
func (p *mem2) fill() {
	p.filled.Store(true)
	_, _ = unix.Write(p.fd, binary.NativeEndian.AppendUint64(nil, 1))
}

func (p *mem2) Ready() bool { return p.filled.Load() }

func (p *mem2) Receive(_ umem.Time, out []*umem.Frame) int {
	if !p.filled.Swap(false) {
		return 0
	}
	_, _ = unix.Read(p.fd, make([]byte, 8))
	out[0] = p.pool.Get(umem.ClassReceive)
	return 1
}

// TestWakeStress: goroutines post while the worker goes to sleep as often as it can; none is forgotten.
func TestWakeStress(t *testing.T) {
	const posters, each = 4, 2000
	both(t, func(t *testing.T, mode engine.Mode) {
		seed := testenv.Seed(t)
		p := pools(t, 1, 64)[0]
		got := make([]chan struct{}, posters)
		for i := range got {
			got[i] = make(chan struct{}, 1)
		}
		s := &script{pool: p, mail: func(n *engine.Node) { got[n.Value.(int)] <- struct{}{} }}
		w := newWorker(t, engine.WorkerConfig{Pool: p, Program: s, Mode: mode, CPU: -1, Poll: engine.Interrupt})
		start(t, w)
		var wg sync.WaitGroup
		for i := range posters {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(seed, uint64(i)))
				node := &engine.Node{Value: i}
				for range each {
					for range rnd.IntN(20) {
						runtime.Gosched()
					}
					w.Post(node)
					select {
					case <-got[i]:
					case <-time.After(patience):
						t.Error("a node that was posted is not delivered")
						return
					}
				}
			}()
		}
		wg.Wait()
		s2 := w.Status()
		if s2.Sleeps == 0 {
			t.Error("the worker never slept: the test shows nothing")
		}
		t.Logf("%d nodes, %d sleeps", s2.Mails, s2.Sleeps)
	})
}

// TestDeadline: a sleeping worker wakes for the program's timer, and not much later.
func TestDeadline(t *testing.T) {
	both(t, func(t *testing.T, mode engine.Mode) {
		p := pools(t, 1, 64)[0]
		late := make(chan umem.Time, 1)
		due := engine.Now() + 30*umem.Millisecond
		fired := false
		s := &script{pool: p}
		s.deadline = func() umem.Time {
			if fired {
				return umem.Never
			}
			return due
		}
		s.expire = func(now umem.Time, _ int) {
			if !fired && now >= due {
				fired = true
				late <- now - due
			}
		}
		w := newWorker(t, engine.WorkerConfig{Pool: p, Program: s, Mode: mode, CPU: -1, Poll: engine.Interrupt})
		start(t, w)
		within(t, late, "the timer did not fire", func(d umem.Time) { t.Logf("fired %d ns late", d) })
	})
}

// TestIdleCost: an adaptive worker without work takes less than a hundredth of a core.
func TestIdleCost(t *testing.T) {
	const period = time.Second
	both(t, func(t *testing.T, mode engine.Mode) {
		ps := pools(t, 2, 64)
		port := newMem2(t, ps)
		w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: ps[0], Program: &script{pool: ps[0]}, Mode: mode, CPU: -1, Poll: engine.Adaptive})
		start(t, w)
		w.Do(func() {})
		before := cpuTime(t)
		<-time.After(period)
		used := cpuTime(t) - before
		t.Logf("%v of CPU in %v", used, period)
		if used > period/100 {
			t.Errorf("%v of CPU in %v without work, want less than 1 %%", used, period)
		}
		if w.Status().Sleeps == 0 {
			t.Error("the worker did not sleep")
		}
	})
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestAwaitsCompletions: a worker that sleeps with frames at a device looks after them, since
// nothing announces completions.
func TestAwaitsCompletions(t *testing.T) {
	both(t, func(t *testing.T, mode engine.Mode) {
		p := pools(t, 1, 64)[0]
		port := &slowPort{fakePort: fakePort{pool: p, room: 64, takes: 64, fd: -1}}
		port.after.Store(5)
		s := &script{pool: p}
		completed := make(chan int, 10)
		s.completed = func(f []*umem.Frame) { p.ReleaseBatch(f, umem.HoldTx); completed <- len(f) }
		s.send(packet(t, p, "a"), packet(t, p, "b"))
		w := newWorker(t, engine.WorkerConfig{Ports: []engine.Port{port}, Pool: p, Program: s, Mode: mode, CPU: -1, Poll: engine.Interrupt, LedgerEvery: 1})
		start(t, w)
		within(t, completed, "completions are not looked for", func(n int) {
			if n != 2 {
				t.Errorf("%d frames completed", n)
			}
		})
	})
}

// slowPort completes after it was reaped so often.
type slowPort struct {
	fakePort
	after atomic.Int32
}

func (p *slowPort) Reap(out []*umem.Frame) int {
	if len(p.tx) > 0 && p.after.Add(-1) <= 0 {
		p.complete()
	}
	return p.fakePort.Reap(out)
}

// TestSleepAllocatesNothing: a worker may sleep ten thousand times a second.
func TestSleepAllocatesNothing(t *testing.T) {
	both(t, func(t *testing.T, mode engine.Mode) {
		p := pools(t, 1, 64)[0]
		w := newWorker(t, engine.WorkerConfig{Pool: p, Program: &script{pool: p}, Mode: mode, CPU: -1})
		if n := testing.AllocsPerRun(100, func() { w.SleepFor(umem.Microsecond) }); n != 0 {
			t.Errorf("%v allocations a sleep", n)
		}
	})
}

// BenchmarkPost is a round trip: a goroutine posts to a sleeping worker and hears that it was delivered.
func BenchmarkPost(b *testing.B) {
	for _, mode := range []engine.Mode{engine.Dedicated, engine.Shared} {
		b.Run(mode.String(), func(b *testing.B) {
			p := pools(b, 1, 64)[0]
			got := make(chan struct{}, 1)
			s := &script{pool: p, mail: func(*engine.Node) { got <- struct{}{} }}
			w := newWorker(b, engine.WorkerConfig{Pool: p, Program: s, Mode: mode, CPU: -1, Poll: engine.Interrupt})
			done := make(chan error, 1)
			go func() { done <- w.Run() }()
			node := &engine.Node{}
			for b.Loop() {
				w.Post(node)
				<-got
			}
			w.Stop()
			<-done
		})
	}
}
