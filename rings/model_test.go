package rings_test

import (
	"slices"
	"testing"

	"github.com/xdpstack/xdpstack/rings/ringtest"
	"pgregory.net/rapid"
)

func drawConfig(t *rapid.T) ringtest.Config {
	return ringtest.Config{
		Size:    1 << rapid.Uint32Range(0, 6).Draw(t, "log2 size"),
		Start:   0 - rapid.Uint32Range(0, 200).Draw(t, "before wrap"),
		Offsets: rapid.SampledFrom(ringtest.Layouts).Draw(t, "layout"),
	}
}

// outboundModel is a ring that we fill, as plainly as it can be said.
type outboundModel struct {
	outbound
	queue    []uint64 // published, not taken
	next     uint64   // next value to write
	reserved []uint64 // written into the reservation, not published
	taken    uint64
}

func (m *outboundModel) Reserve(t *rapid.T) {
	max := rapid.Uint32Range(0, 2*m.ring.Size()).Draw(t, "max")
	n := m.ring.Reserve(max)
	want(t, "Reserve", n, min(max, m.ring.Size()-uint32(len(m.queue))))
	m.reserved = nil
	for i := range n {
		m.set(i, m.next)
		m.reserved = append(m.reserved, m.next)
		m.next++
	}
}

func (m *outboundModel) Submit(t *rapid.T) {
	n := rapid.IntRange(0, len(m.reserved)).Draw(t, "n")
	m.ring.Submit(uint32(n))
	m.queue = append(m.queue, m.reserved[:n]...)
	m.reserved = m.reserved[n:]
}

func (m *outboundModel) Take(t *rapid.T) {
	max := rapid.IntRange(0, 70).Draw(t, "max")
	got := m.take(max)
	n := min(max, len(m.queue))
	if !slices.Equal(got, m.queue[:n]) {
		t.Fatalf("kernel took %v, want %v", got, m.queue[:n])
	}
	m.queue = m.queue[n:]
	m.taken += uint64(n)
}

func (m *outboundModel) Check(t *rapid.T) {
	pending := uint32(len(m.queue))
	if rapid.Bool().Draw(t, "query") { // a query refreshes: not after every step
		want(t, "Pending", m.ring.Pending(), pending)
		want(t, "Free", m.ring.Free(), m.ring.Size()-pending)
		want(t, "Consumed", m.ring.Consumed(), m.taken)
	}
	want(t, "Produced", m.ring.Produced(), m.taken+uint64(pending))
	want(t, "Corrupt", m.ring.Corrupt(), 0)
}

func TestProducerAgainstModel(t *testing.T) {
	seedRapid(t)
	for name, pair := range outbounds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := &outboundModel{outbound: pair(drawConfig(t))}
				t.Repeat(map[string]func(*rapid.T){"reserve": m.Reserve, "submit": m.Submit, "take": m.Take, "": m.Check})
			})
		})
	}
}

// inboundModel is a ring that the kernel fills, as plainly as it can be said.
type inboundModel struct {
	inbound
	queue    []uint64 // published, not released
	known    int      // of queue, what a Peek or query was bound to have seen
	peeked   int
	next     uint64
	released uint64
}

func (m *inboundModel) Give(t *rapid.T) {
	vs := values(m.next, rapid.IntRange(0, 70).Draw(t, "n"))
	n := m.give(vs...)
	want(t, "kernel gave", n, min(len(vs), int(m.ring.Size())-len(m.queue)))
	m.queue = append(m.queue, vs[:n]...)
	m.next += uint64(n)
}

func (m *inboundModel) Peek(t *rapid.T) {
	max := rapid.IntRange(0, 70).Draw(t, "max")
	if m.known <= m.peeked {
		m.known = len(m.queue)
	}
	n := int(m.ring.Peek(uint32(max)))
	want(t, "Peek", n, min(max, m.known))
	if got := m.read(uint32(n)); !slices.Equal(got, m.queue[:n]) {
		t.Fatalf("peeked at %v, want %v", got, m.queue[:n])
	}
	m.peeked = n
}

func (m *inboundModel) Release(t *rapid.T) {
	n := rapid.IntRange(0, m.peeked).Draw(t, "n")
	m.ring.Release(uint32(n))
	m.queue = m.queue[n:]
	m.peeked -= n
	m.known -= n
	m.released += uint64(n)
}

func (m *inboundModel) Check(t *rapid.T) {
	if rapid.Bool().Draw(t, "query") {
		want(t, "Available", m.ring.Available(), uint32(len(m.queue)))
		want(t, "Produced", m.ring.Produced(), m.next)
		m.known = len(m.queue)
	}
	want(t, "Consumed", m.ring.Consumed(), m.released)
	want(t, "Corrupt", m.ring.Corrupt(), 0)
}

func TestConsumerAgainstModel(t *testing.T) {
	seedRapid(t)
	for name, pair := range inbounds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := &inboundModel{inbound: pair(drawConfig(t))}
				t.Repeat(map[string]func(*rapid.T){"give": m.Give, "peek": m.Peek, "release": m.Release, "": m.Check})
			})
		})
	}
}
