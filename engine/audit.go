package engine

import (
	"fmt"

	"github.com/xdpstack/xdpstack/umem"
)

// audit compares the pool's books with what ports, program and worker say that they
// hold. thorough looks at every frame too, which finds one that nobody holds: it takes a
// microsecond per hundred frames, and is left out while frames are lent, as those are for
// another worker to touch.
func (w *Worker) audit(thorough bool) {
	w.stats.LedgerChecks++
	err := w.balance()
	if err == nil && thorough && w.pool.Books().Lent == 0 {
		err = w.pool.Audit()
	}
	if err == nil {
		return
	}
	w.stats.LedgerErrors++
	if w.err == nil {
		w.err = fmt.Errorf("engine: worker %d, turn %d: %w", w.cfg.ID, w.stats.Turns, err)
	}
}

func (w *Worker) balance() error {
	h := &w.holders
	*h = umem.Holders{}
	for _, p := range w.ports {
		h.Fill += p.InFill()
		h.Tx += p.InTx()
	}
	h.Holds[umem.HoldTx] = h.Tx + w.lates // each frame with a device has one
	h.Holds[umem.HoldWorker] = w.lent
	w.program.Holders(h)
	return w.pool.Balance(h)
}
