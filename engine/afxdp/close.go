package afxdp

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/umem"
)

// flushTimeout bounds how long Close waits for frames to leave: a full ring takes
// a millisecond.
const flushTimeout = 50 * time.Millisecond

// flush sends what the TX ring holds, and takes completed frames back.
func (p *Port) flush() {
	deadline := time.Now().Add(flushTimeout)
	for p.reapAll(); p.InTx() > 0 && time.Now().Before(deadline); p.reapAll() {
		if p.Kick() != nil {
			return
		}
		runtime.Gosched()
	}
}

// reapAll lets go of what is complete. The program that sent it has ended, and what
// is in place tx is held by the port alone (HoldTx).
func (p *Port) reapAll() {
	var batch [64]*umem.Frame
	for {
		n := p.Reap(batch[:])
		if n == 0 {
			return
		}
		p.pool.ReleaseBatch(batch[:n], umem.HoldTx)
	}
}

// discard closes the sockets, then returns all frames that were with it.
func (p *Port) discard() error {
	var final engine.PortStats
	p.Stats(&final)
	p.stats = final
	p.dev.mem.withdraw(p.sock)
	err := errors.Join(p.sender.shut(), p.sock.shut())
	p.reapAll()
	p.sender.tx.unsent(p.unsend)
	p.pool.Reclaim(p.dev.cfg.Port)
	p.Port, p.gone = nil, true
	return errors.Join(err, p.sender.close(), p.sock.close())
}

// unsend takes back a frame that the kernel never took from the TX ring. Other
// workers' frames among them are not found by Pool.Reclaim.
func (p *Port) unsend(addr uint64) {
	pool := p.pool
	f, ok := pool.Region().Reaped(addr)
	if !ok {
		return
	}
	pool.Moved(umem.PlaceTx, umem.PlaceStack, 1)
	pool.Release(f, umem.HoldTx)
}

// txSlots reads what is left in the TX ring of a socket that is closed.
type txSlots struct {
	mem  []byte
	off  rings.Offsets
	size uint32
}

func (t txSlots) unsent(take func(addr uint64)) {
	if t.mem == nil {
		return
	}
	at := func(off uint64) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(unsafe.SliceData(t.mem)), off) }
	from := atomic.LoadUint32((*uint32)(at(t.off.Consumer)))
	n := atomic.LoadUint32((*uint32)(at(t.off.Producer))) - from
	if n > t.size {
		return
	}
	for i := range n {
		slot := uint64((from+i)&(t.size-1)) * rings.DescSize
		take((*rings.Desc)(at(t.off.Desc + slot)).Addr)
	}
}
