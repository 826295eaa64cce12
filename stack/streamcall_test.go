package stack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// TestStreamToThisHostItself: both ends on one stack, whose frames are held by the sender while the
// receiver has copies.
func TestStreamToThisHostItself(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		l, err := h.s.Open(socket.Stream, 0, socket.Owner{})
		must(t, err)
		must(t, h.s.Bind(l, netip.AddrPortFrom(f.us, 80)))
		must(t, h.s.Listen(l, 5))
		c, err := h.s.Open(socket.Stream, wire.ProtoTCP, socket.Owner{UID: 5})
		must(t, err)
		must(t, h.s.Connect(c, netip.AddrPortFrom(f.us, 80)))
		turn := func() {
			for range 10 {
				h.none()
				h.now += umem.Millisecond
				h.s.Expire(h.now, 64)
				h.events()
			}
		}
		turn()
		s, err := h.s.Accept(l)
		must(t, err)
		data := bytes.Repeat([]byte("loop"), 2000)
		for name, ends := range map[string][2]socket.Handle{"up": {c, s}, "down": {s, c}} {
			var got []byte
			sent := 0
			for range 100 {
				n, err := h.s.Send(ends[0], data[sent:], false)
				if sent += n; err != nil && !errors.Is(err, socket.EAGAIN) {
					t.Fatal(name, err)
				}
				turn()
				b := make([]byte, 3000)
				n, _ = h.s.RecvMsg(h.now, ends[1], &socket.Msg{Data: b})
				got = append(got, b[:n]...)
			}
			if !bytes.Equal(got, data) {
				t.Errorf("%s: %d octets arrived of %d, or others", name, len(got), len(data))
			}
		}
		must(t, h.s.Close(c))
		must(t, h.s.Close(s))
		turn()
		h.pass(61 * umem.Second)
		must(t, h.s.Close(l))
		if n := h.s.tcp.Len(); n != 0 {
			t.Errorf("%d slots are in use", n)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStreamCallsNeedAStream, and stale handles are told apart from other kinds.
func TestStreamCallsNeedAStream(t *testing.T) {
	f := &families[0]
	h := newHost(t)
	d := h.socketOf(f.us, 7, socket.Options{})
	stale, err := h.s.Open(socket.Stream, 0, socket.Owner{})
	must(t, err)
	must(t, h.s.Close(stale))
	fresh, err := h.s.Open(socket.Stream, 0, socket.Owner{})
	must(t, err)
	if fresh == stale || !fresh.IsStream() || d.IsStream() {
		t.Errorf("handles %v, %v", fresh, stale)
	}
	m := func() *socket.Msg { return &socket.Msg{Data: make([]byte, 8)} }
	for name, c := range map[string]struct {
		call func(socket.Handle) error
		want [3]socket.Errno // of a datagram socket, a stale handle, a stream that is not connected
	}{
		"Listen":   {func(s socket.Handle) error { return h.s.Listen(s, 1) }, [3]socket.Errno{socket.EOPNOTSUPP, socket.EBADF, socket.EINVAL}},
		"Accept":   {func(s socket.Handle) error { _, err := h.s.Accept(s); return err }, [3]socket.Errno{socket.EOPNOTSUPP, socket.EBADF, socket.EINVAL}},
		"Shutdown": {h.s.Shutdown, [3]socket.Errno{socket.EOPNOTSUPP, socket.EBADF, socket.ENOTCONN}},
		"Send":     {func(s socket.Handle) error { _, err := h.s.Send(s, nil, false); return err }, [3]socket.Errno{socket.EOPNOTSUPP, socket.EBADF, socket.EPIPE}},
		"Take":     {func(s socket.Handle) error { _, err := h.s.Take(s, nil); return err }, [3]socket.Errno{socket.EOPNOTSUPP, socket.EBADF, 0}},
		"RecvMsg":  {func(s socket.Handle) error { _, err := h.s.RecvMsg(h.now, s, m()); return err }, [3]socket.Errno{socket.EAGAIN, socket.EBADF, socket.ENOTCONN}},
		"SendMsg":  {func(s socket.Handle) error { _, err := h.s.SendMsg(h.now, s, m()); return err }, [3]socket.Errno{socket.EDESTADDRREQ, socket.EBADF, socket.EPIPE}},
		"Peer":     {func(s socket.Handle) error { _, err := h.s.Peer(s); return err }, [3]socket.Errno{socket.ENOTCONN, socket.EBADF, socket.ENOTCONN}},
	} {
		for i, s := range []socket.Handle{d, stale, fresh} {
			if err := c.call(s); !errors.Is(err, c.want[i].Err()) && (err != nil || c.want[i] != 0) {
				t.Errorf("%s of handle %d: %v, not %v", name, i, err, c.want[i])
			}
		}
	}
	must(t, h.s.Abort(fresh))
}

// TestConnectErrors are Linux's.
func TestConnectErrors(t *testing.T) {
	f := &families[0]
	h := newHost(t)
	open := func() socket.Handle {
		s, err := h.s.Open(socket.Stream, 0, socket.Owner{})
		must(t, err)
		return s
	}
	s := open()
	for to, want := range map[string]socket.Errno{
		"198.18.0.2:0": socket.EINVAL, "224.0.0.1:80": socket.EINVAL, "203.0.113.1:80": socket.ENETUNREACH,
	} {
		if err := h.s.Connect(s, netip.MustParseAddrPort(to)); !errors.Is(err, want) {
			t.Errorf("to %s: %v", to, err)
		}
	}
	must(t, h.s.Bind(s, netip.AddrPortFrom(f.us, 80)))
	if err := h.s.Bind(open(), netip.AddrPortFrom(netip.IPv6Unspecified(), 80)); !errors.Is(err, socket.EADDRINUSE) {
		t.Errorf("binding to a port in use: %v", err)
	}
	if err := h.s.Bind(open(), netip.AddrPortFrom(f.peer, 80)); !errors.Is(err, socket.EADDRNOTAVAIL) {
		t.Errorf("binding to another host's address: %v", err)
	}
	must(t, h.s.Connect(s, netip.AddrPortFrom(f.peer, 80)))
	if err := h.s.Connect(s, netip.AddrPortFrom(f.peer, 80)); !errors.Is(err, socket.EALREADY) {
		t.Errorf("connecting again: %v", err)
	}
	h.sent()
}

// TestNeighbourThatDoesNotAnswer fails the handshake (RFC 1122, section 2.3.2.2).
func TestNeighbourThatDoesNotAnswerFailsAHandshake(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s, err := h.s.Open(socket.Stream, 0, socket.Owner{})
		must(t, err)
		must(t, h.s.Connect(s, netip.AddrPortFrom(f.peer, 80)))
		for range 50 {
			h.sent()
			h.pass(100 * umem.Millisecond)
		}
		if e := h.event(Stream); e.Socket != s || e.Ready != ReadyClosed || e.Errno != socket.EHOSTUNREACH {
			t.Errorf("heard %+v", e)
		}
	})
}

