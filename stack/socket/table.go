package socket

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/umem"
)

// none ends a chain of sockets.
const none = ^uint32(0)

// Protocols that have sockets of their own.
const protoUDP = 17

// Config bounds a table.
type Config struct {
	Sockets    int
	Raw        int // of them raw
	RecvFrames int // default bound of a receive queue
	RecvBytes  int
	Ports      Ports
	Secret     table.Secret
	Random     uint64 // where the search for an ephemeral port begins
}

// Socket is an entry of the table. It holds no Go pointer.
type Socket struct {
	Local, Peer Addr
	Owner       Owner
	handle      Handle

	recv       umem.Queue // received frames, each with a HoldReceive
	recvBytes  int32
	recvFrames int32 // bounds of recv
	recvLimit  int32

	portNext uint32 // next socket of the same bucket of ports

	Proto  uint8
	Family Family
	TTL    uint8
	TOS    uint8
	Err    Errno // pending: the next call returns it (so_error)
	class  class
	flags  sockFlags

	Drops uint64 // datagrams that its queue had no room for
}

type sockFlags uint8

const (
	flagEvents sockFlags = 1 << iota
	flagV6Only
	flagBroadcast
)

// class is how specific a socket's key is.
type class uint8

const (
	unbound   class = iota
	wildcard        // any local address, a port
	bound           // a local address and a port
	connected       // both ends
	numClasses
)

// key is what a datagram is looked up by: words only, so that keys compare as
// memory.
type key struct {
	local, remote ip.Addr
	ports         uint64 // protocol, local and remote port
}

func makeKey(proto uint8, local, remote Addr) key {
	return key{local.IP, remote.IP, portsOf(proto, local.Port, remote.Port)}
}

func portsOf(proto uint8, local, remote uint16) uint64 {
	return uint64(proto)<<32 | uint64(local)<<16 | uint64(remote)
}

// portBuckets is how many chains the sockets' ports are spread over, as
// Linux's udp_table is.
const portBuckets = 1 << 10

// Table is the socket table of one worker.
type Table struct {
	sockets []Socket
	slab    table.Slab
	keys    table.Map[key]
	count   [numClasses]int
	ports   [portBuckets]uint32
	raws    []uint32
	cfg     Config

	// The last find: a batch is often of one flow. Cleared by every change.
	lastKey key
	last    uint32
	lastOK  bool
}

// NewTable makes an empty table.
func NewTable(cfg Config) *Table {
	t := &Table{
		sockets: make([]Socket, cfg.Sockets),
		slab:    table.NewSlab(cfg.Sockets),
		keys:    table.NewMap[key](cfg.Sockets),
		raws:    make([]uint32, 0, cfg.Raw),
		cfg:     cfg,
	}
	for i := range t.ports {
		t.ports[i] = none
	}
	return t
}

// Len is the number of open sockets.
func (t *Table) Len() int { return t.slab.Len() }

// Open makes a socket. The error is EPROTONOSUPPORT or ENFILE.
func (t *Table) Open(family Family, proto uint8, owner Owner) (Handle, Errno) {
	switch {
	case family == Datagram && (proto == 0 || proto == protoUDP):
		proto = protoUDP
	case family != Raw || proto == 0:
		return Handle{}, EPROTONOSUPPORT
	case len(t.raws) == cap(t.raws):
		return Handle{}, ENFILE
	}
	i, gen, ok := t.slab.Alloc()
	if !ok {
		return Handle{}, ENFILE
	}
	s := &t.sockets[i]
	*s = Socket{Owner: owner, handle: Handle{i, gen}, Family: family, Proto: proto, recv: umem.NewQueue(), portNext: none}
	s.SetOptions(Options{}, &t.cfg)
	if family == Raw {
		t.raws = append(t.raws, i)
	}
	return s.handle, 0
}

// Get finds a socket by its handle: nil when it is stale.
func (t *Table) Get(h Handle) *Socket {
	if !t.slab.Live(h.Index, h.Gen) {
		return nil
	}
	return &t.sockets[h.Index]
}

// At is the socket in a slot that Find or Raws gave.
func (t *Table) At(i uint32) *Socket { return &t.sockets[i] }

