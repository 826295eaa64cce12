package rings

// A consumer is a ring that the kernel fills and we empty.
type consumer struct{ cursor }

// ready is what the kernel had published when we last looked and we have not released.
func (c *consumer) ready() uint32 { return uint32(c.seen - c.own) }

// Peek grants up to max entries, and returns how many: fewer when there are fewer, 0 when
// the ring is empty. Entries 0 to n-1 stay ours to read until they are released.
// It reads shared memory only if its copy of the kernel's index shows nothing that
// the last Peek had not granted: that is also so for a caller who left the head
// of a packet in the ring, to wait for its rest.
func (c *consumer) Peek(max uint32) (n uint32) {
	if c.ready() <= c.granted {
		c.look(c.Size() - c.ready())
	}
	c.granted = min(max, c.ready())
	return c.granted
}

// Release gives entries 0 to n-1 back: the kernel may overwrite them from here on.
// Fewer than peeked is fine, and then entry n becomes entry 0. More panics.
func (c *consumer) Release(n uint32) { c.publish(n) }

// Available returns how many entries there are, read from shared memory. Entries
// that are peeked and not released are among them.
func (c *consumer) Available() uint32 {
	c.look(c.Size() - c.ready())
	return c.ready()
}

// Produced returns how many entries the kernel ever published, read from shared memory.
func (c *consumer) Produced() uint64 { return c.Consumed() + uint64(c.Available()) }

// Consumed returns how many entries were ever released.
func (c *consumer) Consumed() uint64 { return c.own - c.base }
