package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// host is n workers without ports, joined by a mesh.
type host struct {
	pools   []*umem.Pool
	scripts []*script
	workers []*engine.Worker
	mesh    *engine.Mesh
}

func newHost(t testing.TB, n, frames int, cfg engine.MeshConfig) *host {
	t.Helper()
	cfg.Workers = n
	mesh, err := engine.NewMesh(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{pools: pools(t, n, frames), mesh: mesh}
	for i := range n {
		s := &script{pool: h.pools[i]}
		h.scripts = append(h.scripts, s)
		h.workers = append(h.workers, newWorker(t, engine.WorkerConfig{Pool: h.pools[i], Program: s, Mesh: mesh, LedgerEvery: 1, Mode: engine.Shared}))
	}
	return h
}

// settled fails the test unless all frames come home.
func (h *host) settled(t *testing.T) {
	t.Helper()
	h.mesh.Settle()
	for i, p := range h.pools {
		if err := p.Balance(&umem.Holders{}); err != nil {
			t.Errorf("worker %d: %v", i, err)
		}
		if err := p.Audit(); err != nil {
			t.Errorf("worker %d: %v", i, err)
		}
	}
}

// give makes worker from's next Output hand frames to worker to.
func (h *host) give(t *testing.T, from, to, n int) {
	t.Helper()
	var frames []*umem.Frame
	for i := range n {
		f := packet(t, h.pools[from], fmt.Sprint(i))
		f.Port = uint8(umem.PortWorker + to)
		frames = append(frames, f)
	}
	h.scripts[from].output = func(out []*umem.Frame) int {
		n := copy(out, frames)
		frames = frames[n:]
		return n
	}
}

// TestHandOff: a frame goes to another worker, is freed there, and comes home.
func TestHandOff(t *testing.T) {
	h := newHost(t, 2, 64, engine.MeshConfig{})
	text := ""
	h.scripts[1].input = func(frames []*umem.Frame) {
		for _, f := range frames {
			if f.Flags&umem.FlagHandedOff == 0 || f.Owner() != 0 {
				t.Errorf("frame of worker %d with flags %x", f.Owner(), f.Flags)
			}
			text += string(f.Bytes())
		}
		h.pools[1].FreeBatch(frames)
	}
	h.give(t, 0, 1, 5)
	h.workers[0].Turn(1)
	if b := h.pools[0].Books(); b.Lent != 5 {
		t.Errorf("%d frames lent", b.Lent)
	}
	h.workers[1].Turn(1)
	h.workers[0].Turn(2)
	a, b := h.workers[0].Status(), h.workers[1].Status()
	if text != "01234" || a.Books.Free != 64 || a.HandedOut != 5 || b.HandedIn != 5 {
		t.Errorf("arrived %q; %d out, %d in; %d of 64 free", text, a.HandedOut, b.HandedIn, a.Books.Free)
	}
	for _, w := range h.workers {
		if w.Err() != nil {
			t.Error(w.Err())
		}
	}
	h.settled(t)
}

// TestHandOffBack: a frame that comes round to its owner is the owner's again.
func TestHandOffBack(t *testing.T) {
	h := newHost(t, 2, 64, engine.MeshConfig{})
	h.scripts[1].input = func(frames []*umem.Frame) {
		back := append([]*umem.Frame(nil), frames...)
		for _, f := range back {
			f.Port = umem.PortWorker
		}
		h.scripts[1].output = func(out []*umem.Frame) int {
			n := copy(out, back)
			back = back[n:]
			return n
		}
	}
	h.give(t, 0, 1, 5)
	for turn := range 4 {
		h.workers[turn%2].Turn(1)
	}
	h.workers[0].Turn(1)
	if s := h.workers[0].Status(); s.HandedIn != 5 || s.Books.Free != 64 || h.workers[0].Err() != nil || h.workers[1].Err() != nil {
		t.Errorf("%d came back, %d free; %v, %v", s.HandedIn, s.Books.Free, h.workers[0].Err(), h.workers[1].Err())
	}
}

// TestHandOffDrops: a full ring, and a worker that there is not, drop and count.
func TestHandOffDrops(t *testing.T) {
	for name, c := range map[string]struct{ to, n, drops int }{
		"full ring":    {1, 20, 12},
		"no such":      {2, 20, 20},
		"to itself":    {0, 3, 3},
		"last of them": {127, 3, 3},
	} {
		h := newHost(t, 2, 64, engine.MeshConfig{Frames: 8})
		h.give(t, 0, c.to, c.n)
		h.workers[0].Turn(1)
		s := h.workers[0].Status()
		if int(s.HandoffDrops) != c.drops || s.Books.Free != 64-(c.n-c.drops) || h.workers[0].Err() != nil {
			t.Errorf("%s: %d dropped, %d free; %v", name, s.HandoffDrops, s.Books.Free, h.workers[0].Err())
		}
		h.settled(t)
	}
}

// TestHomeRingFull: frames wait at the borrower while the ring home is full.
func TestHomeRingFull(t *testing.T) {
	h := newHost(t, 2, 64, engine.MeshConfig{Frames: 8})
	for range 3 {
		h.give(t, 0, 1, 8)
		h.workers[0].Turn(1) // its home ring is emptied here, once
		h.workers[1].Turn(1)
		h.workers[1].Turn(1)
	}
	h.give(t, 0, 1, 8)
	h.workers[0].Turn(1)
	h.workers[1].Turn(1)
	if err := h.workers[1].Err(); err != nil {
		t.Error(err)
	}
	h.settled(t)
}

// TestNotes: notes arrive in order, and a full ring refuses and counts.
func TestNotes(t *testing.T) {
	h := newHost(t, 3, 64, engine.MeshConfig{Notes: 4})
	var got []string
	h.scripts[2].note = func(from int, n *engine.Note) { got = append(got, fmt.Sprint(from, ":", n.Kind, ":", n.Data[62])) }
	for i := range 6 {
		n := engine.Note{Kind: uint8(i)}
		n.Data[62] = uint8(10 * i)
		if ok := h.workers[0].Note(2, n); ok != (i < 4) {
			t.Errorf("note %d in a ring of 4: %v", i, ok)
		}
	}
	if h.workers[0].Note(0, engine.Note{}) || h.workers[0].Note(3, engine.Note{}) || h.workers[0].Note(-1, engine.Note{}) {
		t.Error("a note went to oneself or nobody")
	}
	h.workers[2].Turn(1)
	if s := strings.Join(got, " "); s != "0:0:0 0:1:10 0:2:20 0:3:30" {
		t.Errorf("got %s", s)
	}
	if s := h.workers[0].Status(); s.NotesOut != 4 || s.NotesDropped != 5 {
		t.Errorf("%d sent, %d dropped", s.NotesOut, s.NotesDropped)
	}
}

// TestMeshThreads: three running workers hand frames to each other at random, and to the race
// detector; at the end every frame is home.
func TestMeshThreads(t *testing.T) {
	const n = 3
	seed := testenv.Seed(t)
	h := newHost(t, n, 256, engine.MeshConfig{Frames: 32, Notes: 16})
	players := make([]*player, n)
	for i := range players {
		players[i] = newPlayer(h, i, rand.New(rand.NewPCG(seed, uint64(i))))
	}
	var wg sync.WaitGroup
	for i, w := range h.workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := w.Run(); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		}()
	}
	for _, p := range players {
		within(t, p.through, "a worker does not get its frames away", func(struct{}) {})
	}
	for _, w := range h.workers {
		w.Stop()
	}
	wg.Wait()
	for i, p := range players {
		for _, f := range p.again {
			h.pools[i].Release(f, umem.HoldApp)
		}
		t.Logf("worker %d: %d arrived, %d notes", i, p.arrived, p.notes)
	}
	h.settled(t)
}

