package sim

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// quietStreams is two hosts on clean wires, where talks behave as the test wants; host 1 has an echo.
func quietStreams(seed uint64, edit func(c *HostConfig)) (*streams, error) {
	s := &streams{
		net: NewNet(seed, nil), plan: newRand(seed, streamPlan), traffic: newRand(seed, streamTraffic),
		roomy: true, clean: true, errors: map[socket.Errno]int{},
	}
	s.net.Sent = s.wire.sent(s.net)
	for i := range 2 {
		wire := Wire{Delay: 100 * umem.Microsecond}
		c := HostConfig{Addrs: []netip.Prefix{prefix(4, i+1)}, Frames: 512, Limits: stack.Limits{Streams: 32}, Up: wire, Down: wire}
		edit(&c)
		if _, err := s.net.AddHost(c); err != nil {
			return nil, err
		}
	}
	s.serve(s.net.Hosts()[1], portStreamEcho, s.newEcho)
	return s, nil
}

// echo has a host talk to the echo, soon.
func (s *streams) echo(from, worker, n int, change ...func(e *end)) {
	w := s.net.Hosts()[from].Workers()[min(worker, len(s.net.Hosts()[from].Workers())-1)]
	s.clients++
	s.later(w, umem.Millisecond, func(umem.Time) {
		to := netip.AddrPortFrom(s.net.Hosts()[1].Addr(4), portStreamEcho)
		e := s.talk(w, &talk{up: NewFlow(uint64(2 * len(s.talks))), echo: true}, to, n)
		e.chunk, e.gap, e.stallAt, e.reading = 1460, 0, -1, readLends
		for _, c := range change {
			c(e)
		}
	})
}

// ended waits for the first n talks to be whole.
func (s *streams) ended(n int) func() bool {
	return func() bool {
		whole := 0
		for _, t := range s.talks {
			if t.whole() {
				whole++
			}
		}
		return whole >= n || s.clients == 0 && s.open == 0
	}
}

// wholeIn fails the test unless n talks are whole in time.
func (s *streams) wholeIn(t *testing.T, limit umem.Time, n int) {
	t.Helper()
	err := s.net.RunUntil(s.net.Now()+limit, "talks to be whole", s.ended(n))
	for _, k := range s.talks {
		err = errors.Join(append([]error{err}, k.errs...)...)
	}
	if err != nil {
		t.Fatalf("%v; %v", err, s.sockets())
	}
}

// stalls has an end write much and read nothing.
func stalls(e *end) { e.stallAt, e.stall = 0, 10000*umem.Second }

// TestReadersThatStallStopNobodyElse: their queues take what memory there is, at both ends and in the echo, and still others
// go on.
func TestReadersThatStallStopNobodyElse(t *testing.T) {
	s, err := quietStreams(testenv.Seed(t), func(c *HostConfig) { c.Frames, c.Fill = 768, 64 })
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		s.echo(0, 0, 1<<20, stalls)
	}
	if err := s.net.Run(s.net.Now() + 20*umem.Second); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s.echo(0, 0, 20000)
	}
	s.wholeIn(t, 10*umem.Second, 5)
}

// TestFewFramesAreEnough for a connection of a host with itself through an echo: what each end sends the other has to
// take, though memory is so small that the queues could hold all of it.
func TestFewFramesAreEnough(t *testing.T) {
	s, err := quietStreams(testenv.Seed(t), func(c *HostConfig) { c.Frames, c.Fill = 64, 24 })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.echo(1, 0, 100000)
	}
	s.wholeIn(t, 100*umem.Second, 3)
}

// TestHandshakeOfAnyWorker takes a few round trips, though one that is not the first has to ask the first for
// the neighbour's address: what Output does leads to events, too.
func TestHandshakeOfAnyWorker(t *testing.T) {
	for worker := range 3 {
		s, err := quietStreams(testenv.Seed(t), func(c *HostConfig) { c.Workers = 3 })
		if err != nil {
			t.Fatal(err)
		}
		s.echo(0, worker, 100)
		s.wholeIn(t, 100*umem.Millisecond, 1)
	}
}

// TestSegmentsDroppedBelowAreSentAgain: what the queue of a neighbour has no room for is not lost, and its frames
// are not freed twice.
func TestSegmentsDroppedBelowAreSentAgain(t *testing.T) {
	s, err := quietStreams(testenv.Seed(t), func(c *HostConfig) { c.Limits.PendingEach, c.Limits.Pending = 1, 1 })
	if err != nil {
		t.Fatal(err)
	}
	// The neighbour's address is forgotten during the pause.
	s.echo(0, 0, 20000, func(e *end) {
		e.blocked, e.paused = true, true
		s.later(e.w, 800*umem.Second, func(now umem.Time) {
			e.paused, e.blocked = false, false
			e.write(now)
		})
	})
	s.wholeIn(t, 820*umem.Second, 1)
	if n := s.net.Totals().Drops[stack.PendingFull]; n == 0 {
		t.Error("nothing was dropped")
	}
}
