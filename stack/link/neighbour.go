package link

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/umem"
)

// State of a neighbour (RFC 4861, section 7.3.2).
type State uint8

// The states. None is that of a neighbour that is not there (any more).
const (
	None       State = iota
	Incomplete       // asked for, no answer yet
	Reachable        // answered within ReachableTime
	Stale            // known, perhaps no longer right; nobody uses it
	Delay            // stale and in use: a while to hear of it by itself
	Probe            // being asked, by unicast
)

var stateNames = [...]string{"none", "incomplete", "reachable", "stale", "delay", "probe"}

// String is the state's name as "ip neigh" prints it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// The constants of RFC 4861, section 10. RFC 1122, section 2.3.2.1, wants no more
// than one ARP request a second for one address: RetransTimer sees to it.
const (
	RetransTimer     = umem.Second
	maxSolicit       = 3 // MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT
	delayFirstProbe  = 5 * umem.Second
	baseReachable    = 30 * umem.Second
	staleLife        = 600 * umem.Second // unused that long, an entry goes
	evictionAttempts = 16                // entries looked at to make room for one
)

// Neighbour is what one worker tells another about a neighbour.
type Neighbour struct {
	Addr  ip.Addr
	MAC   [6]byte
	Iface uint8
	State State // Reachable, Stale, or None: not there
}

// Action is what an entry needs of the owner of the table.
type Action uint8

// The actions.
const (
	Nothing Action = iota
	Solicit        // ask for it: by broadcast or multicast when Incomplete, else by unicast
	GiveUp         // it does not answer: fail what waits, then Remove
	Forget         // it was not used for long: Remove
)

// entry is a neighbour.
type entry struct {
	addr      ip.Addr
	src       ip.Addr // of the packet that made us ask (RFC 4861, section 7.2.2)
	confirmed umem.Time
	used      umem.Time
	due       umem.Time // when Timer wants to be called
	pending   umem.Queue
	mac       [6]byte
	iface     uint8
	state     State
	tries     uint8
}
