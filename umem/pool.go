package umem

import (
	"errors"
	"fmt"
)

// MaxWorkers is how many pools a region can have.
const MaxWorkers = 64

// Class says on whose account a frame is taken.
type Class uint8

// The classes, by rank: each leaves what those before it need.
const (
	ClassReceive Class = iota // the fill ring, and so what is received
	ClassControl              // ARP, ND, ICMP, ACK, RST: what keeps peers from waiting
	ClassSend                 // data of the application
	numClasses
)

// PoolConfig bounds a pool. All counts are frames.
type PoolConfig struct {
	Worker  int // number of the worker, below MaxWorkers
	Workers int // of the host: who may lend to this one
	First   int // first chunk of the worker's run
	Frames  int // length of the run

	// FillFloor is what fill and RX rings need: as many frames are with the
	// kernel for receiving, or kept for it.
	FillFloor int
	// ControlFloor is kept for ClassControl on top.
	ControlFloor int
	// SendQuota bounds the frames that ClassSend has in use.
	SendQuota int
	// ReceiveQuota bounds the frames that receive queues and the application hold.
	ReceiveQuota int
}

// Errors of NewPool.
var (
	ErrPoolRun    = errors.New("umem: the worker's run of chunks lies outside the region or belongs to another worker")
	ErrPoolFloors = errors.New("umem: floors leave no frame to send with")
	ErrWorkers    = errors.New("umem: workers are numbered from 0 to 63")
)

// Pool is one worker's part of a Region: a stack of free frames, last freed,
// first used, since that one is still in the cache. It is used by its worker
// alone.
type Pool struct {
	region *Region
	cfg    PoolConfig

	free   []uint32
	places [numPlaces]int // of own frames here, and borrowed ones
	holds  [NumHolds]int
	used   [numClasses]int

	lent     int     // own frames with other workers
	borrowed int     // others' frames here
	away     []Queue // others' frames to send home, by owner
	awayLen  int

	Refused [numClasses]uint64 // requests that a floor or quota refused
}

// NewPool claims cfg.Frames chunks of r for a worker. All begin free.
func NewPool(r *Region, cfg PoolConfig) (*Pool, error) {
	if cfg.Worker < 0 || cfg.Worker >= MaxWorkers || cfg.Workers <= cfg.Worker || cfg.Workers > MaxWorkers {
		return nil, fmt.Errorf("%w: worker %d of %d", ErrWorkers, cfg.Worker, cfg.Workers)
	}
	if cfg.First < 0 || cfg.Frames <= 0 || cfg.First+cfg.Frames > r.Len() {
		return nil, fmt.Errorf("%w: chunks %d to %d of %d", ErrPoolRun, cfg.First, cfg.First+cfg.Frames, r.Len())
	}
	if cfg.FillFloor+cfg.ControlFloor >= cfg.Frames {
		return nil, fmt.Errorf("%w: fill %d and control %d of %d frames", ErrPoolFloors, cfg.FillFloor, cfg.ControlFloor, cfg.Frames)
	}
	run := r.frames[cfg.First : cfg.First+cfg.Frames]
	for i := range run {
		if run[i].owner != NoOwner {
			return nil, fmt.Errorf("%w: chunk %d is worker %d's", ErrPoolRun, run[i].index, run[i].owner)
		}
	}
	p := &Pool{region: r, cfg: cfg, free: make([]uint32, 0, cfg.Frames), away: make([]Queue, cfg.Workers)}
	for i := range p.away {
		p.away[i] = NewQueue()
	}
	for i := len(run) - 1; i >= 0; i-- {
		run[i].owner = uint8(cfg.Worker)
		p.free = append(p.free, run[i].index)
	}
	p.places[PlaceFree] = cfg.Frames
	return p, nil
}

// Region is the region that the pool is a part of.
func (p *Pool) Region() *Region { return p.region }

// Config is what the pool was made with.
func (p *Pool) Config() PoolConfig { return p.cfg }

// InUse is how many frames are taken on the account of c and not freed yet.
func (p *Pool) InUse(c Class) int { return p.used[c] }

// Available is how many frames c can take now.
func (p *Pool) Available(c Class) int {
	n := len(p.free)
	if c == ClassReceive {
		return n
	}
	n -= max(p.cfg.FillFloor-p.places[PlaceFill], 0)
	if c == ClassSend {
		n = min(n-p.cfg.ControlFloor, p.cfg.SendQuota-p.used[ClassSend])
	}
	return max(n, 0)
}

// ReceiveRoom is how many more frames receive queues and the application may
// hold, besides those that are just received: what their quota leaves, as long as the fill ring and
// control have what they need. Frames that go from receive queues to be sent on leave the quota, and are
// bounded by that alone.
func (p *Pool) ReceiveRoom() int {
	return max(min(p.receiveQuota(), p.spare()), 0)
}

// How receive queues share their quota: what is above its last part is for any, in the last part a queue may have a
// few frames, or a small share of what is left.
const (
	reservedPart = 4
	fewFrames    = 4
	fewShare     = 64
)

