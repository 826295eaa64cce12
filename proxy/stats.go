package proxy

import (
	"net/netip"
	"slices"

	"github.com/xdpstack/xdpstack"
)

// Stats are a proxy's counters since New.
type Stats struct {
	Accepted    uint64 `json:"accepted"`     // clients
	Active      int64  `json:"active"`       // of them, now
	Refused     uint64 `json:"refused"`      // clients beyond MaxConnections, reset
	Unserved    uint64 `json:"unserved"`     // clients for whom no backend answered, reset
	Resets      uint64 `json:"resets"`       // broken off by one side, and so by us at the other
	TimedOut    uint64 `json:"timed_out"`    // ended by IdleTimeout or HalfClosedTimeout
	ToBackends  uint64 `json:"to_backends"`  // octets received of clients
	ToClients   uint64 `json:"to_clients"`   // octets received of backends
	CopiedSmall uint64 `json:"copied_small"` // small segments copied together while the other side had no room

	// Of the host, and so of all that forwards on it: frames sent on as they came, and those that were
	// copied. They are not known once the host is closed.
	Forwarded uint64            `json:"forwarded"`
	Copied    []xdpstack.Copied `json:"copied,omitempty"`

	Listeners []ListenerStats `json:"listeners"`
}

// ListenerStats are a listener's backends.
type ListenerStats struct {
	Addr     netip.AddrPort `json:"addr"`
	Backends []BackendStats `json:"backends"`
}

// BackendStats are a backend's counters.
type BackendStats struct {
	Addr        netip.AddrPort `json:"addr"`
	Connections uint64         `json:"connections"`
	Active      int64          `json:"active"`
	Failures    uint64         `json:"failures"` // attempts that were refused, or not answered in time
	Down        bool           `json:"down"`     // passed over until Config.RetryAfter has gone by
}

// Stats reads the counters. It asks the workers, and waits for them.
func (p *Proxy) Stats() Stats {
	st := Stats{
		Accepted: p.accepted.Load(), Active: p.active.Load(), Refused: p.refused.Load(),
		Unserved: p.noBackend.Load(), Resets: p.resets.Load(), TimedOut: p.timedOut.Load(),
	}
	for i := range p.workers {
		w := &p.workers[i]
		st.ToBackends += w.toBackends.Load()
		st.ToClients += w.toClients.Load()
		st.CopiedSmall += w.spilled.Load()
	}
	p.forwarded(&st)
	for _, l := range p.listeners {
		ls := ListenerStats{Addr: l.server.Addr(), Backends: make([]BackendStats, len(l.backends.all))}
		for i := range l.backends.all {
			b := &l.backends.all[i]
			ls.Backends[i] = BackendStats{
				Addr: b.addr, Connections: b.connections.Load(), Active: b.active.Load(),
				Failures: b.failures.Load(), Down: b.passed.Load() != 0,
			}
		}
		st.Listeners = append(st.Listeners, ls)
	}
	return st
}

// forwarded adds up what the host's workers say.
func (p *Proxy) forwarded(st *Stats) {
	host, err := p.host.Stats()
	if err != nil {
		return // it is closed
	}
	for i := range host.Workers {
		w := &host.Workers[i]
		st.Forwarded += w.Stack.TCP.ForwardedFrames
		for _, c := range w.Copied {
			at := slices.IndexFunc(st.Copied, func(have xdpstack.Copied) bool { return have.Reason == c.Reason })
			if at < 0 {
				st.Copied = append(st.Copied, c)
				continue
			}
			st.Copied[at].Frames += c.Frames
		}
	}
}
