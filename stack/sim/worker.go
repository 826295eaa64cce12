package sim

import (
	"fmt"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/umem"
)

// idleLimit is how many times in a row a worker may be woken by its stack's
// deadline for nothing. A hierarchical wheel may wake once for each of its levels
// on the way to a timer, and a timer may end with a change of state that nobody
// outside sees, once for each neighbour.
const idleLimit = 100

// expireBudget is how many timers one turn runs.
const expireBudget = 64

// Worker is one core: a stack, a pool, a queue of the device. Its turns are those
// of package engine's worker, and happen when something gives it work: never by
// themselves.
type Worker struct {
	host  *Host
	id    int
	stack *stack.Stack
	verbs Verbs
	pool  *umem.Pool
	port  device

	inbox []mailbox // by the worker that sent
	calls []func(now umem.Time)
	lent  int // own frames with other workers

	turnAt umem.Time // of the turn that is scheduled; umem.Never when none is
	turn   uint64    // its number: a turn put forward leaves an event behind that does nothing
	more   bool      // the turn ended with a full batch: there may be more
	idle   int       // turns in a row that a deadline asked for and that did nothing

	sockets []*Socket // by index of the handle
	streams []*Socket // by its slot

	batch   []*umem.Frame
	events  []stack.Event
	mesh    MeshStats
	turns   uint64
	unheard uint64 // datagrams for sockets that were closed in the meantime
	maxIdle int    // the most that idle was
}

// newWorker makes a worker; stream is that of its stack's random numbers.
func (h *Host) newWorker(id int, stream uint64) (*Worker, error) {
	c := &h.cfg
	w := &Worker{
		host: h, id: id, inbox: make([]mailbox, c.Workers), turnAt: umem.Never,
		batch: make([]*umem.Frame, c.Batch), events: make([]stack.Event, c.Batch),
	}
	w.port.worker = w
	var err error
	w.pool, err = umem.NewPool(h.region, umem.PoolConfig{
		Worker: id, Workers: c.Workers, First: id * c.Frames, Frames: c.Frames,
		FillFloor: c.Fill, ControlFloor: c.Frames / 16, SendQuota: c.Frames, ReceiveQuota: c.Frames / 2,
	})
	if err != nil {
		return nil, err
	}
	w.stack, err = stack.New(stack.Config{
		Worker: id, Workers: c.Workers, Pool: w.pool, Rand: newRand(h.net.seed, stream),
		Ifaces: []stack.Iface{{Name: "sim0", MAC: c.MAC, MTU: c.MTU, Addrs: c.Addrs}},
		Routes: c.Routes, Limits: c.Limits, DAD: c.DAD, ISN: c.ISN,
	})
	if err != nil {
		return nil, err
	}
	w.verbs = w.stack
	if c.Wrap != nil {
		w.verbs = c.Wrap(w.stack)
	}
	w.port.refill()
	return w, nil
}

// Host is the host that the worker belongs to.
func (w *Worker) Host() *Host { return w.host }

// ID is the worker's number.
func (w *Worker) ID() int { return w.id }

// Stack is the worker's stack. Sockets are opened, and messages sent, in Do or in
// Host.OnEvent: in a turn.
func (w *Worker) Stack() *stack.Stack { return w.stack }

// Pool is the worker's pool.
func (w *Worker) Pool() *umem.Pool { return w.pool }

// String is the worker's name in messages.
func (w *Worker) String() string { return fmt.Sprintf("%s worker %d", w.host.cfg.Name, w.id) }

func (w *Worker) fail(format string, args ...any) {
	w.host.net.Fail("%v, turn %d: %w", w, w.turns, fmt.Errorf(format, args...))
}

// Do has run called in a turn of the worker, soon.
func (w *Worker) Do(run func(now umem.Time)) {
	w.calls = append(w.calls, run)
	w.wake()
}

