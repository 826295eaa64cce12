package engine

import "sync/atomic"

// Node is embedded in whatever a goroutine posts to a worker: a socket that
// turned from idle to dirty, a request. It is linked in place, so posting
// allocates nothing. A node is in one mailbox at most; who embeds it keeps a
// flag of its own for that (set by the poster's swap, cleared by Mail).
type Node struct {
	next *Node
	// Value is what the node is embedded in, set once before it is first posted.
	Value any
}

// Mailbox is a queue of many producers and one consumer. Producers push with
// one compare-and-swap; the consumer takes all with one swap.
type Mailbox struct {
	head atomic.Pointer[Node]
}

// Post adds n, which must be in no mailbox. It is safe from any goroutine.
func (m *Mailbox) Post(n *Node) {
	for {
		old := m.head.Load()
		n.next = old
		if m.head.CompareAndSwap(old, n) {
			return
		}
	}
}

// Empty reports whether nothing was posted.
func (m *Mailbox) Empty() bool { return m.head.Load() == nil }

// Take empties the mailbox and calls f for each node, oldest first.
func (m *Mailbox) Take(f func(*Node)) int {
	if m.head.Load() == nil {
		return 0
	}
	var first *Node
	for n := m.head.Swap(nil); n != nil; {
		next := n.next
		n.next = first
		first, n = n, next
	}
	count := 0
	for n := first; n != nil; count++ {
		next := n.next
		n.next = nil
		f(n)
		n = next
	}
	return count
}
