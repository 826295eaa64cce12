package engine_test

import (
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/umem"
)

const chunk = 2048

// pools makes n pools of so many frames each in one region.
func pools(t testing.TB, n, frames int) []*umem.Pool {
	t.Helper()
	region, err := umem.NewRegion(make([]byte, n*frames*chunk), chunk)
	if err != nil {
		t.Fatal(err)
	}
	ps := make([]*umem.Pool, n)
	for i := range ps {
		ps[i], err = umem.NewPool(region, umem.PoolConfig{
			Worker: i, Workers: n, First: i * frames, Frames: frames, SendQuota: frames, ReceiveQuota: frames,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return ps
}

// pair joins two pools by ports with rings of so many slots, filled.
func pair(t testing.TB, a, b *umem.Pool, slots int) (*mem.Port, *mem.Port) {
	t.Helper()
	pa, pb, err := mem.Pair(a, b, mem.Config{Slots: slots})
	if err != nil {
		t.Fatal(err)
	}
	pa.Refill()
	pb.Refill()
	return pa, pb
}

// newWorker makes a worker and closes it at the end of the test, when all its frames must be
// accounted for.
func newWorker(t testing.TB, cfg engine.WorkerConfig) *engine.Worker {
	t.Helper()
	cfg.ID = cfg.Pool.Config().Worker
	w, err := engine.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// packet takes a frame that says text from the pool.
func packet(t testing.TB, p *umem.Pool, text string) *umem.Frame {
	t.Helper()
	f := p.Get(umem.ClassSend)
	if f == nil {
		t.Fatal("the pool has no frame")
	}
	copy(f.Put(len(text)), text)
	return f
}

// script is a program whose methods a test sets; those that it does not set do what a
// program without anything to do does.
type script struct {
	pool      *umem.Pool
	input     func(frames []*umem.Frame)
	output    func(out []*umem.Frame) int
	completed func(frames []*umem.Frame)
	expire    func(now umem.Time, budget int)
	deadline  func() umem.Time
	events    func() int
	mail      func(n *engine.Node)
	note      func(from int, n *engine.Note)
	holders   func(h *umem.Holders)
}

func (s *script) Input(_ umem.Time, frames []*umem.Frame) {
	if s.input != nil {
		s.input(frames)
		return
	}
	s.pool.FreeBatch(frames)
}

func (s *script) Output(_ umem.Time, out []*umem.Frame) int {
	if s.output != nil {
		return s.output(out)
	}
	return 0
}

func (s *script) Completed(_ umem.Time, frames []*umem.Frame) {
	if s.completed != nil {
		s.completed(frames)
		return
	}
	s.pool.ReleaseBatch(frames, umem.HoldTx)
}

func (s *script) Expire(now umem.Time, budget int) {
	if s.expire != nil {
		s.expire(now, budget)
	}
}

func (s *script) Deadline() umem.Time {
	if s.deadline != nil {
		return s.deadline()
	}
	return umem.Never
}

func (s *script) Events(umem.Time) int {
	if s.events != nil {
		return s.events()
	}
	return 0
}

func (s *script) Mail(_ umem.Time, n *engine.Node) {
	if s.mail != nil {
		s.mail(n)
	}
}

func (s *script) Note(_ umem.Time, from int, n *engine.Note) {
	if s.note != nil {
		s.note(from, n)
	}
}

func (s *script) Holders(h *umem.Holders) {
	if s.holders != nil {
		s.holders(h)
	}
}

// send is an output that gives frames, each held for TX, once.
func (s *script) send(frames ...*umem.Frame) {
	s.pool.HoldBatch(frames, umem.HoldTx)
	s.output = func(out []*umem.Frame) int {
		n := copy(out, frames)
		frames = frames[n:]
		return n
	}
	s.holders = func(h *umem.Holders) { h.Holds[umem.HoldTx] += len(frames) }
}

// fakePort is a port whose methods a test sets.
type fakePort struct {
	pool     *umem.Pool
	log      func(string)
	receive  []*umem.Frame
	room     int
	takes    int // how many frames Transmit really takes
	tx       []*umem.Frame
	done     []*umem.Frame
	kick     error
	ready    bool
	pending  bool
	fd       int
	reported engine.PortStats
}

func (p *fakePort) say(s string) {
	if p.log != nil {
		p.log(s)
	}
}

func (p *fakePort) Receive(_ umem.Time, out []*umem.Frame) int {
	p.say("Receive")
	n := copy(out, p.receive)
	p.receive = p.receive[n:]
	return n
}

func (p *fakePort) Transmit(frames []*umem.Frame) int {
	p.say("Transmit")
	n := min(len(frames), p.takes)
	for _, f := range frames[:n] {
		f.ToTx()
	}
	p.pool.Moved(umem.PlaceStack, umem.PlaceTx, n)
	p.tx = append(p.tx, frames[:n]...)
	p.takes -= n
	return n
}

func (p *fakePort) Reap(out []*umem.Frame) int {
	p.say("Reap")
	n := copy(out, p.done)
	p.done = p.done[n:]
	return n
}

// complete lets Reap return all that was transmitted.
func (p *fakePort) complete() {
	for _, f := range p.tx {
		p.pool.Region().Reaped(f.Addr())
	}
	p.pool.Moved(umem.PlaceTx, umem.PlaceStack, len(p.tx))
	p.done = append(p.done, p.tx...)
	p.tx = p.tx[:0]
}

func (p *fakePort) TxRoom() int               { return p.room }
func (p *fakePort) Refill()                   { p.say("Refill") }
func (p *fakePort) Kick() error               { p.say("Kick"); return p.kick }
func (p *fakePort) Ready() bool               { return p.ready || len(p.receive)+len(p.done) > 0 }
func (p *fakePort) Pending() bool             { return p.pending }
func (p *fakePort) FD() int                   { return p.fd }
func (p *fakePort) InFill() int               { return 0 }
func (p *fakePort) InTx() int                 { return len(p.tx) }
func (p *fakePort) Stats(s *engine.PortStats) { s.Add(&p.reported) }
func (p *fakePort) Close() error              { return nil }
