package xdpstack

import (
	"sync/atomic"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/spsc"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Bounds of a lane, in datagrams. Powers of two.
const (
	laneIn    = 256                 // received, and not read yet
	laneBack  = laneIn + eventBatch // read, and not released yet: what in held, and what a turn added
	laneStock = 16                  // empty frames for the next writes
)

// lane joins a socket's goroutines with one worker: frames cross it, bytes are
// copied once, by the goroutine, and no lock is shared with the packet path.
//
//	worker ──in──▶ reader ──back──▶ worker      frames received
//	worker ──stock──▶ writer ──out──▶ worker    frames to send
//
// Each arrow is a ring of one producer and one consumer; the socket's mutexes
// make its goroutines one. A goroutine that finds the lane clean posts it to
// the worker, once, however much it puts on the rings until the worker comes.
type lane struct {
	conn   *packetConn
	worker int
	handle socket.Handle

	in    *spsc.Ring[inbound]
	back  *spsc.Ring[*umem.Frame]
	stock *spsc.Ring[*umem.Frame]
	out   *spsc.Ring[outbound]

	node   engine.Node
	dirty  atomic.Bool
	hungry bool // on the shard's list of lanes whose stock is short; the worker's
	lent   int  // frames in stock and out; the worker's

	dropped atomic.Uint64 // datagrams for which in had no room
}

type inbound struct {
	frame *umem.Frame
	src   socket.Addr
}

type outbound struct {
	frame *umem.Frame
	dst   socket.Addr
}

func newLane(c *packetConn, worker int) *lane {
	l := &lane{
		conn: c, worker: worker,
		in:    newRing[inbound](laneIn),
		back:  newRing[*umem.Frame](laneBack),
		stock: newRing[*umem.Frame](laneStock),
		out:   newRing[outbound](laneStock),
	}
	l.node.Value = l
	return l
}

// newRing makes a ring of one of the sizes above, which are powers of two.
func newRing[T any](size int) *spsc.Ring[T] {
	r, err := spsc.New[T](size)
	if err != nil {
		panic(err)
	}
	return r
}

// touch tells the worker that the rings towards it hold something.
func (l *lane) touch() {
	if !l.dirty.Swap(true) {
		l.conn.host.post(l.worker, &l.node)
	}
}

// run implements posted: on the worker, take what the goroutines put.
func (l *lane) run(s *shard) {
	l.dirty.Store(false)
	if s.receiver(l.handle) == nil {
		return // closed; what was left on the rings went with it
	}
	l.takeBack(s)
	l.send(s)
	l.restock(s)
}

func (l *lane) takeBack(s *shard) {
	var batch [32]*umem.Frame
	for n := l.back.Pop(batch[:]); n > 0; n = l.back.Pop(batch[:]) {
		for _, f := range batch[:n] {
			s.stack.Release(f)
		}
	}
}

func (l *lane) send(s *shard) {
	var batch [laneStock]outbound
	for n := l.out.Pop(batch[:]); n > 0; n = l.out.Pop(batch[:]) {
		l.lent -= n
		for i := range batch[:n] {
			if err := s.stack.SendFrame(s.now, l.handle, batch[i].frame, batch[i].dst); err != nil {
				l.conn.setError(err)
			}
		}
	}
}

// restock lends the writer empty frames. When the pool is at its floor the lane
// stays on the shard's list and is tried again every turn.
func (l *lane) restock(s *shard) {
	before := l.lent
	for l.lent < laneStock {
		f := s.stack.Get()
		if f == nil {
			break
		}
		l.stock.Push(f)
		l.lent++
	}
	if l.lent > before && l.conn.writerWaits.Load() {
		s.wakeOrRetry(l, l.conn.writable)
	}
	if l.lent < laneStock {
		s.starve(l)
	}
}

// datagrams implements receiver.
func (l *lane) datagrams(s *shard, events []stack.Event) {
	for i := range events {
		e := &events[i]
		if !l.in.Push(inbound{e.Frame, e.Src()}) {
			l.dropped.Add(1)
			s.stack.Release(e.Frame)
		}
	}
	l.readable(s)
}

// readable implements receiver: wakes the reader, if there is one asleep.
func (l *lane) readable(s *shard) {
	if l.conn.readerWaits.Load() {
		s.wakeOrRetry(l, l.conn.readable)
	}
}

// failed implements receiver.
func (l *lane) failed(s *shard, errno socket.Errno) {
	l.conn.setError(errno)
	l.readable(s)
}

// close takes the lane off its worker, with everything on its rings. It runs on
// the worker, while the socket's mutexes keep its goroutines out.
func (l *lane) close(s *shard) {
	_ = s.detach(l.handle) // an error says that it was closed before
	l.takeBack(s)
	var in [32]inbound
	for n := l.in.Pop(in[:]); n > 0; n = l.in.Pop(in[:]) {
		for i := range in[:n] {
			s.stack.Release(in[i].frame)
		}
	}
	var out [laneStock]outbound
	for n := l.out.Pop(out[:]); n > 0; n = l.out.Pop(out[:]) {
		for i := range out[:n] {
			s.stack.Release(out[i].frame)
		}
	}
	var stock [laneStock]*umem.Frame
	for n := l.stock.Pop(stock[:]); n > 0; n = l.stock.Pop(stock[:]) {
		for _, f := range stock[:n] {
			s.stack.Release(f)
		}
	}
	l.lent = 0
}

// starve puts l on the list of lanes to restock next turn.
func (s *shard) starve(l *lane) {
	if !l.hungry {
		l.hungry = true
		s.hungry = append(s.hungry, l)
	}
}

// feed tries again what the pool had no frames for, and wake-ups that a full
// batch had no room for.
func (s *shard) feed() {
	if len(s.hungry) == 0 {
		return
	}
	due := s.hungry
	s.hungry = s.spare[:0]
	for _, l := range due {
		l.hungry = false
		if s.receiver(l.handle) == nil {
			continue
		}
		l.restock(s)
		l.readable(s)
	}
	clear(due)
	s.spare = due[:0]
}

func (s *shard) wakeOrRetry(l *lane, sig signal) {
	if !s.waker.add(sig) {
		s.starve(l)
	}
}
