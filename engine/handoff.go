package engine

import "github.com/xdpstack/xdpstack/umem"

// handOff gives frames, which have no hold, to another worker. What its ring has no room for
// is dropped here.
func (w *Worker) handOff(to int, frames []*umem.Frame) {
	pushed := 0
	if w.mesh != nil && to != w.cfg.ID && to < w.mesh.Workers() {
		pushed = w.lend(to, frames)
	}
	w.stats.HandedOut += uint64(pushed)
	w.stats.HandoffDrops += uint64(len(frames) - pushed)
	w.pool.FreeBatch(frames[pushed:])
}

// lend takes frames out of our books and puts them on the ring, as many as fit.
func (w *Worker) lend(to int, frames []*umem.Frame) int {
	ring := w.mesh.frames[w.cfg.ID][to]
	for i, f := range frames {
		f.Flags |= umem.FlagHandedOff
		own := f.Owner() == w.cfg.ID
		w.pool.Lend(f)
		if !ring.Push(f) {
			w.pool.Borrow(f)
			return i
		}
		if own {
			w.lent++
		}
		w.dirty |= 1 << uint(to)
	}
	return len(frames)
}

// visit takes what the other workers sent: frames that come home, frames handed to us, notes.
func (w *Worker) visit(now umem.Time) int {
	work := 0
	for from := range w.mesh.workers {
		if from == w.cfg.ID {
			continue
		}
		work += w.takeHome(from)
		work += w.takeNotes(now, from)
		if n := w.borrow(from); n > 0 {
			w.stats.HandedIn += uint64(n)
			w.program.Input(now, w.batch[:n])
			work += n
		}
	}
	return work
}

// borrow takes up to a batch of frames that another worker handed to us.
func (w *Worker) borrow(from int) int {
	n := w.mesh.frames[from][w.cfg.ID].Pop(w.batch)
	for _, f := range w.batch[:n] {
		if f.Owner() == w.cfg.ID {
			w.lent--
		}
		w.pool.Borrow(f)
		f.Port = f.In // which said how to get here
	}
	return n
}

// refuse frees what was handed to us and that we shall not run to see.
func (w *Worker) refuse() {
	for from := range w.mesh.workers {
		for from != w.cfg.ID {
			n := w.borrow(from)
			if n == 0 {
				break
			}
			w.pool.FreeBatch(w.batch[:n])
		}
	}
}

// takeHome takes up to a batch of our frames that another worker is done with.
func (w *Worker) takeHome(from int) int {
	n := w.mesh.homes[from][w.cfg.ID].Pop(w.batch)
	w.lent -= n
	w.pool.Return(w.batch[:n])
	return n
}

// sendHome gives others' frames that we are done with back to them. What a ring has no
// room for waits in the pool.
func (w *Worker) sendHome() {
	for owner := range w.mesh.workers {
		if w.pool.Away() == 0 {
			return
		}
		if owner == w.cfg.ID {
			continue
		}
		ring := w.mesh.homes[w.cfg.ID][owner]
		n := w.pool.TakeAway(owner, w.batch[:min(len(w.batch), ring.Size()-ring.Len())])
		if n > 0 {
			ring.PushBatch(w.batch[:n])
			w.dirty |= 1 << uint(owner)
		}
	}
}

func (w *Worker) takeNotes(now umem.Time, from int) int {
	ring := w.mesh.notes[from][w.cfg.ID]
	n := 0
	for n < noteBudget && ring.Pop(w.note[:]) > 0 {
		w.program.Note(now, from, &w.note[0])
		n++
	}
	w.stats.NotesIn += uint64(n)
	return n
}

// noteBudget bounds the notes taken from one worker in one turn.
const noteBudget = 64
