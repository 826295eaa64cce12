package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/xdpstack/xdpstack/umem"
)

// Start is the time at which a Net begins: not 0, which is "never was" to many.
const Start = umem.Second

// maxEvents is how many events a run may have. A scenario has some ten thousand; what
// goes round for ever must end with a failure, and not with the patience of whoever
// waits.
const maxEvents = 2e6

// Net is a network of stacks in one goroutine and in virtual time. Nothing in it
// depends on anything but its seed, its hosts and the calls made to it.
type Net struct {
	seed     uint64
	now      umem.Time
	queue    queue
	events   int
	wire     *rand.Rand
	schedule *rand.Rand

	hosts   []*Host
	links   []*cable
	hub     hub
	capture *Capture
	trace   trace
	err     error

	// Sent, when set, hears of every frame that leaves a host.
	Sent func(h *Host, frame []byte)
	// Duplicated, when set, hears of every packet that a wire duplicates.
	Duplicated func(frame []byte)
}

// NewNet makes an empty network. With a capture, every packet on every wire is
// written to it.
func NewNet(seed uint64, capture *Capture) *Net {
	return &Net{
		seed:     seed,
		now:      Start,
		wire:     newRand(seed, streamWire),
		schedule: newRand(seed, streamSchedule),
		capture:  capture,
		trace:    newTrace(),
	}
}

// Now is the virtual time.
func (n *Net) Now() umem.Time { return n.now }

// Hosts are the hosts, in the order in which they were added.
func (n *Net) Hosts() []*Host { return n.hosts }

// At has run called at a time, or now if that has passed.
func (n *Net) At(at umem.Time, run func()) { n.queue.push(max(at, n.now), run) }

// After has run called after a while.
func (n *Net) After(d umem.Time, run func()) { n.At(n.now+d, run) }

// Fail ends the run; the first failure is the one that counts.
func (n *Net) Fail(format string, args ...any) {
	if n.err == nil {
		n.err = fmt.Errorf("at %d.%09d s: %w", n.now/umem.Second, n.now%umem.Second, fmt.Errorf(format, args...))
	}
}

// Err is the failure, if there was one.
func (n *Net) Err() error { return n.err }

// Run lets the time pass until a moment, inclusive. It returns the failure that
// ended it, if one did.
func (n *Net) Run(until umem.Time) error {
	for n.err == nil && n.queue.next() <= until {
		n.step()
	}
	if n.err == nil {
		n.now = max(n.now, until)
	}
	return n.err
}

// RunUntil lets the time pass until done, or until a moment: that is a failure,
// which says what was waited for.
func (n *Net) RunUntil(until umem.Time, what string, done func() bool) error {
	for n.err == nil && !done() {
		if n.queue.next() > until {
			n.now = until
			n.Fail("sim: waited in vain for %s", what)
			break
		}
		n.step()
	}
	return n.err
}

// Settle lets the time pass until nothing is going to happen any more: no packet on
// its way, no timer set. At the limit it fails: something never ends.
func (n *Net) Settle(limit umem.Time) error {
	for n.err == nil && n.queue.next() != umem.Never {
		if n.queue.next() > limit {
			n.now = limit
			n.Fail("sim: no quiet: %d events still to come, the next at %d ns; %s",
				len(n.queue.heap), n.queue.next(), n.waiting())
			break
		}
		n.step()
	}
	return n.err
}

func (n *Net) step() {
	if n.events++; n.events > maxEvents {
		n.Fail("sim: %d events: something goes round; %s", n.events, n.waiting())
		return
	}
	e := n.queue.pop()
	n.now = e.at
	e.run()
}

// waiting says which workers still have a timer.
func (n *Net) waiting() string {
	s := "no worker has a timer"
	for _, h := range n.hosts {
		for _, w := range h.workers {
			if d := w.stack.Deadline(); d != umem.Never {
				s = fmt.Sprintf("%v has a timer at %d ns", w, d)
			}
		}
	}
	return s
}

// saw notes a packet in the trace, and in the capture when there is one.
func (n *Net) saw(l *cable, p packet, remark string) {
	n.trace.packet(n.now, p.data, remark)
	if n.capture != nil {
		n.capture.packet(l.tap, n.now, p.data, remark)
	}
}

func (n *Net) duplicated(data []byte) {
	if n.Duplicated != nil {
		n.Duplicated(data)
	}
}

// Trace is a hash of all that crossed the wires, with its times and its fate: the
// same for the same seed.
func (n *Net) Trace() uint64 { return uint64(n.trace) }

// Wires is the sum of what the links did.
func (n *Net) Wires() (sum WireStats) {
	for _, l := range n.links {
		sum.add(&l.stats)
	}
	return sum
}
