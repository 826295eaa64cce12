package httpd

// Limits of a worker's cache.
const (
	cachedFile    = 64 << 10 // largest file kept, in octets
	cachedFiles   = 1024
	cachedContent = 16 << 20 // octets in all
)

// cache keeps files by the paths under which they were asked for, spelt as in the
// request. When it is full, what was not used since the hand came by goes (the clock algorithm).
type cache struct {
	by     map[string]*file
	ring   []*file
	hand   int
	octets int
}

func newCache() *cache { return &cache{by: make(map[string]*file)} }

// find does not allocate.
func (c *cache) find(path []byte) *file {
	f := c.by[string(path)]
	if f != nil {
		f.used = true
	}
	return f
}

// put enters f in the place of what the path stood for.
func (c *cache) put(path string, f *file) {
	c.drop(path)
	for len(c.ring) >= cachedFiles || len(c.ring) > 0 && c.octets+len(f.response) > cachedContent {
		c.evict()
	}
	f.key = path
	c.by[path] = f
	c.ring = append(c.ring, f)
	c.octets += len(f.response)
}

// evict takes out the first that was not used for a round.
func (c *cache) evict() {
	for {
		c.hand %= len(c.ring)
		f := c.ring[c.hand]
		if !f.used {
			c.remove(c.hand)
			c.hand++ // over the one that took its place
			return
		}
		f.used = false
		c.hand++
	}
}

// drop forgets what the path stood for.
func (c *cache) drop(path string) {
	f := c.by[path]
	if f == nil {
		return
	}
	for i, other := range c.ring {
		if other == f {
			c.remove(i)
			return
		}
	}
}

func (c *cache) remove(i int) {
	f := c.ring[i]
	delete(c.by, f.key)
	c.octets -= len(f.response)
	last := len(c.ring) - 1
	c.ring[i] = c.ring[last]
	c.ring[last] = nil
	c.ring = c.ring[:last]
}
