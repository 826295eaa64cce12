package stack

import (
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/umem"
)

// Timers of the wheel are numbered: those of neighbours by their index, then
// those of own addresses, then those of streams.

// arm sets the timer of neighbour i to what the entry wants.
func (s *Stack) arm(i uint32) { s.wheel.Set(i, s.neigh.Due(i)) }

func (s *Stack) setAddressTimer(i int, at umem.Time) { s.wheel.Set(s.firstAddress+uint32(i), at) }

// neighbourTimer runs the timer of neighbour i, unless the entry is gone.
func (s *Stack) neighbourTimer(now umem.Time, i uint32) {
	if !s.neigh.Used(i) {
		return
	}
	switch s.neigh.Timer(now, i) {
	case link.Solicit:
		s.solicit(now, i)
	case link.GiveUp:
		s.giveUp(i)
		return
	case link.Forget:
		s.forget(i)
		return
	}
	s.arm(i)
}

// expireTimers runs timers that are due; the wheel looks at budget of them.
func (s *Stack) expireTimers(now umem.Time, budget int) {
	if s.wheel.Idle(now) { // as in most turns: a tick is longer than a hundred of them
		return
	}
	var due [maxBatch]uint32
	for budget > 0 {
		n := s.wheel.Expire(now, budget, due[:min(budget, maxBatch)])
		if n == 0 {
			return
		}
		budget -= n
		for _, id := range due[:n] {
			switch {
			case id >= s.firstStream:
				s.tcp.Timer(now, id-s.firstStream)
			case id >= s.firstAddress:
				s.addressTimer(now, int(id-s.firstAddress))
			default:
				s.neighbourTimer(now, id)
			}
		}
	}
}
