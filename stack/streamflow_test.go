package stack

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// ofThree makes worker 1 of three, which knows its peer.
func ofThree(t *testing.T, f *family) *host {
	h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = 1, 3 })
	h.s.LearnNeighbour(h.now, &link.Neighbour{Addr: ip.FromNetip(f.peer), MAC: peerMAC, State: link.Reachable})
	return h
}

// arriveAfter gives the host a segment that was handed on so many times, and returns where it goes then: a
// worker, or the device when it is answered, or -1.
func (h *host) arriveAfter(b []byte, hops uint8) int {
	h.t.Helper()
	frame := h.frame(b)
	frame.Hops = hops
	h.input(frame)
	var out [2]*umem.Frame
	n := h.s.Output(h.now, out[:])
	if n != 1 {
		if n > 1 {
			h.t.Fatalf("%d frames", n)
		}
		return -1
	}
	if port := out[0].Port; port >= umem.PortWorker {
		if out[0].Hops != hops+1 {
			h.t.Errorf("handed on %d times, not %d", out[0].Hops, hops+1)
		}
		h.pool.Free(out[0])
		return int(port - umem.PortWorker)
	}
	h.transmit(out[0])
	return 100
}

const answered = 100

// TestStraySegmentsGoRound: to whom the cache or the port says, then round, and the last worker answers.
func TestStraySegmentsGoRound(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := ofThree(t, f)
		listener, err := h.s.Open(socket.Stream, 0, socket.Owner{})
		must(t, err)
		must(t, h.s.Bind(listener, netip.AddrPortFrom(f.us, 80)))
		must(t, h.s.Listen(listener, 0))
		ackTo := func(port uint16) []byte {
			return synTo(f, port, func(b wire.TCP) {
				b[13] = uint8(wire.TCPAck)
				wire.SealTCP(b, sumOf(f))
			})
		}
		first, run := h.s.ports.Run() // worker 1's
		local, peer := socket.AddrFrom(netip.AddrPortFrom(f.us, 80)), socket.AddrFrom(netip.AddrPortFrom(f.peer, 999))
		for _, c := range []struct {
			name string
			b    []byte
			hops uint8
			want int
		}{
			{"an unknown segment, first", ackTo(80), 0, 2},
			{"then the next", ackTo(80), 1, 2},
			{"the last answers", ackTo(80), 3, answered},
			{"a SYN to a listener", synTo(f, 80, func(wire.TCP) {}), 0, answered},
			{"a SYN to nobody", synTo(f, 81, func(wire.TCP) {}), 0, answered},
			{"a port of worker 0's run", ackTo(first - 1), 0, 0},
			{"a port of worker 2's run", ackTo(first + uint16(run)), 0, 2},
			{"a port of our own run", ackTo(first), 0, answered},
			{"an ACK that does not fit the half-open one", ackTo(80), 0, 2},
		} {
			if got := h.arriveAfter(c.b, c.hops); got != c.want {
				t.Errorf("%s: goes to %d, not %d", c.name, got, c.want)
			}
		}
		if n := h.s.tcp.Len(); n != 2 {
			t.Fatalf("%d slots are in use, not a listener's and a half-open connection's", n)
		}
		h.s.LearnFlow(local, peer, 0)
		if h.s.tcp.Len() != 1 {
			t.Error("the half-open connection is another worker's, and stays")
		}
		if got := h.arriveAfter(ackTo(80), 0); got != 0 {
			t.Errorf("the worker that was learnt is 0, not %d", got)
		}
		if got := h.arriveAfter(ackTo(80), 1); got != 2 {
			t.Errorf("what was handed on goes round, not to %d", got)
		}
	})
}

// sumOf is the pseudo-header's sum of synTo's segments.
func sumOf(f *family) uint32 {
	return ip.FromNetip(f.peer).Sum() + ip.FromNetip(f.us).Sum() + wire.ProtoTCP + wire.TCPLen
}

// TestICMPErrorsOfAHandshake end it when they quote what is in flight, and nothing else does (RFC 5927, section 4.1).
func TestICMPErrorsOfAHandshake(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s, err := h.s.Open(socket.Stream, 0, socket.Owner{})
		must(t, err)
		must(t, h.s.Connect(s, netip.AddrPortFrom(f.peer, 80)))
		quote := h.one()[wire.EthernetLen:]
		forged := append([]byte(nil), quote...)
		forged[f.header-wire.EthernetLen+4] ^= 1 // the sequence number
		h.receive(icmpError(f, f.portUnreach, forged))
		h.dropped(ICMPIgnored)
		h.receive(icmpError(f, f.portUnreach, quote))
		if e := h.event(Stream); e.Socket != s || e.Ready != ReadyClosed || e.Errno != socket.ECONNREFUSED {
			t.Errorf("heard %+v", e)
		}
		if h.s.family(f.v4).ICMPDelivered != 1 {
			t.Error("it was not counted")
		}
	})
}

// TestTTLAndTOSOfAStream are the listener's, for its connections and their answers.
func TestTTLAndTOSOfAStream(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s, err := h.s.Open(socket.Stream, 0, socket.Owner{})
		must(t, err)
		must(t, h.s.SetOptions(s, socket.Options{TTL: 3, TOS: 0xb8}))
		must(t, h.s.Bind(s, netip.AddrPortFrom(f.us, 80)))
		must(t, h.s.Listen(s, 0))
		h.receive(synTo(f, 80, func(wire.TCP) {}))
		b := h.one()
		ttl, tos := b[22], b[15]
		if !f.v4 {
			ttl, tos = b[21], wire.IPv6(b[wire.EthernetLen:]).TrafficClass()
		}
		if ttl != 3 || tos != 0xb8 {
			t.Errorf("TTL %d, TOS %#x", ttl, tos)
		}
	})
}
