package sim

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// The stacks below are broken on purpose: what a run checks has to see it.

// losesReceived forgets one frame that it was given.
type losesReceived struct {
	Verbs
	seen int
	done bool
}

func (b *losesReceived) Input(now umem.Time, frames []*umem.Frame) {
	if b.seen += len(frames); b.seen >= 3 && !b.done {
		b.done = true
		frames = frames[:len(frames)-1]
	}
	b.Verbs.Input(now, frames)
}

// losesCompleted never hears that one frame was sent.
type losesCompleted struct {
	Verbs
	seen int
	done bool
}

func (b *losesCompleted) Completed(now umem.Time, frames []*umem.Frame) {
	if b.seen += len(frames); b.seen >= 2 && !b.done {
		b.done = true
		frames = frames[:len(frames)-1]
	}
	b.Verbs.Completed(now, frames)
}

// losesOutput takes a frame out of the qdisc and does not send it.
type losesOutput struct {
	Verbs
	seen int
	done bool
}

func (b *losesOutput) Output(now umem.Time, out []*umem.Frame) int {
	n := b.Verbs.Output(now, out)
	if b.seen += n; n > 0 && b.seen >= 2 && !b.done {
		b.done = true
		return n - 1
	}
	return n
}

// losesEvent drops a datagram's event and keeps its frame held.
type losesEvent struct {
	Verbs
	seen int
	done bool
}

func (b *losesEvent) Events(out []stack.Event) int {
	n := b.Verbs.Events(out)
	if b.seen += n; n > 0 && b.seen >= 2 && !b.done {
		b.done = true
		return n - 1
	}
	return n
}

// hurries asks to be called again and again.
type hurries struct{ Verbs }

func (b hurries) Deadline() umem.Time { return Start }

// sleeps never asks to be called.
type sleeps struct{ Verbs }

func (b sleeps) Deadline() umem.Time { return umem.Never }

// touchesSent writes into a frame that is with the device.
type touchesSent struct {
	Verbs
	last *umem.Frame
}

func (b *touchesSent) Output(now umem.Time, out []*umem.Frame) int {
	n := b.Verbs.Output(now, out)
	if n > 0 {
		b.last = out[n-1]
	}
	return n
}

func (b *touchesSent) Expire(now umem.Time, budget int) {
	if b.last != nil && b.last.Place() == umem.PlaceTx {
		b.last.Bytes()[20]++
	}
	b.Verbs.Expire(now, budget)
}

// damages changes what it delivers.
type damages struct {
	Verbs
	seen int
}

func (b *damages) Events(out []stack.Event) int {
	n := b.Verbs.Events(out)
	for i := range out[:n] {
		if out[i].Kind != stack.Datagram {
			continue
		}
		if b.seen++; b.seen == 3 {
			out[i].Frame.Bytes()[20] ^= 4
		}
	}
	return n
}

// TestBrokenStackIsSeen: two hosts exchange datagrams of the oracle; one of them has
// a stack that is broken in one way, and the run has to end with the right words.
func TestBrokenStackIsSeen(t *testing.T) {
	seed := testenv.Seed(t)
	for _, tt := range []struct {
		name string
		wrap func(Verbs) Verbs
		want string
	}{
		{"as it is", func(v Verbs) Verbs { return v }, ""},
		{"loses a received frame", func(v Verbs) Verbs { return &losesReceived{Verbs: v} }, "place stack, held by nobody"},
		{"loses a completed frame", func(v Verbs) Verbs { return &losesCompleted{Verbs: v} }, "ledger: hold tx"},
		{"loses a frame to send", func(v Verbs) Verbs { return &losesOutput{Verbs: v} }, "ledger: hold tx"},
		{"loses an event", func(v Verbs) Verbs { return &losesEvent{Verbs: v} }, "still held by application"},
		{"has a deadline without a reason", func(v Verbs) Verbs { return hurries{v} }, "no timer without a reason"},
		{"has no deadline", func(v Verbs) Verbs { return sleeps{v} }, "still held by tx"},
		{"touches a frame in TX", func(v Verbs) Verbs { return &touchesSent{Verbs: v} }, "was touched before"},
		{"damages a payload", func(v Verbs) Verbs { return &damages{Verbs: v} }, "delivered damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := runBroken(seed, tt.wrap)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("the stack that is not broken failed: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("the run said %v, want %q", err, tt.want)
			default:
				t.Logf("the run said: %v", err)
			}
		})
	}
}

// runBroken runs 20 datagrams between two hosts, there and back, and one to a host
// that does not exist.
func runBroken(seed uint64, wrap func(Verbs) Verbs) error {
	s := &scenario{net: NewNet(seed, nil), traffic: newRand(seed, streamTraffic), families: []int{4}, roomy: true, clean: true}
	for i := range 2 {
		c := HostConfig{
			Name: "broken", Addrs: []netip.Prefix{prefix(4, i+1)}, Completion: umem.Millisecond, Wrap: wrap,
		}
		if _, err := s.net.AddHost(c); err != nil {
			return err
		}
	}
	a, b := s.net.Hosts()[0].Workers()[0], s.net.Hosts()[1].Workers()[0]
	s.serve(1, b)
	a.Do(func(now umem.Time) {
		k := s.open(a, socket.Options{Events: true})
		k.Datagram = func(now umem.Time, e *stack.Event) {
			s.reply(now, 0, a, e.Frame.Bytes())
			a.Stack().Release(e.Frame)
		}
		for i := range 20 {
			s.net.After(umem.Time(i+1)*umem.Millisecond, func() {
				s.burst(0, a, k, netip.AddrPortFrom(prefix(4, 2).Addr(), portEcho), 1)
			})
		}
		s.net.After(umem.Second, func() {
			s.burst(0, a, k, netip.AddrPortFrom(prefix(4, 99).Addr(), portEcho), -1)
		})
	})
	if err := s.net.Settle(s.net.Now() + settleTime); err != nil {
		return err
	}
	return s.net.Drained()
}
