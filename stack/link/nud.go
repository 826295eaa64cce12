package link

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/umem"
)

// The state machine of RFC 4861, section 7.3, for both families.

// Want finds a neighbour to send to, or begins to resolve it: the entry is then
// Incomplete, and the action is Solicit. src is the address of the packet. It
// gives false when there is no room.
func (t *Neighbours) Want(now umem.Time, iface uint8, a, src ip.Addr) (i uint32, act Action, ok bool) {
	if i, ok = t.Find(iface, a); ok {
		return i, Nothing, true
	}
	if t.incomplete >= t.cfg.Incomplete {
		t.Refused++
		return 0, Nothing, false
	}
	if i, ok = t.add(now, iface, a); !ok {
		return 0, Nothing, false
	}
	e := &t.entries[i]
	t.enter(e, Incomplete)
	e.src, e.tries, e.due = src, 1, now+RetransTimer
	return i, Solicit, true
}

// Use notes that a packet goes to entry i, and reports whether its link address
// can be used. The first use of a stale one begins Delay.
func (t *Neighbours) Use(now umem.Time, i uint32) bool {
	e := &t.entries[i]
	e.used = now
	if e.state == Stale {
		t.enter(e, Delay)
		e.due = now + delayFirstProbe
	}
	return e.state != Incomplete
}

// Timer runs what is due for entry i at now, and says what to send. The next time
// is Due.
func (t *Neighbours) Timer(now umem.Time, i uint32) Action {
	e := &t.entries[i]
	if now < e.due {
		return Nothing
	}
	switch e.state {
	case Incomplete, Probe:
		if e.tries >= maxSolicit {
			return GiveUp
		}
		e.tries++
		e.due = now + RetransTimer
		return Solicit
	case Reachable:
		return t.age(e)
	case Stale:
		if e.due = e.used + staleLife; now >= e.due {
			return Forget
		}
	case Delay:
		t.probe(now, e)
		return Solicit
	}
	return Nothing
}

// age ends Reachable.
func (t *Neighbours) age(e *entry) Action {
	t.enter(e, Stale)
	e.due = e.used + staleLife
	return Nothing
}

func (t *Neighbours) probe(now umem.Time, e *entry) {
	t.enter(e, Probe)
	e.tries, e.due = 1, now+RetransTimer
}

// Check asks an entry that is known, but not Reachable, at once: another worker
// wants to know. The action is Solicit, or Nothing when an answer is on its way
// or needless.
func (t *Neighbours) Check(now umem.Time, i uint32) Action {
	e := &t.entries[i]
	e.used = now
	if e.state != Stale && e.state != Delay {
		return Nothing
	}
	t.probe(now, e)
	return Solicit
}

// Hear enters a neighbour that asked for us: its link address is known, not
// confirmed (RFC 4861, section 7.2.3; RFC 826's merge). It gives false when there
// is no room.
func (t *Neighbours) Hear(now umem.Time, iface uint8, a ip.Addr, mac [6]byte) (i uint32, change Change, ok bool) {
	if i, ok = t.Find(iface, a); ok {
		return i, t.Advertised(now, i, Advert{MAC: mac, HasMAC: true, Override: true}), true
	}
	if i, ok = t.add(now, iface, a); !ok {
		return 0, 0, false
	}
	e := &t.entries[i]
	e.mac = mac
	t.enter(e, Stale)
	e.due = now + staleLife
	return i, Changed, true
}

// Advert is what an advertisement, or an ARP packet, says of a neighbour.
type Advert struct {
	MAC       [6]byte
	HasMAC    bool
	Solicited bool // an answer to us: the neighbour hears us too
	Override  bool // take MAC even if another is known
}

// Change is what an advertisement did to an entry.
type Change uint8

// Changes, which may come together.
const (
	Resolved Change = 1 << iota // was Incomplete: what waits can go
	Changed                     // others who know the entry should hear
)

// Advertised takes an advertisement for entry i (RFC 4861, section 7.2.5).
func (t *Neighbours) Advertised(now umem.Time, i uint32, a Advert) Change {
	e := &t.entries[i]
	if e.state == Incomplete {
		if !a.HasMAC {
			return 0
		}
		e.mac = a.MAC
		t.settle(now, e, a.Solicited)
		return Resolved | Changed
	}
	differs := a.HasMAC && a.MAC != e.mac
	if differs && !a.Override {
		if e.state == Reachable {
			t.age(e)
			return Changed
		}
		return 0
	}
	if differs {
		e.mac = a.MAC
		t.generation++
	}
	if !a.Solicited && !differs {
		return 0
	}
	was := e.state
	t.settle(now, e, a.Solicited)
	if differs || e.state != was {
		return Changed
	}
	return 0
}

// settle makes an entry Reachable, when it was confirmed, or Stale.
func (t *Neighbours) settle(now umem.Time, e *entry, confirmed bool) {
	if !confirmed {
		t.enter(e, Stale)
		e.due = e.used + staleLife
		return
	}
	t.enter(e, Reachable)
	e.confirmed = now
	e.due = now + t.cfg.Reachable
}

// Learn enters what the writer of the table says, on a replica. The entry must
// be removed by the caller when n.State is None: Learn gives GiveUp then. ok is
// false when the neighbour is not known here and there is nothing to enter.
func (t *Neighbours) Learn(now umem.Time, n *Neighbour) (i uint32, change Change, act Action, ok bool) {
	i, ok = t.Find(n.Iface, n.Addr)
	if n.State == None || n.State == Incomplete {
		return i, 0, GiveUp, ok
	}
	if !ok {
		if i, ok = t.add(now, n.Iface, n.Addr); !ok {
			return 0, 0, Nothing, false
		}
		e := &t.entries[i]
		e.mac = n.MAC
		t.settle(now, e, n.State == Reachable)
		return i, 0, Nothing, true
	}
	change = t.Advertised(now, i, Advert{MAC: n.MAC, HasMAC: true, Solicited: n.State == Reachable, Override: true})
	return i, change, Nothing, true
}
