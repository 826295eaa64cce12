package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/hosttest"
	"github.com/xdpstack/xdpstack/umem"
)

// journeys follows frames through the proxy's port: which chunk was received from one side,
// and sent, and sent again, on the other.
type journeys struct {
	mu       sync.Mutex
	from, to uint16            // ports: where clients come to, and the backend's
	arrived  map[uint32]bool   // chunks whose last packet came from a client
	sent     map[uint32]uint32 // chunk by sequence number towards the backend
	same     int               // packets to the backend in the chunk of one from a client
	other    int               // in another
	again    int               // packets to the backend sent again in the same chunk
	moved    int               // in another
}

func (j *journeys) see(s *segment, sent bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case s.payload == 0:
	case !sent && s.dst == j.from:
		j.arrived[s.chunk] = true
	case !sent:
		delete(j.arrived, s.chunk)
	case s.dst == j.to:
		if j.arrived[s.chunk] {
			j.same++
		} else {
			j.other++
		}
		before, again := j.sent[s.seq]
		if again && before == s.chunk {
			j.again++
		} else if again {
			j.moved++
		}
		j.sent[s.seq] = s.chunk
	}
}

// TestSameFrameSentAgain: with 1 % loss on the backend's side, what was received from the client
// is sent, and sent again, in the chunk in which it came. (The way back is from smaller headers to larger, and
// copied: see TestSmallerSegments.)
func TestSameFrameSentAgain(t *testing.T) {
	const size = 4 << 20
	r := newRig(t, 1)
	rng, seed := seeded(t)
	data := octets(rng, size)
	in, out := families[1], families[0] // IPv6 in, IPv4 out: what comes fits
	l, to := r.listen(out.backend)
	p, port := r.proxy(Config{}, to)
	j := &journeys{from: port, to: to.Port(), arrived: make(map[uint32]bool), sent: make(map[uint32]uint32)}
	r.tapA.watch(j.see)
	backends := func(s *segment) bool { return s.src == to.Port() || s.dst == to.Port() }
	r.tapA.lose(seed, 0.01, backends)
	r.tapB.lose(seed+1, 0.01, backends)

	client, server := r.dial(in.proxy, port), r.accept(l)
	go func() {
		client.say(data)
		client.closeWrite()
	}()
	if server.sum() != sha256.Sum256(data) {
		t.Error("the backend has not what was sent")
	}
	if st := p.Stats(); st.Forwarded < size/1500 || len(st.Copied) > 0 {
		t.Errorf("forwarded %d, copied %v", st.Forwarded, st.Copied)
	}
	go func() {
		server.say(data)
		server.closeWrite()
	}()
	if client.sum() != sha256.Sum256(data) {
		t.Error("the client has not what was sent")
	}
	until(t, "the session has ended", func() bool { return p.Stats().Active == 0 })
	j.mu.Lock()
	defer j.mu.Unlock()
	t.Logf("to the backend: %d packets in the client's chunks, %d in others; %d sent again in the same, %d in another; lost %d and %d",
		j.same, j.other, j.again, j.moved, r.tapA.lost, r.tapB.lost)
	if j.same < size/1500 || j.other > 0 || j.again == 0 || j.moved > 0 || r.tapB.lost == 0 {
		t.Error("not every packet was sent in the chunk in which it came")
	}
}

// TestSmallerSegments: what comes by IPv4 does not fit in IPv6 segments. It is copied, and
// counted as that.
func TestSmallerSegments(t *testing.T) {
	const size = 1 << 20
	r := newRig(t, 1)
	rng, _ := seeded(t)
	data := octets(rng, size)
	in, out := families[0], families[1]
	l, to := r.listen(out.backend)
	p, port := r.proxy(Config{}, to)
	client, server := r.dial(in.proxy, port), r.accept(l)
	go func() {
		client.say(data)
		client.closeWrite()
	}()
	if server.sum() != sha256.Sum256(data) {
		t.Error("the backend has not what was sent")
	}
	server.Close()
	client.end()
	st := p.Stats()
	if len(st.Copied) != 1 || st.Copied[0].Reason != "large" || st.Copied[0].Frames < size/1460/2 {
		t.Errorf("forwarded %d, copied %v", st.Forwarded, st.Copied)
	}
}

