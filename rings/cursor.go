package rings

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// lineBytes keeps a cursor clear of its neighbours. Two lines of 64 bytes, because x86
// prefetches lines in pairs, and some arm64 have lines of 128.
const lineBytes = 128

// A cursor is our side of a ring: producer and consumer are both made of it.
//
// Own and seen are totals that never wrap; the low 32 bits are the index in the shared
// memory. The pads keep what one worker writes every batch off the lines of
// another; in between, the fields of the packet path share one line of 64 bytes.
type cursor struct {
	_ [lineBytes]byte

	slots   unsafe.Pointer // slot 0
	own     uint64         // our index: what we have published
	seen    uint64         // the other side's index when we last looked
	mask    uint32         // slots - 1
	granted uint32         // given out by the last Reserve or Peek, not yet given back
	mine    *uint32        // shared word that we alone write
	theirs  *uint32        // shared word that the other side writes
	flags   *uint32        // shared word that the kernel writes
	corrupt uint64         // impossible indices met

	base uint64 // the consumer's index when we began: totals count from here

	_ [lineBytes - 9*8]byte
	_ [lineBytes]byte
}

// An allocation of three times 128 bytes lies on a 128-byte boundary, so the fields from slots
// to corrupt share one line.
var (
	_ [3 * lineBytes]byte = [unsafe.Sizeof(cursor{})]byte{}
	_ [lineBytes]byte     = [unsafe.Offsetof(cursor{}.slots)]byte{}
	_ [64 - 8]byte        = [unsafe.Offsetof(cursor{}.corrupt) - unsafe.Offsetof(cursor{}.slots)]byte{}
)

// word is the shared 32-bit word at off. The caller has checked the layout.
func word(mem []byte, off uint64) *uint32 {
	return (*uint32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(mem)), off))
}

// initProducer makes c the producing side of the ring in mem. It takes up the indices that
// it finds: zero after socket creation, anything in a ring that was in use.
func (c *cursor) initProducer(name string, mem []byte, off Offsets, size, slotSize uint32) error {
	if err := checkLayout(mem, off, size, slotSize); err != nil {
		return fmt.Errorf("rings: %s: %w", name, err)
	}
	c.mine, c.theirs = word(mem, off.Producer), word(mem, off.Consumer)
	c.attach(mem, off, size)
	// The ring may hold entries of an earlier user. They count as produced.
	pending := atomic.LoadUint32(c.mine) - atomic.LoadUint32(c.theirs)
	if pending > size {
		return fmt.Errorf("rings: %s: %d entries in %d slots: %w", name, pending, size, ErrIndices)
	}
	c.base = uint64(atomic.LoadUint32(c.mine) - pending)
	c.seen = c.base
	c.own = c.base + uint64(pending)
	return nil
}

// initConsumer makes c the consuming side of the ring in mem.
func (c *cursor) initConsumer(name string, mem []byte, off Offsets, size, slotSize uint32) error {
	if err := checkLayout(mem, off, size, slotSize); err != nil {
		return fmt.Errorf("rings: %s: %w", name, err)
	}
	c.mine, c.theirs = word(mem, off.Consumer), word(mem, off.Producer)
	c.attach(mem, off, size)
	start := atomic.LoadUint32(c.mine)
	if ready := atomic.LoadUint32(c.theirs) - start; ready > size {
		return fmt.Errorf("rings: %s: %d entries in %d slots: %w", name, ready, size, ErrIndices)
	}
	c.base = uint64(start)
	c.seen, c.own = c.base, c.base
	return nil
}

func (c *cursor) attach(mem []byte, off Offsets, size uint32) {
	c.flags = word(mem, off.Flags)
	c.slots = unsafe.Add(unsafe.Pointer(unsafe.SliceData(mem)), off.Desc)
	c.mask = size - 1
}

// look refreshes seen from shared memory: the one acquire load. The other side can have
// moved forward by at most limit entries; an index beyond that, or behind, is
// counted and not believed, so that seen stays a value that was once true.
func (c *cursor) look(limit uint32) {
	step := atomic.LoadUint32(c.theirs) - uint32(c.seen)
	if step > limit {
		c.corrupt++
		return
	}
	c.seen += uint64(step)
}

// publish moves our index by n entries and shows it to the other side: the one
// release store, if there is anything to show.
func (c *cursor) publish(n uint32) {
	if n > c.granted {
		overrun(n, c.granted)
	}
	if n == 0 {
		return
	}
	c.granted -= n
	c.own += uint64(n)
	storeRelease(c.mine, uint32(c.own))
}

// overrun is a programming error of the caller, never caused by the kernel: granted
// is what we gave out, whatever the shared memory says since. Not inlined, so that
// its formatting stays out of publish.
//
//go:noinline
func overrun(n, granted uint32) {
	panic(fmt.Sprintf("rings: %d entries given back, %d were granted", n, granted))
}

// desc is slot i from our index, of an RX or TX ring. The mask keeps it in the memory for any i.
func (c *cursor) desc(i uint32) *Desc {
	return (*Desc)(unsafe.Add(c.slots, uintptr((uint32(c.own)+i)&c.mask)*DescSize))
}

// addr is slot i from our index, of a fill or completion ring.
func (c *cursor) addr(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(c.slots, uintptr((uint32(c.own)+i)&c.mask)*AddrSize))
}

// Size returns the number of slots.
func (c *cursor) Size() uint32 { return c.mask + 1 }

// Corrupt returns how often the other side's index was impossible: behind where it had
// been, or further ahead than there are slots. It is 0 on a healthy kernel.
func (c *cursor) Corrupt() uint64 { return c.corrupt }

// needsWakeup reads the kernel's flag.
func (c *cursor) needsWakeup() bool { return atomic.LoadUint32(c.flags)&needWakeup != 0 }
