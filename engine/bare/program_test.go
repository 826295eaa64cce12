package bare_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/umem"
)

// wire is two pools joined by mem ports.
func wire(t testing.TB) (pools [2]*umem.Pool, ports [2]engine.Port) {
	t.Helper()
	for i := range pools {
		r, err := umem.NewRegion(make([]byte, 128*2048), 2048)
		if err != nil {
			t.Fatal(err)
		}
		pools[i], err = umem.NewPool(r, umem.PoolConfig{Workers: 1, Frames: 128, FillFloor: 32, SendQuota: 64, ReceiveQuota: 64})
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b, err := mem.Pair(pools[0], pools[1], mem.Config{Slots: 32})
	if err != nil {
		t.Fatal(err)
	}
	a.Refill()
	b.Refill()
	return pools, [2]engine.Port{a, b}
}

func worker(t testing.TB, pool *umem.Pool, port engine.Port, p engine.Program) *engine.Worker {
	t.Helper()
	w, err := engine.NewWorker(engine.WorkerConfig{Pool: pool, Ports: []engine.Port{port}, Program: p, LedgerEvery: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Err(); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestForwardSwaps: a packet comes back with the addresses the other way round, and the rest as it was.
func TestForwardSwaps(t *testing.T) {
	pools, ports := wire(t)
	packet := []byte("DSTMACsrcmac\x08\x00payload")
	got := &catcher{pool: pools[0], Generate: bare.NewGenerate(pools[0], packet, 0, 3)}
	a := worker(t, pools[0], ports[0], got)
	b := worker(t, pools[1], ports[1], bare.NewForward(pools[1], 64, nil))
	for range 4 {
		a.Turn(1)
		b.Turn(1)
	}
	if want := []byte("srcmacDSTMAC\x08\x00payload"); len(got.caught) != 3 || !bytes.Equal(got.caught[2], want) {
		t.Errorf("came back: %q, want 3 of %q", got.caught, want)
	}
	if got.Sent != 3 || got.Left != 0 {
		t.Errorf("sent %d, left %d", got.Sent, got.Left)
	}
}

// catcher is a Generate that keeps a copy of what arrives.
type catcher struct {
	*bare.Generate
	pool   *umem.Pool
	caught [][]byte
}

func (c *catcher) Input(now umem.Time, frames []*umem.Frame) {
	for _, f := range frames {
		c.caught = append(c.caught, bytes.Clone(f.Bytes()))
	}
	c.Generate.Input(now, frames)
}

// TestForwardQueue: a queue that is full drops; what is queued leaves in order, also in small portions.
func TestForwardQueue(t *testing.T) {
	pools, _ := wire(t)
	pool := pools[0]
	f := bare.NewForward(pool, 8, func(in uint8) uint8 { return in + 1 })
	next, want := 0, 0
	out := make([]*umem.Frame, 3)
	for range 50 {
		var in []*umem.Frame
		for range 4 {
			fr := pool.Get(umem.ClassReceive)
			copy(fr.Put(3), fmt.Sprintf("%03d", next))
			fr.In = 5
			in = append(in, fr)
			next++
		}
		before := f.Drops
		f.Input(1, in)
		next -= int(f.Drops - before) // the last ones of the batch
		n := f.Output(1, out)
		for _, fr := range out[:n] {
			if string(fr.Bytes()) != fmt.Sprintf("%03d", want) || fr.Port != 6 {
				t.Fatalf("%q leaves by port %d, want number %d by port 6", fr.Bytes(), fr.Port, want)
			}
			want++
		}
		f.Completed(1, out[:n])
		var h umem.Holders
		f.Holders(&h)
		h.Fill = pool.Books().Fill
		if err := pool.Balance(&h); err != nil {
			t.Fatal(err)
		}
	}
	if f.Drops == 0 || f.Packets != uint64(next) {
		t.Errorf("%d dropped, %d of %d taken", f.Drops, f.Packets, next)
	}
}

// TestForwardShortPacket: what is shorter than an Ethernet header is no place to swap in.
func TestForwardShortPacket(t *testing.T) {
	pools, _ := wire(t)
	f := bare.NewForward(pools[0], 8, nil)
	fr := pools[0].Get(umem.ClassReceive)
	copy(fr.Put(13), "DSTMACsrcmacx")
	f.Input(1, []*umem.Frame{fr})
	if string(fr.Bytes()) != "DSTMACsrcmacx" {
		t.Errorf("it became %q", fr.Bytes())
	}
}

// ExampleDrop is all of rxdrop: a port, a pool, a program, a worker.
func ExampleDrop() {
	var t testing.B
	pools, ports := wire(&t)
	sender, _ := engine.NewWorker(engine.WorkerConfig{Pool: pools[0], Ports: ports[:1], Program: bare.NewGenerate(pools[0], make([]byte, 60), 0, 10)})
	drop := bare.NewDrop(pools[1])
	receiver, _ := engine.NewWorker(engine.WorkerConfig{Pool: pools[1], Ports: ports[1:], Program: drop})
	defer sender.Close()
	defer receiver.Close()
	sender.Turn(engine.Now())
	receiver.Turn(engine.Now())
	fmt.Println(drop.Packets, "packets")
	// Output: 10 packets
}

// TestGenerateEnds: a worker that is told to stop makes no more, and has back all that it sent.
func TestGenerateEnds(t *testing.T) {
	pools, ports := wire(t)
	g := bare.NewGenerate(pools[0], []byte("DSTMACsrcmac\x08\x00payload"), 0, 1<<40)
	w := worker(t, pools[0], ports[0], g)
	w.Turn(1)
	w.Stop()
	if err := w.Run(); err != nil {
		t.Error(err)
	}
	if st := w.Status(); g.Sent == 0 || g.Left != 0 || st.Sent != g.Sent || st.DrainTimeouts != 0 {
		t.Errorf("sent %d, completed %d, %d timeouts", st.Sent, g.Sent, st.DrainTimeouts)
	}
}