// synTo is a SYN to a port of the host, complete.
func synTo(f *family, port uint16, change func(wire.TCP)) []byte {
	b := segment{proto: wire.ProtoTCP, raw: true, payload: make([]byte, wire.TCPLen)}.bytes(f)
	tb := b[len(b)-wire.TCPLen:]
	wire.PutTCP(tb, wire.TCPFields{SrcPort: 999, DstPort: port, Seq: 7, Flags: wire.TCPSyn, Window: 1000})
	wire.SealTCP(tb, ip.FromNetip(f.peer).Sum()+ip.FromNetip(f.us).Sum()+wire.ProtoTCP+wire.TCPLen)
	change(tb)
	return b
}

// TestSegmentsThatGoNowhere are counted, and answered where the RFC says so.
func TestSegmentsThatGoNowhere(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		h.receive(synTo(f, 80, func(wire.TCP) {}))
		b := h.one()
		if r := wire.TCP(b[len(b)-wire.TCPLen:]); r.Flags() != wire.TCPRst|wire.TCPAck || r.Ack() != 8 || r.Seq() != 0 {
			t.Errorf("answered with %v, ack %d", r.Flags(), r.Ack())
		}
		h.dropped(NoConnection)
		h.receive(synTo(f, 80, func(b wire.TCP) { b[4]++ }))
		h.none()
		h.dropped(TCPChecksum)
		h.receive(synTo(f, 80, func(b wire.TCP) { b[12] = 0x40 }))
		h.none()
		h.dropped(TCPMalformed)
	})
}