// TestStall: a backend that does not read closes the client's window; what waits is
// bounded by it; and all comes once it reads.
func TestStall(t *testing.T) {
	const size = 8 << 20
	for _, c := range []struct{ in, out, loss int }{{0, 0, 0}, {1, 1, 0}, {1, 0, 1}} {
		in, out := families[c.in], families[c.out]
		t.Run(fmt.Sprintf("IPv%s to IPv%s, %d %% loss on the backend's side", in.name, out.name, c.loss), func(t *testing.T) {
			r := newRig(t, 1)
			rng, seed := seeded(t)
			data := octets(rng, size)
			l, to := r.listen(out.backend)
			backends := func(s *segment) bool { return s.src == to.Port() || s.dst == to.Port() }
			r.tapA.lose(seed, float64(c.loss)/100, backends)
			r.tapB.lose(seed+1, float64(c.loss)/100, backends)
			p, port := r.proxy(Config{}, to)
			shut := make(chan struct{})
			var once sync.Once
			r.tapA.watch(func(s *segment, sent bool) {
				if sent && s.src == port && s.flags&flagSYN == 0 && s.window == 0 {
					once.Do(func() { close(shut) })
				}
			})
			client, server := r.dial(in.proxy, port), r.accept(l)
			go func() {
				client.say(data)
				client.closeWrite()
			}()
			select {
			case <-shut:
			case <-time.After(patience):
				t.Fatal("the client's window was not closed")
			}
			r.tapA.watch(nil)
			taken := p.Stats().ToBackends
			if taken > size/2 {
				t.Errorf("%d octets were taken from the client while the backend read none", taken)
			}
			if n := held(t, r); n > hosttest.Frames/2 {
				t.Errorf("%d frames of %d are held for one connection that stalls", n, hosttest.Frames)
			}
			another(r, in.proxy, port, l)
			if server.sum() != sha256.Sum256(data) {
				t.Error("not what was sent")
			}
			server.Close()
			client.end()
		})
	}
}

// held is how many frames the proxy holds.
func held(t *testing.T, r *rig) int {
	t.Helper()
	st, err := r.a.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return st.Workers[0].Frames.Holds[umem.HoldApp]
}

// another is a session of its own.
func another(r *rig, proxy netip.Addr, port uint16, l net.Listener) {
	r.t.Helper()
	c, s := r.dial(proxy, port), r.accept(l)
	c.say([]byte("and me?"))
	s.hear("and me?")
	s.say([]byte("you too"))
	c.hear("you too")
	c.Close()
	s.Close()
}

// TestCrumbs: a client that sends an octet at a time, while nobody takes them, does not take a frame
// for each; and they come in order.
func TestCrumbs(t *testing.T) {
	const crumbs = 3000
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			r := newRig(t, 1)
			l, to := r.listen(f.backend)
			rng, _ := seeded(t)
			p, port := r.proxy(Config{ConnectTimeout: 2 * time.Second}, nobody(f.backend), to)
			client := r.dial(f.proxy, port)
			var want []byte
			for i := range crumbs {
				want = append(want, byte(i))
				client.say(want[i:])
				if i%50 == 0 { // so that they come to the proxy in many batches
					until(t, "the proxy has them", func() bool { return int(p.Stats().ToBackends) == i+1 })
				}
			}
			until(t, "the proxy has all", func() bool { return p.Stats().ToBackends == crumbs })
			if n := held(t, r); n > maxSmall || p.Stats().CopiedSmall == 0 {
				t.Errorf("%d frames are held: %+v", n, p.Stats())
			}
			big := octets(rng, 20_000)
			client.say(big)
			until(t, "the proxy has that too", func() bool { return p.Stats().ToBackends == crumbs+20_000 })
			server := r.accept(l)
			server.hear(string(want) + string(big))
			client.closeWrite()
			server.end()
			if p.Stats().Listeners[0].Backends[0].Failures != 1 {
				t.Error("the first backend has answered: the test has not tested")
			}
		})
	}
}

// TestSlowBackend: what comes while something waits comes behind it.
func TestSlowBackend(t *testing.T) {
	const size, piece = 4 << 20, 3000
	r := newRig(t, 1, func(c *xdpstack.Config) { c.Limits.StreamSendBytes = 16 << 10 }) // less than the window
	rng, _ := seeded(t)
	data := octets(rng, size)
	f := families[0]
	l, to := r.listen(f.backend)
	_, port := r.proxy(Config{}, to)
	client, server := r.dial(f.proxy, port), r.accept(l)
	go func() {
		client.say(data)
		client.closeWrite()
	}()
	for at := 0; at < size; {
		in := make([]byte, min(piece, size-at))
		if _, err := io.ReadFull(server, in); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(in, data[at:at+len(in)]) {
			t.Fatalf("not what was sent, from octet %d on", at)
		}
		at += len(in)
		runtime.Gosched()
	}
	server.end()
}

// TestNoAllocs: requests and answers on an open session allocate nothing, neither here nor below.
func TestNoAllocs(t *testing.T) {
	const requests = 2000
	r := newRig(t, 1, func(c *xdpstack.Config) { c.LedgerEvery = 0 }) // an audit allocates
	l, to := r.listen(families[0].backend)
	_, port := r.proxy(Config{}, to)
	client, server := r.dial(families[0].proxy, port), r.accept(l)
	request, answer, heard := make([]byte, 100), make([]byte, 600), make([]byte, 600)
	go func() {
		for in := make([]byte, len(request)); ; {
			if _, err := io.ReadFull(server, in); err != nil {
				return
			}
			server.say(answer)
		}
	}()
	ask := func() {
		client.say(request)
		if _, err := io.ReadFull(client, heard); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // warm
		ask()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		ask()
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > requests/20 { // timers and the runtime's own
		t.Errorf("%d allocations in %d requests", n, requests)
	}
	client.Close()
}
