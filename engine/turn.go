package engine

import (
	"errors"
	"math/bits"

	"github.com/xdpstack/xdpstack/umem"
)

// Turn is one round of the loop: each stage once, up to a batch. It returns how much
// there was to do, 0 when nothing. now is the time that all of it sees.
//
// Run calls it; tests and benchmarks do so themselves, in a time of their own.
func (w *Worker) Turn(now umem.Time) (work int) {
	if w.lastTurn != 0 {
		w.stats.Gaps.Note(now - w.lastTurn)
	}
	w.lastTurn = now

	work += w.serve()
	for i, p := range w.ports {
		work += w.reap(now, p)
		work += w.receive(now, i, p)
	}
	if w.mesh != nil {
		work += w.visit(now)
	}
	work += w.takeMail(now)
	w.program.Expire(now, w.cfg.Budget)
	work += w.events(now)
	work += w.output(now)
	w.endTurn()
	for i, p := range w.ports {
		p.Refill()
		if err := p.Kick(); err != nil || w.down[i] {
			w.kicked(i, err)
		}
	}
	w.traceStage(StageKicked)
	w.count(work)
	return work
}

// reap gives the program back what a port has sent.
func (w *Worker) reap(now umem.Time, p Port) int {
	n := p.Reap(w.batch)
	if n == 0 {
		return 0
	}
	w.reapIn = reapFirst
	w.traceCompleted(w.batch[:n])
	w.stats.Completed += uint64(n)
	w.program.Completed(now, w.batch[:n])
	return n
}

// receive gives the program what arrived at a port.
func (w *Worker) receive(now umem.Time, port int, p Port) int {
	w.traceArmed()
	n := p.Receive(now, w.batch)
	w.stats.Batches[bits.Len(uint(n))%batchBuckets]++
	if n == 0 {
		return 0
	}
	w.traceRead(port, w.batch[:n])
	w.stats.Received += uint64(n)
	w.program.Input(now, w.batch[:n])
	w.traceStage(StageInput)
	return n
}

func (w *Worker) takeMail(now umem.Time) int {
	if w.mail.Empty() {
		return 0
	}
	w.boxAt = now
	n := w.mail.Take(w.box)
	w.stats.Mails += uint64(n)
	return n
}

func (w *Worker) events(now umem.Time) int {
	n := w.program.Events(now)
	w.stats.Events += uint64(n)
	w.traceStage(StageEvents)
	return n
}

// endTurn sends borrowed frames home and wakes the workers that were given something.
func (w *Worker) endTurn() {
	if w.mesh == nil {
		return
	}
	w.sendHome()
	for ; w.dirty != 0; w.dirty &= w.dirty - 1 {
		if peer := w.mesh.workers[bits.TrailingZeros64(w.dirty)]; peer != nil {
			peer.Wake()
		}
	}
}

// kicked notes what Kick said about a port: an error, or that it is up again.
func (w *Worker) kicked(port int, err error) {
	w.down[port] = errors.Is(err, ErrDown)
	if err == nil {
		return
	}
	w.stats.PortErrors++
	if errors.Is(err, ErrGone) && w.err == nil {
		w.err = err
	}
}

// count ends a turn.
func (w *Worker) count(work int) {
	w.stats.Turns++
	if work == 0 {
		w.stats.IdleTurns++
	}
	if w.cfg.LedgerEvery == 0 {
		return
	}
	if w.ledgerIn++; w.ledgerIn >= w.cfg.LedgerEvery {
		w.ledgerIn = 0
		w.audit(w.cfg.LedgerEvery == 1)
	}
}

// Err is what ended the worker, or will: a ledger that does not hold, a device that is gone. It is
// for who turns the worker himself; Run returns it.
func (w *Worker) Err() error { return w.err }
