package umem

import (
	"fmt"
	"strings"
)

// Holders is what the holders of a worker's frames say they hold, counted by
// themselves: the rings, the queues, the sockets. Pool.Balance compares it with
// the pool's own books.
type Holders struct {
	Fill int // addresses given to fill rings and not taken from RX rings yet
	Tx   int // addresses given to TX rings and not taken from completion rings yet

	Holds [NumHolds]int
}

// Imbalance is a sum of the ledger that does not hold.
type Imbalance struct {
	What   string // the place, the hold, or the sum
	Books  int    // what the pool's books say
	Found  int    // what was counted
	Frames string // frames that may be meant, with what was last done to them
}

// Error names the place and the last holder.
func (e *Imbalance) Error() string {
	s := fmt.Sprintf("umem: ledger: %s: the books say %d, counted %d", e.What, e.Books, e.Found)
	if e.Frames != "" {
		s += "; there: " + e.Frames
	}
	return s
}

// Balance compares the pool's books with what the holders say, in a few
// additions: every turn in tests, every so many turns in production. It returns
// an *Imbalance for the first sum that does not hold.
func (p *Pool) Balance(h *Holders) error {
	sum := p.lent + p.awayLen
	for _, n := range p.places {
		sum += n
	}
	if have := p.cfg.Frames + p.borrowed; sum != have {
		return p.imbalance("all frames", sum, have, nil)
	}
	if got := len(p.free); got != p.places[PlaceFree] {
		return p.imbalance("place free", p.places[PlaceFree], got, p.inPlace(PlaceFree))
	}
	if h.Fill != p.places[PlaceFill] {
		return p.imbalance("place fill", p.places[PlaceFill], h.Fill, p.inPlace(PlaceFill))
	}
	if h.Tx != p.places[PlaceTx] {
		return p.imbalance("place tx", p.places[PlaceTx], h.Tx, p.inPlace(PlaceTx))
	}
	for k := range NumHolds {
		if h.Holds[k] != p.holds[k] {
			return p.imbalance("hold "+k.String(), p.holds[k], h.Holds[k], func(f *Frame) bool { return f.Held(k) })
		}
	}
	return nil
}

// Audit walks all frames of the pool's run and recounts the books: each frame
// in one place, its holds summed, none in place stack that nobody holds. It
// must be called between turns. Frames lent are skipped: they are another
// worker's to touch.
func (p *Pool) Audit() error {
	var places [numPlaces]int
	lent := 0
	fragments := 0
	for i := p.cfg.First; i < p.cfg.First+p.cfg.Frames; i++ {
		f := &p.region.frames[i]
		if f.Held(HoldWorker) {
			lent++
			continue
		}
		places[f.place]++
		if f.Flags&FlagFragment != 0 && f.place == PlaceStack {
			fragments++
			continue
		}
		if f.place == PlaceStack && f.holds == 0 {
			return p.imbalance("place stack, held by nobody", 0, 1, func(g *Frame) bool { return g == f })
		}
		if f.place != PlaceStack && f.holds&^holdMask != 0 && f.place != PlaceTx {
			return p.imbalance("holds in place "+f.place.String(), 0, 1, func(g *Frame) bool { return g == f })
		}
	}
	if lent != p.lent {
		return p.imbalance("frames lent", p.lent, lent, func(f *Frame) bool { return f.Held(HoldWorker) })
	}
	if p.borrowed == 0 && places != p.places {
		for k := range numPlaces {
			if places[k] != p.places[k] {
				return p.imbalance("place "+k.String(), p.places[k], places[k], p.inPlace(k))
			}
		}
	}
	return p.auditFree()
}

// auditFree checks that the stack of free frames lists each of them once.
func (p *Pool) auditFree() error {
	seen := make([]bool, p.cfg.Frames)
	for _, index := range p.free {
		i := int(index) - p.cfg.First
		f := p.region.Frame(index)
		if f.place != PlaceFree || seen[i] {
			return p.imbalance("free list", len(p.free), len(p.free)-1, func(g *Frame) bool { return g == f })
		}
		seen[i] = true
	}
	return nil
}

func (p *Pool) inPlace(k Place) func(*Frame) bool {
	return func(f *Frame) bool { return f.place == k }
}

// imbalance builds the error; up to four frames that match are named.
func (p *Pool) imbalance(what string, books, found int, match func(*Frame) bool) error {
	e := &Imbalance{What: what, Books: books, Found: found}
	var names []string
	for i := p.cfg.First; match != nil && i < p.cfg.First+p.cfg.Frames && len(names) < 4; i++ {
		if f := &p.region.frames[i]; match(f) {
			names = append(names, fmt.Sprintf("frame %d, last %s", f.index, f.last))
		}
	}
	e.Frames = strings.Join(names, "; ")
	return e
}

// Books is a copy of a pool's counters, for status and tests.
type Books struct {
	Free     int           `json:"free"`
	Fill     int           `json:"fill"`
	Stack    int           `json:"stack"`
	Tx       int           `json:"tx"`
	Holds    [NumHolds]int `json:"holds"` // by Hold
	Lent     int           `json:"lent"`
	Borrowed int           `json:"borrowed"`
	Away     int           `json:"away"`
}

// Books returns the pool's counters.
func (p *Pool) Books() Books {
	return Books{
		Free: p.places[PlaceFree], Fill: p.places[PlaceFill], Stack: p.places[PlaceStack], Tx: p.places[PlaceTx],
		Holds: p.holds, Lent: p.lent, Borrowed: p.borrowed, Away: p.awayLen,
	}
}
