package engine

import "github.com/xdpstack/xdpstack/umem"

// output sends what the program has for the wire: never more than each port has
// room for, so that the program's own queue is the queue.
func (w *Worker) output(now umem.Time) int {
	if w.lates > 0 {
		w.flush(now)
	}
	room := w.room()
	if room == 0 {
		return 0
	}
	n := w.program.Output(now, w.batch[:room])
	if n == 0 {
		return 0
	}
	w.traceOutput(w.batch[:n])
	w.route(now, w.batch[:n])
	w.traceStage(StagePublished)
	return n
}

// room is how many frames every port would take, whichever they turn out to be for. A port
// that is down takes any number: they are dropped. A port that owes takes none.
func (w *Worker) room() int {
	room := len(w.batch)
	for i, p := range w.ports {
		if len(w.late[i]) > 0 {
			return 0
		}
		if !w.down[i] {
			room = min(room, p.TxRoom())
		}
	}
	return room
}

// route takes frames in order to where each says that it goes, a run of equal ones at a time.
func (w *Worker) route(now umem.Time, frames []*umem.Frame) {
	for len(frames) > 0 {
		to := frames[0].Port
		n := 1
		for n < len(frames) && frames[n].Port == to {
			n++
		}
		w.send(now, to, frames[:n])
		frames = frames[n:]
	}
}

func (w *Worker) send(now umem.Time, to uint8, frames []*umem.Frame) {
	switch {
	case to >= umem.PortWorker:
		w.handOff(int(to-umem.PortWorker), frames)
	case int(to) >= len(w.ports):
		w.stats.NoPort += uint64(len(frames))
		w.program.Completed(now, frames)
	case w.down[to]:
		w.stats.TxDown += uint64(len(frames))
		w.program.Completed(now, frames)
	default:
		n := w.ports[to].Transmit(frames)
		w.stats.Sent += uint64(n)
		w.late[to] = append(w.late[to], frames[n:]...)
		w.lates += len(frames) - n
	}
}

// flush sends what ports took less than they had said that they would.
func (w *Worker) flush(now umem.Time) {
	for i, p := range w.ports {
		late := w.late[i]
		if len(late) == 0 {
			continue
		}
		n := p.Transmit(late)
		w.stats.Sent += uint64(n)
		if w.down[i] {
			w.stats.TxDown += uint64(len(late) - n)
			w.program.Completed(now, late[n:])
			w.late[i] = late[:0]
			w.lates -= len(late)
			continue
		}
		w.late[i] = late[:copy(late, late[n:])]
		w.lates -= n
	}
}
