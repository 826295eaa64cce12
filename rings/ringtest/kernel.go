package ringtest

import "github.com/xdpstack/xdpstack/rings"

// Socket is our side of the four rings of a socket.
type Socket struct {
	Fill       *rings.Fill
	RX         *rings.RX
	TX         *rings.TX
	Completion *rings.Completion
}

// SocketConfig says how a Kernel and its rings are made.
type SocketConfig struct {
	// Fill, RX, TX and Completion describe the rings.
	Fill, RX, TX, Completion Config
	// ChunkSize is the size of a chunk in aligned mode, a power of two: addresses taken from
	// the fill ring are masked to it. 0: they are used as they are.
	ChunkSize uint64
	// Headroom is where a received packet begins, counted from the address: in copy
	// mode 256 (XDP_PACKET_HEADROOM) and the headroom of the registration.
	Headroom uint64
	// Length is the length of received packets in bytes, unless Write says it.
	Length uint32
	// Write, if set, makes a received packet at addr, and returns its length.
	Write func(addr uint64) (length uint32)
	// Read, if set, sees each packet that was sent, when it is taken from TX.
	Read func(rings.Desc)
	// Faults is what the kernel does wrong.
	Faults Faults
}

// Faults are the ways in which a Kernel can be told to break. Every so many entries: 0 is
// never. To announce an entry twice takes a ring of at least two slots.
type Faults struct {
	// DuplicateRX announces every so manieth received frame twice, LoseRX not at all.
	DuplicateRX, LoseRX uint32
	// DuplicateCompletion gives every so manieth sent frame back twice,
	// LoseCompletion not at all.
	DuplicateCompletion, LoseCompletion uint32
	// OutOfOrder gives the frame back first that was taken last. This is no fault: copy mode
	// promises no order.
	OutOfOrder bool
}

// A Kernel is the kernel's side of a socket in copy mode. It may run on another
// thread than the socket.
type Kernel struct {
	// The kernel's side of each ring.
	Fill       Fill
	RX         RX
	TX         TX
	Completion Completion

	chunkMask  uint64
	headroom   uint64
	length     uint32
	write      func(addr uint64) uint32
	read       func(rings.Desc)
	outOfOrder bool
	rxFault    fault
	doneFault  fault

	// In flight: taken from TX, not yet completed, oldest at head.
	flight     []uint64
	head, tail uint32
}

// NewKernel makes a socket's rings and returns our side and the kernel's.
func NewKernel(c SocketConfig) (Socket, *Kernel) {
	k := &Kernel{
		Fill:       Fill{newQueue(c.Fill, rings.AddrSize)},
		RX:         RX{newQueue(c.RX, rings.DescSize)},
		TX:         TX{newQueue(c.TX, rings.DescSize)},
		Completion: Completion{newQueue(c.Completion, rings.AddrSize)},
		headroom:   c.Headroom,
		length:     c.Length,
		write:      c.Write,
		read:       c.Read,
		outOfOrder: c.Faults.OutOfOrder,
		rxFault:    newFault(c.Faults.DuplicateRX, c.Faults.LoseRX),
		doneFault:  newFault(c.Faults.DuplicateCompletion, c.Faults.LoseCompletion),
		flight:     make([]uint64, c.Completion.Size),
	}
	if c.ChunkSize != 0 {
		k.chunkMask = c.ChunkSize - 1
	}
	return Socket{
		Fill:       must(rings.NewFill(k.Fill.Mem, k.Fill.Offsets, k.Fill.Size)),
		RX:         must(rings.NewRX(k.RX.Mem, k.RX.Offsets, k.RX.Size)),
		TX:         must(rings.NewTX(k.TX.Mem, k.TX.Offsets, k.TX.Size)),
		Completion: must(rings.NewCompletion(k.Completion.Mem, k.Completion.Offsets, k.Completion.Size)),
	}, k
}

// Receive receives up to max packets: it takes as many addresses from the fill ring and
// announces them on RX. It returns how many: fewer when the fill ring runs out or RX
// is full.
func (k *Kernel) Receive(max uint32) (n uint32) {
	max = min(max, k.RX.Size)
	n = k.Fill.ready(k.RX.free(max<<k.rxFault.shift) >> k.rxFault.shift)
	announced := n
	if k.write == nil && !k.rxFault.on {
		k.announce(n)
	} else {
		announced = k.announceEach(n)
	}
	k.Fill.consumed(n)
	k.RX.produced(announced)
	return n
}

