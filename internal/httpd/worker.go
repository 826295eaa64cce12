package httpd

import (
	"crypto/sha256"
	"hash"
	"time"

	"github.com/xdpstack/xdpstack/umem"
)

// What one event may make a worker do, in octets sent; it keeps a handler well below 100 µs.
const (
	workPerEvent = 128 << 10
	hashCost     = 4   // an octet hashed, in octets sent: SHA-256 without instructions for it does 0.4 GB/s
	requestCost  = 512 // a request, besides its response
)

// recheck is how long a cached file is taken to be as it was.
const recheck = umem.Second

// spare bounds what a worker keeps for reuse.
const spare = 64

// worker is what the connections of one worker share. No other touches it.
type worker struct {
	cfg   *Config
	disk  *disk
	cache *cache
	wall  func() time.Time

	now     umem.Time // of this event
	left    int       // of workPerEvent
	date    date
	scratch []byte
	sum     [sha256.Size]byte

	heads  [][]byte    // to keep heads in that came in pieces
	hashes []hash.Hash // to hash bodies with

	first  *handler // connections, linked
	closed bool
}

func newWorker(cfg *Config, d *disk) *worker {
	return &worker{cfg: cfg, disk: d, cache: newCache(), wall: time.Now, scratch: make([]byte, 0, 1024)}
}

// begin starts an event.
func (w *worker) begin(now umem.Time) { w.now, w.left = now, workPerEvent }

// today is the value of Date.
func (w *worker) today() *date {
	w.date.renew(w.now, w.wall)
	return &w.date
}

func (w *worker) head() []byte {
	if n := len(w.heads); n > 0 {
		b := w.heads[n-1]
		w.heads = w.heads[:n-1]
		return b
	}
	return make([]byte, 0, 1024)
}

func (w *worker) freeHead(b []byte) {
	if len(w.heads) < spare {
		w.heads = append(w.heads, b[:0])
	}
}

func (w *worker) hash() hash.Hash {
	n := len(w.hashes)
	if n == 0 {
		return sha256.New()
	}
	h := w.hashes[n-1]
	w.hashes = w.hashes[:n-1]
	h.Reset()
	return h
}

func (w *worker) freeHash(h hash.Hash) {
	if len(w.hashes) < spare {
		w.hashes = append(w.hashes, h)
	}
}