// TestSegmentInFragmentsThatFillTheChunk: what makes it one frame moves its header.
func TestSegmentInFragmentsThatFillTheChunk(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		const data = 1850
		body := make([]byte, wire.TCPLen+data)
		for i := range body {
			body[i] = byte(i * 7)
		}
		wire.PutTCP(body, wire.TCPFields{SrcPort: 999, DstPort: 80, Seq: 7, Flags: wire.TCPPsh, Window: 1000})
		wire.SealTCP(body, pseudo(f.peer, f.us, wire.ProtoTCP, len(body)))
		h.input(h.chain(segment{proto: wire.ProtoTCP, raw: true, payload: body}.bytes(f), testChunk-umem.Headroom))
		b := h.one()
		if r := wire.TCP(b[len(b)-wire.TCPLen:]); r.Flags() != wire.TCPRst|wire.TCPAck || r.Ack() != 7+data {
			t.Errorf("answered with %v, ack %d", r.Flags(), r.Ack())
		}
		h.dropped(NoConnection)
	})
}

// TestPartialChecksumOfASegment is taken by policy only.
func TestPartialChecksumOfASegment(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f, func(c *Config, _ *umem.PoolConfig) { c.Ifaces[0].Checksum = PartialOK })
		sum := ip.FromNetip(f.peer).Sum() + ip.FromNetip(f.us).Sum() + wire.ProtoTCP + wire.TCPLen
		for sum>>16 != 0 {
			sum = sum>>16 + sum&0xffff
		}
		h.receive(synTo(f, 80, func(b wire.TCP) { binary.BigEndian.PutUint16(b[16:], uint16(sum)) }))
		h.one()
		h.dropped(NoConnection)
		if h.s.counters.PartialChecksums != 1 {
			t.Error("it was not counted")
		}
	})
}

// TestSocketsShowsAll, a few at a time.
func TestSocketsShowsAll(t *testing.T) {
	f := &families[0]
	s := newStreams(t, f)
	client, _ := s.connect(f)
	d, err := s.ends[0].s.Open(socket.Datagram, 0, socket.Owner{UID: 3})
	must(t, err)
	var out [1]SocketInfo
	seen := map[socket.Handle]SocketInfo{}
	for from := 0; ; {
		n, next := s.ends[0].s.Sockets(from, out[:])
		if n == 1 {
			seen[out[0].Handle] = out[0]
		}
		if from = next; from == 0 {
			break
		}
	}
	if i := seen[client]; len(seen) != 2 || i.State != "ESTABLISHED" || i.Peer.Port != 80 || i.Owner.UID != 7 || i.Mss != 1460 || i.Cwnd == 0 {
		t.Errorf("shown: %+v", seen)
	}
	if i := seen[d]; i.State != "UNCONN" || i.Family != socket.Datagram || i.Owner.UID != 3 {
		t.Errorf("shown: %+v", seen)
	}
	n, _ := s.ends[1].s.Sockets(0, out[:])
	if n != 1 || out[0].State != "LISTEN" || out[0].SendQueue != 1024 {
		t.Errorf("a listener: %+v", out[0])
	}
}

// TestStreamsDoNotAllocate: connecting, sending, receiving, forwarding and closing.
func TestStreamsDoNotAllocate(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		s := newStreams(t, f)
		client, server := s.connect(f)
		data := make([]byte, 4000)
		var frames [8]*umem.Frame
		to := netip.AddrPortFrom(f.peer, 80)
		if n := testing.AllocsPerRun(200, func() {
			_, _ = s.ends[0].s.Send(client, data, false)
			for s.turn() > 0 {
			}
			n, _ := s.ends[1].s.Take(server, frames[:])
			for _, f := range frames[:n] {
				_ = s.ends[1].s.Forward(server, server, f)
			}
			for s.turn() > 0 {
			}
			for n = 1; n > 0; {
				n, _ = s.ends[0].s.RecvMsg(s.now, client, &socket.Msg{Data: data})
			}
			c, _ := s.ends[0].s.Open(socket.Stream, 0, socket.Owner{})
			_ = s.ends[0].s.Connect(c, to)
			for s.turn() > 0 {
			}
			d, _ := s.ends[1].s.Accept(s.listener)
			_ = s.ends[0].s.Close(c)
			for s.turn() > 0 {
			}
			_ = s.ends[1].s.Close(d)
			for s.turn() > 0 {
			}
		}); n != 0 && !raceEnabled {
			t.Errorf("%v allocations", n)
		}
		if c := s.ends[1].s.Counters().TCP; c.ForwardedFrames < 200 || c.ForwardCopies != [4]uint64{} {
			t.Errorf("%d frames forwarded, %v copied", c.ForwardedFrames, c.ForwardCopies)
		}
	})
}