// Cap is how many slots there are; Used says whether one is in use.
func (t *Table) Cap() int { return len(t.sockets) }

// Used: see Cap.
func (t *Table) Used(i uint32) bool { return t.slab.Used(i) }

// Raws are the raw sockets, few.
func (t *Table) Raws() []uint32 { return t.raws }

// Close takes the socket out. Its receive queue must be empty.
func (t *Table) Close(s *Socket) {
	t.unfile(s)
	i := s.handle.Index
	for j, r := range t.raws {
		if r == i {
			t.raws = append(t.raws[:j], t.raws[j+1:]...)
			break
		}
	}
	t.slab.Free(i)
}

// Find finds the socket for a datagram from remote to local: the most specific
// one, as Linux's __udp4_lib_lookup does.
func (t *Table) Find(proto uint8, local, remote Addr) (uint32, bool) {
	// Word by word: comparing whole keys would read wide what was just written
	// narrow, which stalls.
	last := &t.lastKey
	if last.ports == portsOf(proto, local.Port, remote.Port) && last.local == local.IP && last.remote == remote.IP {
		return t.last, t.lastOK
	}
	i, ok := t.find(proto, local, remote)
	t.lastKey, t.last, t.lastOK = makeKey(proto, local, remote), i, ok
	return i, ok
}

func (t *Table) find(proto uint8, local, remote Addr) (uint32, bool) {
	if t.count[connected] != 0 {
		if i, ok := t.get(makeKey(proto, local, remote)); ok {
			return i, true
		}
	}
	if t.count[bound] != 0 {
		if i, ok := t.get(makeKey(proto, local, Addr{})); ok {
			return i, true
		}
	}
	if t.count[wildcard] == 0 {
		return 0, false
	}
	if local.IP.Is4() {
		if i, ok := t.get(makeKey(proto, Addr{ip.Any4, local.Port}, Addr{})); ok {
			return i, true
		}
	}
	i, ok := t.get(makeKey(proto, Addr{ip.Any6, local.Port}, Addr{}))
	if ok && local.IP.Is4() && t.sockets[i].flags&flagV6Only != 0 {
		return 0, false
	}
	return i, ok
}

func (t *Table) get(k key) (uint32, bool) { return t.keys.Get(t.hash(k), k) }

func (t *Table) hash(k key) uint64 {
	return t.cfg.Secret.Hash5(k.local.Hi, k.local.Lo, k.remote.Hi, k.remote.Lo, k.ports)
}

// Hash is the flow hash of a datagram's ends.
func (t *Table) Hash(proto uint8, local, remote Addr) uint32 {
	return uint32(t.hash(makeKey(proto, local, remote)))
}

// key is what s is filed under.
func (s *Socket) key() key { return makeKey(s.Proto, s.Local, s.Peer) }

// file enters s under its addresses. It gives false when the table's buckets for
// that key are full.
func (t *Table) file(s *Socket) bool {
	k := s.key()
	if !t.keys.Put(t.hash(k), k, s.handle.Index) {
		return false
	}
	switch {
	case s.Peer != Addr{}:
		s.class = connected
	case s.Local.IP.IsAny():
		s.class = wildcard
	default:
		s.class = bound
	}
	t.count[s.class]++
	t.lastKey = key{}
	head := &t.ports[portBucket(s.Proto, s.Local.Port)]
	s.portNext, *head = *head, s.handle.Index
	return true
}

// unfile is file's reverse.
func (t *Table) unfile(s *Socket) {
	t.lastKey = key{}
	if s.class == unbound {
		return
	}
	k := s.key()
	t.keys.Delete(t.hash(k), s.handle.Index)
	t.count[s.class]--
	s.class = unbound
	p := &t.ports[portBucket(s.Proto, s.Local.Port)]
	for *p != s.handle.Index {
		p = &t.sockets[*p].portNext
	}
	*p = s.portNext
	s.portNext = none
}

func portBucket(proto uint8, port uint16) uint32 {
	return (uint32(port) ^ uint32(proto)<<4) & (portBuckets - 1)
}
