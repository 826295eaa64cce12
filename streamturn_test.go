package xdpstack

import (
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// TestOrderWithinABatch: data, the peer's FIN, acknowledgements and a RST that came together are told
// in the order that makes sense.
func TestOrderWithinABatch(t *testing.T) {
	for _, fam := range families {
		m := newMatrix(t, "tcp"+fam.name, fam.a, fam.b)
		m.own = m.actor("own")
		m.taken, m.from = map[Segment]bool{}, map[Segment]*actor{}
		peer := m.dialB(m.own)
		m.heard(m.own, "opened")
		peer = m.trigger("writable", peer)
		m.onA(func(*Worker) { _, _ = peer.c.Send([]byte("last")) })
		m.onA(func(*Worker) { _ = peer.c.CloseWrite() })
		m.onA(func(*Worker) { _ = peer.c.Abort() })
		m.gate.open()
		m.heard(m.own, "closed")
		m.onB(func(*Worker) {
			if got := strings.Join(m.own.heard, " "); got != "accept opened data eof writable closed" {
				t.Errorf("IPv%s: heard %s", fam.name, got)
			}
			if m.own.err != syscall.ECONNRESET {
				t.Errorf("IPv%s: %v, want ECONNRESET", fam.name, m.own.err)
			}
		})
	}
}

// TestShareOfATurn: a connection with much to read gets its share in each turn, and the rest in the next ones.
func TestShareOfATurn(t *testing.T) {
	a, b, _ := gatedPair(t, 4*framesEach)
	var server *Stream
	calls, total := 0, 0
	srv := serve(t, b, "tcp4", "198.18.0.2", func(c *Stream) StreamHandler {
		server = c
		return &script{data: func(_ *Stream, segs []Segment) {
			calls++
			for _, g := range segs {
				total += g.Len()
			}
			if len(segs) > dataSegments {
				t.Errorf("%d segments in one call", len(segs))
			}
		}}
	})
	clients := make(chan *Stream, 1)
	dial(t, a, srv.Addr(), &script{opened: func(c *Stream) { clients <- c }})
	client := within(t, "Opened", clients)
	eventually(t, b, 0, "the server's end", func(*shard) bool { return server != nil })
	deaf := func(s *shard) { s.forgetStream(server.handle) }
	if err := b.on(0, deaf); err != nil {
		t.Fatal(err)
	}
	const size = 220_000 // in more segments than two calls take
	for sent := 0; sent < size; {
		eventually(t, a, 0, "room to send", func(*shard) bool {
			n, _ := client.Send(make([]byte, min(1000, size-sent)))
			sent += n
			return n > 0
		})
	}
	eventually(t, b, 0, "all in the queue", func(s *shard) bool {
		return slices.ContainsFunc(socketsOf(s), func(i stack.SocketInfo) bool { return i.RecvQueue == size })
	})
	err := b.on(0, func(s *shard) {
		s.attachStream(server.handle, server)
		server.ready(s, &stack.Event{Ready: stack.ReadyIn})
		if calls != dataCalls {
			t.Errorf("%d calls of Data in a turn, want %d", calls, dataCalls)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, b, 0, "the rest", func(*shard) bool { return total == size })
}

// deafReceiver counts its calls.
type deafReceiver struct{ calls int }

func (r *deafReceiver) ready(*shard, *stack.Event) { r.calls++ }

// TestUnreadIsResumedOnce, and not when the socket was closed meanwhile, or is another.
func TestUnreadIsResumedOnce(t *testing.T) {
	s, r, other := &shard{}, &deafReceiver{}, &deafReceiver{}
	h := socket.StreamHandle(5, 7)
	s.attachStream(h, r)
	s.unread(h)
	s.unread(h)
	if s.resume(); r.calls != 1 {
		t.Errorf("%d calls, want 1", r.calls)
	}
	s.unread(h)
	s.forgetStream(h)
	s.attachStream(socket.StreamHandle(5, 8), other)
	if s.resume(); r.calls != 1 || other.calls != 0 {
		t.Errorf("%d calls of what is closed, %d of what came in its place", r.calls, other.calls)
	}
	if s.streamReceiver(h) != nil {
		t.Error("a stale handle has a receiver")
	}
}

// TestPostsAreBounded: a worker that does not get to them takes 4096 calls and no more.
func TestPostsAreBounded(t *testing.T) {
	a, _ := pair(t, 1)
	w := a.Worker(0)
	held, free, ran := make(chan struct{}), make(chan struct{}), atomic.Int64{}
	w.Post(func() {
		close(held)
		<-free
	})
	within(t, "the worker", held)
	taken := int64(0)
	for w.Post(func() { ran.Add(1) }) {
		taken++
	}
	close(free)
	eventually(t, a, 0, "all calls", func(*shard) bool { return ran.Load() == taken })
	if taken != maxPosts {
		t.Errorf("%d calls were taken, want %d", taken, maxPosts)
	}
	if !w.Post(func() {}) {
		t.Error("there is room, and Post is refused")
	}
}
