package tcp

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/stack/wheel"
	"github.com/xdpstack/xdpstack/umem"
)

// Net is the layer below.
type Net interface {
	// Route finds the way to a destination; the Dest is valid until the next call.
	Route(now umem.Time, dst, src ip.Addr, iface uint8) (*ip.Dest, socket.Errno)
	// Emit sends f, complete with its headers and with a HoldTx, and takes it over.
	Emit(now umem.Time, f *umem.Frame, d *ip.Dest, owner *socket.Owner) socket.Errno
	// Room reports whether the queue before the device takes more.
	Room() bool
}

// Config is what a Table is made from.
type Config struct {
	Pool   *umem.Pool
	Net    Net
	Wheel  *wheel.Wheel
	Timer  uint32 // number of the first slot's timer
	Secret table.Secret
	Key    [2]uint64 // of initial sequence numbers; random
	Ports  socket.Ports
	Count  *Counters

	// ISN gives initial sequence numbers; nil: those of RFC 6528.
	ISN func(now umem.Time, local, peer socket.Addr) uint32

	Streams    int // slots: connections and listeners
	Backlog    int // of a listener, when it says none
	SynBacklog int // half-open connections of a listener
	RecvBytes  int
	SendBytes  int
	RTOMin     umem.Time
	TimeWait   umem.Time
}

// key is what a segment is looked up by: words only. That of a listener has no
// remote end.
type key struct {
	local, remote ip.Addr
	ports         uint64
}

func makeKey(local, remote socket.Addr) key {
	return key{local.IP, remote.IP, uint64(local.Port)<<16 | uint64(remote.Port)}
}

// portBuckets is how many chains the bound ports are spread over.
const portBuckets = 1 << 10

// Table is TCP of one worker: its connections and listeners, and what they share.
type Table struct {
	cfg      Config
	pool     *umem.Pool
	region   *umem.Region
	net      Net
	count    *Counters
	conns    []Conn
	slab     table.Slab
	keys     table.Map[key]
	segments Segments
	ports    [portBuckets]uint32

	dirty   list // what Flush looks at
	waiting list // what waits for a completion
	told    list // what has events
	aged    list // TIME-WAIT without a handle, oldest first

	nextPort uint32 // RFC 6056, section 3.3.3
	changes  uint32 // of the keys: see Epoch

	lastKey key // the last find: a batch is often of one flow
	last    uint32
	lastOK  bool

	received  int // frames in receive queues
	held      int // frames in send queues
	forwarded int // of them received ones
	verdict   Verdict
}

// New makes an empty table.
func New(cfg Config) *Table {
	t := &Table{
		cfg: cfg, pool: cfg.Pool, region: cfg.Pool.Region(), net: cfg.Net, count: cfg.Count,
		conns: make([]Conn, cfg.Streams), slab: table.NewSlab(cfg.Streams), keys: table.NewMap[key](cfg.Streams),
		segments: NewSegments(cfg.Pool.Config().Frames + cfg.Pool.Config().Frames/8 + 64),
		dirty:    emptyList, waiting: emptyList, told: emptyList, aged: emptyList,
	}
	for i := range t.ports {
		t.ports[i] = none
	}
	return t
}

// Len is how many slots are in use, closing connections included.
func (t *Table) Len() int { return t.slab.Len() }

// At is the connection in a slot that Find gave.
func (t *Table) At(i uint32) *Conn { return &t.conns[i] }

// Epoch counts the changes of the keys: what Find gave holds as long as it is the same.
func (t *Table) Epoch() uint32 { return t.changes }

// Get finds a socket by its handle: nil when it is stale, also when the connection lives on
// without one.
func (t *Table) Get(h socket.Handle) *Conn {
	i := h.Slot()
	if !h.IsStream() || !t.slab.Live(i, h.Gen) {
		return nil
	}
	c := &t.conns[i]
	if c.is(flagOrphan | flagEmbryo) {
		return nil
	}
	return c
}

// handle names c.
func (t *Table) handle(c *Conn) socket.Handle {
	i := t.index(c)
	return socket.StreamHandle(i, t.slab.Gen(i))
}

