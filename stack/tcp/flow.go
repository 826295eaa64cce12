package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// flowInterval is how often the other workers are told of one connection: what they remember
// may be overwritten.
const flowInterval = umem.Second

// FoundHere reports whether another worker, which handed a segment of c on, is to be told that c is here.
func (t *Table) FoundHere(now umem.Time, c *Conn) bool {
	if c.flowTold != 0 && now-c.flowTold < flowInterval {
		return false
	}
	c.flowTold = now
	t.count.FlowsFound++
	return true
}

// Misfit reports whether a segment cannot be for the half-open connection c, so that it may be for an established one
// with the same ends on another worker.
func (c *Conn) Misfit(h *Header) bool {
	return c.state == SynReceived && c.is(flagEmbryo) && h.has(wire.TCPAck) &&
		!(h.Ack.After(c.snd.una) && h.Ack.AtMost(c.snd.nxt))
}

// ForgetHalfOpen drops a connection that turns out to be another worker's.
func (t *Table) ForgetHalfOpen(local, peer socket.Addr) {
	if i, ok := t.Find(local, peer); ok {
		if c := &t.conns[i]; c.state == SynReceived && c.is(flagEmbryo) {
			t.end(c, 0)
		}
	}
}

// Flows remembers which worker has a connection: a cache with one slot for each hash.
type Flows struct {
	slots  []flow
	mask   uint64
	secret table.Secret
}

type flow struct {
	key    key
	worker uint32 // + 1
}

// NewFlows has room for n connections, rounded up to a power of two.
func NewFlows(n int, secret table.Secret) Flows {
	size := 1
	for size < n {
		size *= 2
	}
	return Flows{slots: make([]flow, size), mask: uint64(size - 1), secret: secret}
}

func (f *Flows) slot(k *key) *flow {
	h := f.secret.Hash5(k.local.Hi, k.local.Lo, k.remote.Hi, k.remote.Lo, k.ports)
	return &f.slots[h&f.mask]
}

// Learn enters that a worker has a connection.
func (f *Flows) Learn(local, peer socket.Addr, worker int) {
	k := makeKey(local, peer)
	*f.slot(&k) = flow{k, uint32(worker) + 1}
}

// Worker is who has a connection, as far as is known.
func (f *Flows) Worker(local, peer socket.Addr) (int, bool) {
	k := makeKey(local, peer)
	s := f.slot(&k)
	if s.worker == 0 || s.key != k {
		return 0, false
	}
	return int(s.worker - 1), true
}
