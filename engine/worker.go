package engine

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/xdpstack/xdpstack/umem"
)

// Mode is whether a worker has a core to itself.
type Mode uint8

// The modes.
const (
	// Shared: a goroutine like any other, on any thread, that yields on every turn
	// without work. Goroutines that its events wake run within a microsecond.
	Shared Mode = iota
	// Dedicated: a thread and a core of its own, for handlers that run inline.
	Dedicated
)

// String is the mode's name in configurations and status.
func (m Mode) String() string { return [...]string{"shared", "dedicated"}[m&1] }

// Poll is when a worker sleeps.
type Poll uint8

// The ways to poll.
const (
	Adaptive  Poll = iota // after SpinFor without work
	Busy                  // never
	Interrupt             // as soon as there is no work
)

var pollNames = [...]string{"adaptive", "busy", "interrupt"}

// String is the word for p in configurations and status.
func (p Poll) String() string { return pollNames[int(p)%len(pollNames)] }

// ParsePoll reads the word for a way to poll.
func ParsePoll(s string) (Poll, error) {
	for i, name := range pollNames {
		if s == name {
			return Poll(i), nil
		}
	}
	return 0, fmt.Errorf("engine: no way to poll is called %q: say busy, adaptive or interrupt", s)
}

// Defaults and limits of WorkerConfig.
const (
	DefaultBatch   = 64
	MaxBatch       = 1024
	DefaultBudget  = 256
	DefaultSpinFor = 50 * umem.Microsecond
)

// WorkerConfig says how a worker is made. The zero value of a field is its
// default where one is given.
type WorkerConfig struct {
	ID   int // number of the worker, as in its pool
	CPU  int // core of a dedicated worker; negative: whichever core the thread may use
	Mode Mode
	Poll Poll

	Ports   []Port // by the number that Frame.In and Frame.Port mean
	Pool    *umem.Pool
	Program Program
	Mesh    *Mesh // with the other workers; nil: there are none

	Batch   int       // most frames per stage, port and turn: 64
	Budget  int       // most timers per turn: 256
	SpinFor umem.Time // time without work before an adaptive worker sleeps: 50 µs

	// Clock gives the time, once a turn: Now.
	Clock func() umem.Time
	// LedgerEvery is after how many turns the ledger is checked; 0: only at the end.
	// At 1 every frame is looked at too, each turn: that is for tests.
	LedgerEvery int
}

// A Worker is one core's loop. Run and Turn belong to one goroutine; Post, Wake, Stop, Do,
// Stats and TraceNext may be called from any.
type Worker struct {
	cfg     WorkerConfig
	ports   []Port
	pool    *umem.Pool
	program Program
	mesh    *Mesh
	clock   func() umem.Time

	batch []*umem.Frame   // of the stage that runs
	late  [][]*umem.Frame // by port: what it took less than its room said
	lates int             // frames in late
	down  []bool          // by port: Kick said ErrDown last
	lent  int             // own frames with other workers, by our own count
	dirty uint64          // workers to wake at the end of the turn
	note  [1]Note         // the one being delivered

	lastTurn   umem.Time
	idleSince  umem.Time // 0: was not
	reapIn     umem.Time // how long to sleep at most while frames are with a device
	eventsSeen uint64
	ledgerIn   int
	err        error        // that ends Run
	holders    umem.Holders // of the audit that runs
	stats      WorkerStats
	trace      *tracer

	mail  Mailbox
	box   func(*Node)
	boxAt umem.Time

	sleeping atomic.Bool
	stopping atomic.Bool
	sleeper  sleeper
	seams    seams

	mu      sync.Mutex // guards running, and posting of calls
	running bool
	calls   Mailbox
}

// seams are points where a test holds a worker, to force what it may meet there.
type seams struct {
	decided func() // will sleep; has not said so
	said    func() // has said so; has not looked again
	looked  func() // has looked; does not block yet
}

// NewWorker makes a worker, and enters it in cfg.Mesh. Close frees what it holds of the
// operating system.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s, err := newSleeper(cfg.Mode, cfg.Ports)
	if err != nil {
		return nil, err
	}
	w := &Worker{
		cfg: cfg, ports: cfg.Ports, pool: cfg.Pool, program: cfg.Program, mesh: cfg.Mesh, clock: cfg.Clock,
		batch: make([]*umem.Frame, cfg.Batch), late: make([][]*umem.Frame, len(cfg.Ports)), down: make([]bool, len(cfg.Ports)),
		sleeper: s, reapIn: reapFirst,
	}
	for i := range w.late {
		w.late[i] = make([]*umem.Frame, 0, cfg.Batch)
	}
	w.box = func(n *Node) { w.program.Mail(w.boxAt, n) }
	if w.mesh != nil {
		w.mesh.workers[cfg.ID] = w
	}
	return w, nil
}

// check fills in the defaults and says what is wrong.
func (c *WorkerConfig) check() error {
	c.Batch, c.Budget = orDefault(c.Batch, DefaultBatch), orDefault(c.Budget, DefaultBudget)
	if c.SpinFor == 0 {
		c.SpinFor = DefaultSpinFor
	}
	if c.Clock == nil {
		c.Clock = Now
	}
	switch {
	case c.Pool == nil || c.Program == nil:
		return fmt.Errorf("engine: worker %d has no pool or no program: set WorkerConfig.Pool and Program", c.ID)
	case c.Pool.Config().Worker != c.ID:
		return fmt.Errorf("engine: worker %d was given the pool of worker %d", c.ID, c.Pool.Config().Worker)
	case c.Batch < 1 || c.Batch > MaxBatch || c.Budget < 1:
		return fmt.Errorf("engine: batch %d, budget %d: 1 to %d frames, and 1 timer or more, are possible", c.Batch, c.Budget, MaxBatch)
	case len(c.Ports) >= umem.PortWorker:
		return fmt.Errorf("engine: %d ports on worker %d: at most %d are possible", len(c.Ports), c.ID, umem.PortWorker-1)
	case c.Mesh != nil && (c.ID < 0 || c.ID >= c.Mesh.Workers()):
		return fmt.Errorf("engine: worker %d in a mesh of %d: number workers from 0", c.ID, c.Mesh.Workers())
	}
	return nil
}

// ID is the worker's number.
func (w *Worker) ID() int { return w.cfg.ID }

// Post gives n to the program's Mail, in the worker's next turn. n must be in no mailbox.
func (w *Worker) Post(n *Node) {
	w.mail.Post(n)
	w.Wake()
}

// Wake ends the worker's sleep, if it sleeps. It costs one load if it does not.
func (w *Worker) Wake() {
	if w.sleeping.Load() && w.sleeping.Swap(false) {
		w.sleeper.wake()
	}
}

// Note sends n to the program of another worker. It returns false, and counts that, when
// the ring is full or there is no such worker. It is the worker's own to call.
func (w *Worker) Note(to int, n Note) bool {
	if w.mesh == nil || to == w.cfg.ID || to < 0 || to >= w.mesh.Workers() || !w.mesh.notes[w.cfg.ID][to].Push(n) {
		w.stats.NotesDropped++
		return false
	}
	w.stats.NotesOut++
	w.dirty |= 1 << uint(to)
	return true
}

// Close frees the worker's descriptors. It must not run any more.
func (w *Worker) Close() error { return w.sleeper.close() }