// wake gives the worker a turn as soon as it notices.
func (w *Worker) wake() {
	n, c := w.host.net, &w.host.cfg
	if w.turnAt <= n.now {
		return
	}
	d := c.TurnDelay
	if chance(n.schedule, c.Stall) {
		d = c.StallDelay
	}
	w.turnBy(n.now + upTo(n.schedule, d))
}

// turnBy schedules a turn, unless an earlier one is.
func (w *Worker) turnBy(at umem.Time) {
	if w.turnAt <= at {
		return
	}
	w.turnAt = at
	w.turn++
	number := w.turn
	w.host.net.At(at, func() {
		if w.turn == number && w.turnAt != umem.Never {
			w.turnAt = umem.Never
			w.run()
		}
	})
}

// run is a turn. Its order is that of engine.Worker.Turn.
func (w *Worker) run() {
	now := w.host.net.now
	due := w.verbs.Deadline() <= now
	w.turns++
	w.more = false
	work := w.reap(now)
	work = w.receive(now) || work
	work = w.visit(now) || work
	work = w.call(now) || work
	w.verbs.Expire(now, expireBudget)
	work = w.hand() || work
	work = w.output(now) || work
	w.sendHome()
	w.port.refill()
	w.audit()
	w.reason(due, work)
	w.again(now)
}

func (w *Worker) reap(now umem.Time) bool {
	n := w.port.reap(w.batch)
	if n > 0 {
		w.verbs.Completed(now, w.batch[:n])
	}
	return n > 0
}

func (w *Worker) receive(now umem.Time) bool {
	n := w.port.receive(now, w.batch)
	if n > 0 {
		w.verbs.Input(now, w.batch[:n])
	}
	return n > 0
}

func (w *Worker) call(now umem.Time) bool {
	calls := w.calls
	w.calls = nil
	for _, run := range calls {
		run(now)
	}
	return len(calls) > 0
}

// hand hands out one batch of events.
func (w *Worker) hand() bool {
	n := w.verbs.Events(w.events)
	w.more = n == len(w.events)
	for i := range w.events[:n] {
		e := &w.events[i]
		if w.host.intern(w, e) {
			continue
		}
		w.host.settled(w, e)
		w.dispatch(w.host.net.now, e)
	}
	return n > 0
}

// output sends what the stack has to send, no more than the TX ring takes.
func (w *Worker) output(now umem.Time) bool {
	room := min(len(w.batch), w.port.room())
	if room <= 0 {
		w.port.stats.TxFull++
		return false
	}
	n := w.verbs.Output(now, w.batch[:room])
	w.more = w.more || n == room
	for _, f := range w.batch[:n] {
		if f.Port >= umem.PortWorker {
			w.handOff(f)
			continue
		}
		w.port.transmit(f)
	}
	return n > 0
}

// audit checks the ledger: both sums, and every frame.
func (w *Worker) audit() {
	h := umem.Holders{Fill: len(w.port.fill) + len(w.port.rx), Tx: w.port.inTx}
	h.Holds[umem.HoldTx] = w.port.inTx
	h.Holds[umem.HoldWorker] = w.lent
	w.verbs.Holders(&h)
	if err := w.pool.Balance(&h); err != nil {
		w.fail("%w", err)
		return
	}
	if err := w.pool.Audit(); err != nil {
		w.fail("%w", err)
	}
}

// reason counts the turns that a deadline asked for and that had nothing to do.
func (w *Worker) reason(due, work bool) {
	if work || !due {
		w.idle = 0
		return
	}
	w.idle++
	w.maxIdle = max(w.maxIdle, w.idle)
	if w.idle > idleLimit {
		w.fail("sim: no timer without a reason: Deadline asked for %d turns in a row that did nothing", w.idle)
	}
}

// again schedules the next turn, when there is a reason for one.
func (w *Worker) again(now umem.Time) {
	if w.more || w.port.ready() || w.visited() || len(w.calls) > 0 {
		w.wake()
	}
	d := w.verbs.Deadline()
	if d < umem.Never {
		w.turnBy(max(d, now))
	}
}
