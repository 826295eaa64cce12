package sim

import (
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// mailbox is what one worker has sent to another: bounded rings, as package
// engine's mesh has them. What a full ring does not take is dropped (a frame handed
// off), lost (a note), or waits (a frame on its way home).
type mailbox struct {
	frames []*umem.Frame
	homes  []*umem.Frame
	notes  []note
}

// noteKind says what a note is about.
type noteKind uint8

const (
	noteNeighbour noteKind = iota + 1 // worker 0 knows
	noteWanted                        // worker 0 is to find out
	noteAddress                       // worker 0's conflict detection is over
	noteFlow                          // packets that were handed on belong to a connection of who tells
)

type note struct {
	kind        noteKind
	neighbour   link.Neighbour
	local, peer socket.Addr // of a flow
	owner       int         // its worker
}

// MeshStats count what went between the workers of a host.
type MeshStats struct {
	HandedOff    uint64
	HandoffDrops uint64 // the ring was full
	SentHome     uint64
	Notes        uint64
	NotesLost    uint64 // the ring was full
	Flows        uint64 // notes that were about a flow
}

func (s *MeshStats) add(o *MeshStats) {
	s.HandedOff += o.HandedOff
	s.HandoffDrops += o.HandoffDrops
	s.SentHome += o.SentHome
	s.Notes += o.Notes
	s.NotesLost += o.NotesLost
	s.Flows += o.Flows
}

func (h *Host) tellOthers(from *Worker, n note) {
	for to := range h.workers {
		if to != from.id {
			h.tell(from, to, n)
		}
	}
}

// tell sends a note. A full ring loses it: who lacks a neighbour asks again.
func (h *Host) tell(from *Worker, to int, n note) {
	if to == from.id {
		from.fail("sim: a note to itself: only workers but 0 want neighbours, only 0 has them to tell")
		return
	}
	box := &h.workers[to].inbox[from.id]
	if len(box.notes) >= h.cfg.Ring {
		from.mesh.NotesLost++
		return
	}
	from.mesh.Notes++
	box.notes = append(box.notes, n)
	h.workers[to].wake()
}

// handOff gives a frame to another worker.
func (w *Worker) handOff(f *umem.Frame) {
	to := int(f.Port - umem.PortWorker)
	if to == w.id || to >= len(w.host.workers) {
		w.fail("sim: frame %d is for worker %d of %d", f.Index(), to, len(w.host.workers))
		return
	}
	box := &w.host.workers[to].inbox[w.id]
	if len(box.frames) >= w.host.cfg.Ring {
		w.mesh.HandoffDrops++
		w.pool.Free(f)
		return
	}
	f.Flags |= umem.FlagHandedOff
	if f.Owner() == w.id {
		w.lent++
	}
	w.pool.Lend(f)
	w.mesh.HandedOff++
	box.frames = append(box.frames, f)
	w.host.workers[to].wake()
}

// visit takes what the other workers sent. It reports whether there was anything.
func (w *Worker) visit(now umem.Time) bool {
	work := false
	for from := range w.inbox {
		box := &w.inbox[from]
		work = work || len(box.frames)+len(box.homes)+len(box.notes) > 0
		w.lent -= len(box.homes)
		w.pool.Return(box.homes)
		if peer := w.host.workers[from]; len(box.homes) > 0 && peer.pool.Away() > 0 {
			peer.wake() // the ring was full
		}
		box.homes = box.homes[:0]
		for _, n := range box.notes {
			w.hear(now, n)
		}
		box.notes = box.notes[:0]
		if n := copy(w.batch, box.frames); n > 0 {
			w.borrow(w.batch[:n])
			box.frames = append(box.frames[:0], box.frames[n:]...)
			w.verbs.Input(now, w.batch[:n])
		}
	}
	return work
}

func (w *Worker) borrow(frames []*umem.Frame) {
	for _, f := range frames {
		if f.Owner() == w.id {
			w.lent--
		}
		w.pool.Borrow(f)
	}
}

func (w *Worker) hear(now umem.Time, n note) {
	switch n.kind {
	case noteNeighbour:
		w.stack.LearnNeighbour(now, &n.neighbour)
	case noteWanted:
		w.stack.ResolveNeighbour(now, &n.neighbour)
	case noteAddress:
		w.stack.LearnAddress(n.neighbour.Addr, n.neighbour.State != link.None)
	case noteFlow:
		w.mesh.Flows++
		w.stack.LearnFlow(n.local, n.peer, n.owner)
	}
}

// sendHome gives others' frames back to them, as many as their rings take.
func (w *Worker) sendHome() {
	for owner, peer := range w.host.workers {
		if owner == w.id || w.pool.Away() == 0 {
			continue
		}
		box := &peer.inbox[w.id]
		n := w.pool.TakeAway(owner, w.batch[:min(len(w.batch), w.host.cfg.Ring-len(box.homes))])
		if n == 0 {
			continue
		}
		w.mesh.SentHome += uint64(n)
		box.homes = append(box.homes, w.batch[:n]...)
		peer.wake()
	}
}

// visited reports whether something waits in the inbox.
func (w *Worker) visited() bool {
	for i := range w.inbox {
		box := &w.inbox[i]
		if len(box.frames)+len(box.homes)+len(box.notes) > 0 {
			return true
		}
	}
	return false
}