// ReceiveShare is ReceiveRoom as one queue may see it: free for any, or, beyond that, as many frames as few in all, so that queues
// that nobody reads do not stop those that are read. What is offered to a peer should be no more.
func (p *Pool) ReceiveShare() (free, few int) {
	room := p.ReceiveRoom()
	if room > 0 {
		few = max(fewFrames, room/fewShare)
	}
	return max(room-p.cfg.ReceiveQuota/reservedPart, 0), few
}

// MayKeep reports whether one frame that was received may go to a receive queue that has n already: see ReceiveShare.
// The first frame may be taken from what control has, so that something can go on always: of two connections of
// this worker each may wait for the other's.
func (p *Pool) MayKeep(n int) bool {
	quota, spare := p.receiveQuota(), p.spare()
	switch {
	case n == 0:
		return quota > 0 && spare >= -p.cfg.ControlFloor/2
	case n < fewFrames:
		return quota > 0 && spare >= 0
	}
	free, few := p.ReceiveShare()
	return free > 0 || n < few
}

func (p *Pool) receiveQuota() int {
	return p.cfg.ReceiveQuota - p.holds[HoldReceive] - p.holds[HoldApp]
}

// spare is how many free frames neither the fill ring nor control wants; negative when
// they lack some.
func (p *Pool) spare() int {
	return len(p.free) - max(p.cfg.FillFloor-p.places[PlaceFill], 0) - p.cfg.ControlFloor
}

// Get takes a free frame: empty, with Headroom, in place stack, without a hold.
// The caller holds it or frees it before its turn ends. It returns nil, and
// counts the refusal, when c would go below its floor or beyond its quota.
func (p *Pool) Get(c Class) *Frame {
	if p.Available(c) == 0 {
		p.Refused[c]++
		return nil
	}
	f := p.pop()
	f.place, f.last, f.class = PlaceStack, ActGot, c
	f.reset()
	p.places[PlaceFree]--
	p.places[PlaceStack]++
	p.used[c]++
	return f
}

func (p *Pool) pop() *Frame {
	n := len(p.free) - 1
	f := p.region.Frame(p.free[n])
	p.free = p.free[:n]
	return f
}

// ToFill moves free frames to place fill and writes their addresses, those of
// their chunks, to out, for the fill ring of a device, by which Reclaim knows them
// again. It returns how many: the smaller of len(out) and the free frames.
func (p *Pool) ToFill(device uint8, out []uint64) int {
	n := min(len(out), len(p.free))
	left := len(p.free) - n
	frames, shift := p.region.frames, p.region.shift&63
	out = out[:n]
	for i, index := range p.free[left:] {
		f := &frames[index]
		f.place, f.last, f.class, f.In = PlaceFill, ActFilled, ClassReceive, device
		out[i] = uint64(index) << shift
	}
	p.free = p.free[:left]
	p.places[PlaceFree] -= n
	p.places[PlaceFill] += n
	p.used[ClassReceive] += n
	return n
}

// Moved counts n frames that Region.Received, Region.Reaped or Frame.ToTx moved
// from one place to another.
func (p *Pool) Moved(from, to Place, n int) {
	p.places[from] -= n
	p.places[to] += n
}

// Hold adds a hold of kind h.
func (p *Pool) Hold(f *Frame, h Hold) {
	f.holds += 1 << (uint(h) * holdBits)
	f.last = ActHeld + Act(h)
	p.holds[h]++
}

// Release drops a hold of kind h, and frees the frame when that was the last
// and the frame is not with the kernel. The caller must have the hold.
func (p *Pool) Release(f *Frame, h Hold) {
	if !f.Held(h) {
		f.misuse("Release", int(h))
	}
	f.holds -= 1 << (uint(h) * holdBits)
	f.last = ActReleased + Act(h)
	p.holds[h]--
	if f.place == PlaceStack && f.holds&^workerHold == 0 {
		p.Free(f)
	}
}

// Free returns a frame in place stack that nobody holds to the pool that it
// came from, with its fragments. A borrowed frame is set aside for TakeAway.
func (p *Pool) Free(f *Frame) {
	if f.place != PlaceStack || f.holds&^workerHold != 0 {
		f.misuse("Free", int(f.place))
	}
	if f.next == none && f.owner == uint8(p.cfg.Worker) {
		p.push(f)
		return
	}
	for f != nil {
		g := f.Next()
		f.next = none
		f.Flags &^= FlagFragment
		p.freeOne(f)
		f = g
	}
}

func (p *Pool) freeOne(f *Frame) {
	if f.owner == uint8(p.cfg.Worker) {
		p.push(f)
		return
	}
	p.places[PlaceStack]--
	f.last = ActFreed
	p.away[f.owner].Push(f)
	p.awayLen++
}

func (p *Pool) push(f *Frame) {
	f.place, f.last = PlaceFree, ActFreed
	p.places[PlaceStack]--
	p.places[PlaceFree]++
	p.used[f.class]--
	p.free = append(p.free, f.index)
}
