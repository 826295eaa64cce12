package sim

import (
	"fmt"
	"reflect"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/umem"
)

// Drained checks, after Settle, that nothing is left over: every frame is free or in
// a fill ring, nobody holds one, no worker has another's, and no stack has a timer.
// Sockets that are open may keep what waits in them.
func (n *Net) Drained() error {
	for _, h := range n.hosts {
		for _, w := range h.workers {
			if err := w.drained(); err != nil {
				return fmt.Errorf("sim: %v at the end: %w", w, err)
			}
		}
	}
	return nil
}

func (w *Worker) drained() error {
	b := w.pool.Books()
	for k := range umem.NumHolds {
		if b.Holds[k] != 0 && k != umem.HoldReceive {
			return fmt.Errorf("%d frames are still held by %v", b.Holds[k], k)
		}
	}
	switch {
	case b.Tx != 0:
		return fmt.Errorf("%d frames are still in place tx", b.Tx)
	case b.Stack != b.Holds[umem.HoldReceive]:
		return fmt.Errorf("%d frames are still in place stack, %d of them in receive queues", b.Stack, b.Holds[umem.HoldReceive])
	case b.Lent != 0 || b.Borrowed != 0 || b.Away != 0:
		return fmt.Errorf("frames did not come home: %d lent, %d borrowed, %d on their way", b.Lent, b.Borrowed, b.Away)
	case w.verbs.Deadline() != umem.Never:
		return fmt.Errorf("a timer is set for %d ns", w.verbs.Deadline())
	}
	return nil
}

// Totals are the counters of all workers of a Net.
type Totals struct {
	Wire   WireStats
	Device DeviceStats
	Mesh   MeshStats
	Drops  [stack.NumReasons]uint64
	TCP    tcp.Counters

	Solicits   uint64 // ARP requests and neighbour solicitations
	Resolved   uint64 // neighbours
	Failed     uint64
	ICMPErrors uint64 // unreachables and parameter problems sent
	Loopback   uint64
	HandedOff  uint64
	NoFrame    uint64 // sends that the pool had no frame for
	Unheard    uint64 // datagrams for sockets that were closed in the meantime
	Turns      uint64
	MaxIdle    int // turns in a row for nothing
}

// Totals sums up the counters.
func (n *Net) Totals() (t Totals) {
	t.Wire = n.Wires()
	for _, h := range n.hosts {
		for _, w := range h.workers {
			t.add(w)
		}
	}
	return t
}

func (t *Totals) add(w *Worker) {
	c := w.stack.Counters()
	t.Device.add(&w.port.stats)
	t.Mesh.add(&w.mesh)
	for i, v := range c.Drops {
		t.Drops[i] += v
	}
	addCounters(&t.TCP, &c.TCP)
	t.Solicits += c.ARP.OutRequests + c.Neighbours.OutSolicits
	t.Resolved += c.Neighbours.Resolved
	t.Failed += c.Neighbours.Failed
	t.ICMPErrors += c.V4.ICMPOutErrors + c.V6.ICMPOutErrors
	t.Loopback += c.V4.Loopback + c.V6.Loopback
	t.HandedOff += c.HandedOff
	t.NoFrame += c.NoSendFrame
	t.Unheard += w.unheard
	t.Turns += w.turns
	t.MaxIdle = max(t.MaxIdle, w.maxIdle)
}

// addCounters adds each of o's counters to sum's.
func addCounters(sum, o *tcp.Counters) {
	a, b := reflect.ValueOf(sum).Elem(), reflect.ValueOf(o).Elem()
	for i := range a.NumField() {
		if f, g := a.Field(i), b.Field(i); f.Kind() == reflect.Uint64 {
			f.SetUint(f.Uint() + g.Uint())
		}
	}
	for i, n := range o.ForwardCopies {
		sum.ForwardCopies[i] += n
	}
}
