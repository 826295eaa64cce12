package tcp

import (
	"unsafe"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// none ends a list.
const none = ^uint32(0)

// A connection is on several lists at once, by a link for each.
type link struct {
	next, prev uint32
	on         bool
}

// The links.
const (
	linkDirty   = iota // Table.dirty
	linkWaiting        // Table.waiting
	linkTold           // Table.told
	linkPlace          // its listener's half or accept, or Table.aged
	numLinks
)

// list is a list of connections, oldest first.
type list struct {
	first, last uint32
	n           int32
}

var emptyList = list{first: none, last: none}

// index is c's slot.
func (t *Table) index(c *Conn) uint32 {
	d := uintptr(unsafe.Pointer(c)) - uintptr(unsafe.Pointer(unsafe.SliceData(t.conns)))
	return uint32(d / unsafe.Sizeof(Conn{}))
}

// push puts c at the end of l, unless it is on a list by that link.
func (t *Table) push(l *list, by int, c *Conn) {
	k := &c.links[by]
	if k.on {
		return
	}
	i := t.index(c)
	*k = link{next: none, prev: l.last, on: true}
	if l.last == none {
		l.first = i
	} else {
		t.conns[l.last].links[by].next = i
	}
	l.last = i
	l.n++
}

// remove takes c off l, if it is on it by that link.
func (t *Table) remove(l *list, by int, c *Conn) {
	k := &c.links[by]
	if !k.on {
		return
	}
	k.on = false
	if k.prev == none {
		l.first = k.next
	} else {
		t.conns[k.prev].links[by].next = k.next
	}
	if k.next == none {
		l.last = k.prev
	} else {
		t.conns[k.next].links[by].prev = k.prev
	}
	l.n--
}

// pop takes the first off l, or gives nil.
func (t *Table) pop(l *list, by int) *Conn {
	if l.first == none {
		return nil
	}
	c := &t.conns[l.first]
	t.remove(l, by, c)
	return c
}

// touch has Flush look at c.
func (t *Table) touch(c *Conn) { t.push(&t.dirty, linkDirty, c) }

// putOff has c wait for a completion.
func (t *Table) putOff(c *Conn) {
	t.count.TCPSpuriousRtxHostQueues++
	t.push(&t.waiting, linkWaiting, c)
}

// freed says that frames came back to the pool: whoever was refused one looks again.
func (t *Table) freed() {
	if t.waiting.n > 0 {
		t.Completed()
	}
}

// Completed says that the device let go of frames: what was put off may go on.
func (t *Table) Completed() {
	for c := t.pop(&t.waiting, linkWaiting); c != nil; c = t.pop(&t.waiting, linkWaiting) {
		t.touch(c)
	}
}

// tell notes what became possible. A connection that nobody has accepted yet keeps it until
// then; an orphan has nobody to tell.
func (t *Table) tell(c *Conn, r Ready) {
	if c.is(flagOrphan) {
		return
	}
	c.ready |= r
	if !c.is(flagEmbryo) {
		t.push(&t.told, linkTold, c)
	}
}

// Told gives what became possible on the socket that was told of first, once; errno, with ReadyClosed, why.
func (t *Table) Told() (h socket.Handle, r Ready, errno socket.Errno, ok bool) {
	c := t.pop(&t.told, linkTold)
	if c == nil {
		return
	}
	r, c.ready = c.ready, 0
	if r&ReadyClosed != 0 {
		errno = c.err
	}
	return t.handle(c), r, errno, true
}

// Events reports whether Told has anything.
func (t *Table) Events() bool { return t.told.n > 0 }