// Open makes a socket: neither bound nor connected. ENFILE: all slots are in use.
func (t *Table) Open(now umem.Time, owner socket.Owner) (socket.Handle, socket.Errno) {
	c := t.alloc(now)
	if c == nil {
		return socket.Handle{}, socket.ENFILE
	}
	c.owner = owner
	t.SetOptions(c, socket.Options{})
	return t.handle(c), 0
}

// defaultTTL as in package socket.
const defaultTTL = 64

// SetOptions replaces the options. A smaller receive buffer takes no window back.
func (t *Table) SetOptions(c *Conn, o socket.Options) socket.Errno {
	if c.is(flagBound) && o.V6Only != c.is(flagV6Only) {
		return socket.EINVAL
	}
	c.flags &^= flagNoDelay | flagV6Only
	if o.NoDelay {
		c.flags |= flagNoDelay
	}
	if o.V6Only {
		c.flags |= flagV6Only
	}
	c.ttl, c.tos = o.TTL, o.TOS
	if c.ttl == 0 {
		c.ttl = defaultTTL
	}
	c.rcv.limit, c.sndLimit = uint32(o.RecvBytes), uint32(o.SendBytes)
	if c.rcv.limit == 0 {
		c.rcv.limit = uint32(t.cfg.RecvBytes)
	}
	if c.sndLimit == 0 {
		c.sndLimit = uint32(t.cfg.SendBytes)
	}
	t.touch(c)
	return 0
}

// alloc takes a free slot, or that of the connection that has been in TIME-WAIT longest. nil:
// there is none.
func (t *Table) alloc(now umem.Time) *Conn {
	i, _, ok := t.slab.Alloc()
	if !ok {
		if t.aged.n == 0 {
			return nil
		}
		t.count.TCPTimeWaitOverflow++
		t.end(&t.conns[t.aged.first], 0)
		i, _, _ = t.slab.Alloc()
	}
	c := &t.conns[i]
	*c = Conn{rtx: umem.Never, delack: umem.Never, app: umem.Never, half: emptyList, accept: emptyList, port: none}
	c.queue.Init(0)
	c.recv.Init(t.region.ChunkSize())
	return c
}

// Find finds the connection that a segment from remote to local belongs to.
func (t *Table) Find(local, remote socket.Addr) (uint32, bool) {
	last := &t.lastKey
	if last.ports == uint64(local.Port)<<16|uint64(remote.Port) && last.local == local.IP && last.remote == remote.IP {
		return t.last, t.lastOK
	}
	k := makeKey(local, remote)
	i, ok := t.keys.Get(t.hash(&k), k)
	t.lastKey, t.last, t.lastOK = k, i, ok
	return i, ok
}

// FindListener finds who listens at local, the most special first.
func (t *Table) FindListener(local socket.Addr) (uint32, bool) {
	if i, ok := t.get(makeKey(local, socket.Addr{})); ok {
		return i, true
	}
	if local.IP.Is4() {
		if i, ok := t.get(makeKey(socket.Addr{IP: ip.Any4, Port: local.Port}, socket.Addr{})); ok {
			return i, true
		}
	}
	i, ok := t.get(makeKey(socket.Addr{IP: ip.Any6, Port: local.Port}, socket.Addr{}))
	if ok && local.IP.Is4() && t.conns[i].is(flagV6Only) {
		return 0, false
	}
	return i, ok
}

func (t *Table) get(k key) (uint32, bool) { return t.keys.Get(t.hash(&k), k) }

func (t *Table) hash(k *key) uint64 {
	return t.cfg.Secret.Hash5(k.local.Hi, k.local.Lo, k.remote.Hi, k.remote.Lo, k.ports)
}

// file enters c under its ends. False: the key is taken, or its buckets are full.
func (t *Table) file(c *Conn) bool {
	k := makeKey(c.Local(), c.Peer())
	if _, taken := t.get(k); taken || !t.keys.Put(t.hash(&k), k, t.index(c)) {
		return false
	}
	c.flags |= flagFiled
	t.changed()
	return true
}

func (t *Table) unfile(c *Conn) {
	if !c.is(flagFiled) {
		return
	}
	k := makeKey(c.Local(), c.Peer())
	t.keys.Delete(t.hash(&k), t.index(c))
	c.flags &^= flagFiled
	t.changed()
}

func (t *Table) changed() {
	t.changes++
	t.lastKey = key{}
}