// player is a program that hands frames to the others of its host, some of them twice.
type player struct {
	h       *host
	me      int
	rnd     *rand.Rand
	made    int
	again   []*umem.Frame // to go on to another worker
	arrived int
	notes   int
	through chan struct{} // it made all that it was to make
}

const playerFrames = 20000

func newPlayer(h *host, me int, rnd *rand.Rand) *player {
	p := &player{h: h, me: me, rnd: rnd, through: make(chan struct{}, 1)}
	s := h.scripts[me]
	s.input, s.output = p.input, p.output
	s.note = func(int, *engine.Note) { p.notes++ }
	s.holders = func(hold *umem.Holders) { hold.Holds[umem.HoldApp] += len(p.again) }
	return p
}

func (p *player) input(frames []*umem.Frame) {
	pool := p.h.pools[p.me]
	for _, f := range frames {
		if f.Bytes()[0] == 1 && len(p.again) < 64 {
			f.Bytes()[0] = 0
			pool.Hold(f, umem.HoldApp)
			p.again = append(p.again, f)
			continue
		}
		p.arrived++
		pool.Free(f)
	}
}

func (p *player) output(out []*umem.Frame) int {
	pool := p.h.pools[p.me]
	n := copy(out, p.again)
	p.again = append(p.again[:0], p.again[n:]...)
	for _, f := range out[:n] {
		pool.Take(f, umem.HoldApp)
	}
	for n < len(out) && p.made < playerFrames && p.rnd.IntN(8) != 0 {
		f := pool.Get(umem.ClassSend)
		if f == nil {
			break
		}
		f.Put(1)[0] = uint8(p.rnd.IntN(2))
		out[n] = f
		n++
		if p.made++; p.made == playerFrames {
			p.through <- struct{}{}
		}
	}
	others := p.h.mesh.Workers() - 1
	for _, f := range out[:n] {
		f.Port = uint8(umem.PortWorker + (p.me+1+p.rnd.IntN(others))%(others+1))
	}
	if p.rnd.IntN(4) == 0 {
		p.h.workers[p.me].Note((p.me+1)%(others+1), engine.Note{})
	}
	return n
}
