package link

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/umem"
	"pgregory.net/rapid"
)

func newPool(t interface{ Fatal(...any) }, n int) *umem.Pool {
	r, err := umem.NewRegion(make([]byte, n*2048), 2048)
	if err != nil {
		t.Fatal(err)
	}
	p, err := umem.NewPool(r, umem.PoolConfig{Workers: 1, Frames: n, SendQuota: n})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTableKeepsItsCounts plays random events against a small table: its counts
// are those of its entries, its bounds hold, its timers end.
func TestTableKeepsItsCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := newPool(t, 32)
		nb := NewNeighbours(Config{
			Entries: 6, Incomplete: 3, PendingEach: 2, Pending: 4,
			Secret: table.NewSecret(func() uint64 { return rapid.Uint64().Draw(t, "secret") }),
		})
		now := umem.Time(0)
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now += umem.Time(rapid.Int64Range(0, int64(3*umem.Second)).Draw(t, "pause"))
			step(t, nb, pool, now)
			checkCounts(t, nb)
		}
		for i := range uint32(6) { // everything left alone ends
			for turns := 0; nb.Used(i); turns++ {
				if turns > 20 {
					t.Fatalf("entry %d in state %v does not end", i, nb.State(i))
				}
				now = max(now, nb.Due(i))
				act(nb, pool, i, nb.Timer(now, i))
			}
		}
		if nb.Len() != 0 || nb.Pending() != 0 || nb.Incomplete() != 0 || pool.Books().Free != 32 {
			t.Fatalf("%d entries, %d frames are left", nb.Len(), nb.Pending())
		}
	})
}

// step makes one random thing happen to one of ten neighbours.
func step(t *rapid.T, nb *Neighbours, pool *umem.Pool, now umem.Time) {
	a := ip.Addr{Lo: uint64(rapid.IntRange(1, 10).Draw(t, "neighbour"))}
	mac := [6]byte{2, rapid.Byte().Draw(t, "MAC")}
	i, known := nb.Find(0, a)
	generation := nb.Generation()
	switch rapid.IntRange(0, 5).Draw(t, "event") {
	case 0:
		i, todo, ok := nb.Want(now, 0, a, ip.Addr{})
		if ok && (todo == Solicit) == known {
			t.Fatalf("action %d for a neighbour that is known: %v", todo, known)
		}
		if ok && !nb.Use(now, i) {
			pend(nb, pool, i)
		}
	case 1:
		if i, c, ok := nb.Hear(now, 0, a, mac); ok && c&Resolved != 0 {
			drain(nb, pool, i)
		}
	case 2:
		if !known {
			break
		}
		was := nb.MAC(i)
		c := nb.Advertised(now, i, Advert{
			MAC: mac, HasMAC: rapid.Bool().Draw(t, "has"), Solicited: rapid.Bool().Draw(t, "S"), Override: rapid.Bool().Draw(t, "O"),
		})
		if c&Resolved != 0 {
			drain(nb, pool, i)
		} else if nb.MAC(i) != was && nb.Generation() == generation {
			t.Fatal("the link address changed, the generation did not")
		}
	case 3:
		if known {
			act(nb, pool, i, nb.Timer(now, i))
		}
	case 4:
		n := Neighbour{Addr: a, MAC: mac, State: State(rapid.IntRange(0, 5).Draw(t, "state"))}
		if i, c, todo, ok := nb.Learn(now, &n); ok {
			if c&Resolved != 0 {
				drain(nb, pool, i)
			}
			act(nb, pool, i, todo)
		}
	case 5:
		if known {
			nb.Check(now, i)
		}
	}
}

func pend(nb *Neighbours, pool *umem.Pool, i uint32) {
	f := pool.Get(umem.ClassSend)
	pool.Hold(f, umem.HoldTx)
	if out := nb.Pend(pool.Region(), i, f); out != nil {
		pool.Release(out, umem.HoldTx)
	}
}

func drain(nb *Neighbours, pool *umem.Pool, i uint32) {
	for f := nb.PopPending(pool.Region(), i); f != nil; f = nb.PopPending(pool.Region(), i) {
		pool.Release(f, umem.HoldTx)
	}
}

// act does what the owner of the table does.
func act(nb *Neighbours, pool *umem.Pool, i uint32, todo Action) {
	if todo == GiveUp || todo == Forget {
		drain(nb, pool, i)
		nb.Remove(i)
	}
}

func checkCounts(t *rapid.T, nb *Neighbours) {
	entries, incomplete, pending := 0, 0, 0
	for i := range nb.entries {
		if !nb.Used(uint32(i)) {
			continue
		}
		e := &nb.entries[i]
		entries++
		pending += e.pending.Len()
		if e.state == Incomplete {
			incomplete++
		} else if e.pending.Len() > 0 {
			t.Fatalf("frames wait for a neighbour that is %v", e.state)
		}
		if e.pending.Len() > 2 {
			t.Fatalf("%d frames wait for one neighbour", e.pending.Len())
		}
		if found, ok := nb.Find(e.iface, e.addr); !ok || found != uint32(i) {
			t.Fatalf("entry %d is not found", i)
		}
	}
	if entries != nb.Len() || incomplete != nb.Incomplete() || pending != nb.Pending() {
		t.Fatalf("counted %d, %d and %d; the table says %d, %d and %d",
			entries, incomplete, pending, nb.Len(), nb.Incomplete(), nb.Pending())
	}
	if incomplete > 3 || pending > 4 {
		t.Fatalf("%d unresolved, %d frames", incomplete, pending)
	}
}

func TestQdiscIsAFifoWithABound(t *testing.T) {
	pool := newPool(t, 8)
	q := NewQdisc(3)
	var in [4]*umem.Frame
	for i := range in {
		in[i] = pool.Get(umem.ClassSend)
		if ok := q.Push(in[i]); ok != (i < 3) {
			t.Errorf("frame %d: %v", i, ok)
		}
	}
	if !q.Full() || q.Len() != 3 {
		t.Errorf("%d frames wait", q.Len())
	}
	var out [5]*umem.Frame
	if n := q.Pop(pool.Region(), out[:2]); n != 2 || out[0] != in[0] || out[1] != in[1] {
		t.Errorf("%d frames taken", n)
	}
	if n := q.Pop(pool.Region(), out[:]); n != 1 || out[0] != in[2] || q.Full() {
		t.Errorf("%d frames taken", n)
	}
}

func TestStatesHaveNames(t *testing.T) {
	for s, want := range map[State]string{None: "none", Incomplete: "incomplete", Probe: "probe", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("state %d is %q", s, s)
		}
	}
}