// announce moves n addresses from the fill ring to RX. What the loop needs is in
// locals, since the stores keep the compiler from holding fields in registers.
func (k *Kernel) announce(n uint32) {
	from, to := k.Fill.Queue, k.RX.Queue
	chunkMask, headroom, length := k.chunkMask, k.headroom, k.length
	for i := range n {
		addr := *from.addr(from.cons + i)
		*to.desc(to.prod + i) = rings.Desc{Addr: addr&^chunkMask + headroom, Len: length}
	}
}

// announceEach does so one by one, with Write and the faults, and returns how many entries of
// RX it wrote.
func (k *Kernel) announceEach(n uint32) (announced uint32) {
	for i := range n {
		d := rings.Desc{Addr: *k.Fill.addr(k.Fill.cons + i)&^k.chunkMask + k.headroom, Len: k.length}
		if k.write != nil {
			d.Len = k.write(d.Addr)
		}
		for range k.rxFault.copies() {
			*k.RX.desc(k.RX.prod + announced) = d
			announced++
		}
	}
	return announced
}

// Transmit takes up to max packets from TX, and returns how many: fewer when TX runs
// out or the completion ring has no slot left to reserve. Their frames stay in
// flight until Complete.
func (k *Kernel) Transmit(max uint32) (n uint32) {
	inFlight := k.InFlight()
	max = min(max, k.TX.Size)
	slots := k.Completion.free(min(max+inFlight, k.Completion.Size))
	if slots <= inFlight {
		return 0
	}
	n = k.TX.ready(min(max, slots-inFlight))
	from, flight, mask, tail := k.TX.Queue, k.flight, uint32(len(k.flight)-1), k.tail
	for i := range n {
		d := *from.desc(from.cons + i)
		if k.read != nil {
			k.read(d)
		}
		flight[(tail+i)&mask] = d.Addr
	}
	k.tail += n
	k.TX.consumed(n)
	return n
}

// Complete gives up to max frames in flight back, and returns how many.
func (k *Kernel) Complete(max uint32) (n uint32) {
	n = min(max, k.InFlight())
	n = k.Completion.free(n<<k.doneFault.shift) >> k.doneFault.shift
	completed := n
	if !k.outOfOrder && !k.doneFault.on {
		k.land(n)
	} else {
		completed = k.landEach(n)
	}
	k.Completion.produced(completed)
	return n
}

// land moves the n frames that are longest in flight to the completion ring.
func (k *Kernel) land(n uint32) {
	flight, mask, head, to := k.flight, uint32(len(k.flight)-1), k.head, k.Completion.Queue
	for i := range n {
		*to.addr(to.prod + i) = flight[(head+i)&mask]
	}
	k.head += n
}

// landEach does so one by one, with the order and the faults asked for, and returns how many
// entries of the completion ring it wrote.
func (k *Kernel) landEach(n uint32) (completed uint32) {
	for range n {
		addr := k.next()
		for range k.doneFault.copies() {
			*k.Completion.addr(k.Completion.prod + completed) = addr
			completed++
		}
	}
	return completed
}

// next takes a frame out of flight: the first, or the last if order is to be wrong.
func (k *Kernel) next() uint64 {
	mask := uint32(len(k.flight) - 1)
	if k.outOfOrder {
		k.tail--
		return k.flight[k.tail&mask]
	}
	k.head++
	return k.flight[(k.head-1)&mask]
}

// InFlight returns how many frames were taken from TX and are not completed.
func (k *Kernel) InFlight() uint32 { return k.tail - k.head }

// A fault counts entries and says how often each is announced.
type fault struct {
	on              bool  // anything to do
	shift           uint8 // 1 if an entry can need two slots
	duplicate, lose uint32
	seen            uint32
}

func newFault(duplicate, lose uint32) fault {
	f := fault{on: duplicate != 0 || lose != 0, duplicate: duplicate, lose: lose}
	if duplicate != 0 {
		f.shift = 1
	}
	return f
}

// copies is how often the next entry is announced: once, unless a fault is due.
func (f *fault) copies() uint32 {
	f.seen++
	switch {
	case f.lose != 0 && f.seen%f.lose == 0:
		return 0
	case f.duplicate != 0 && f.seen%f.duplicate == 0:
		return 2
	}
	return 1
}
