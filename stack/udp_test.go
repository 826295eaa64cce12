package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
)

func TestUDPEchoWithoutCopy(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 7, socket.Options{Events: true})
		for n := range 100 {
			data := bytes.Repeat([]byte{byte(n)}, n)
			h.receive(segment{payload: data}.bytes(f))
			e := h.event(Datagram)
			if e.Socket != s || e.Src().Netip() != netip.AddrPortFrom(f.peer, 2000) || e.Dst().Netip() != netip.AddrPortFrom(f.us, 7) {
				t.Fatalf("an event of %v from %v to %v", e.Socket, e.Src().Netip(), e.Dst().Netip())
			}
			if !bytes.Equal(e.Frame.Bytes(), data) {
				t.Fatalf("received %x, not %x", e.Frame.Bytes(), data)
			}
			h.lent--
			if err := h.s.Reply(h.now, s, e.Frame); err != nil {
				t.Fatal(err)
			}
			src, dst, payload := datagram(t, f, h.one())
			if src != netip.AddrPortFrom(f.us, 7) || dst != netip.AddrPortFrom(f.peer, 2000) || !bytes.Equal(payload, data) {
				t.Fatalf("answered %x from %v to %v", payload, src, dst)
			}
		}
		if c := h.s.Counters(); c.SumReused != 100 || c.Copied != 0 {
			t.Errorf("%d sums reused, %d frames copied, of 100 echoes", c.SumReused, c.Copied)
		}
		h.dropped(noReason)
	})
}

func TestRecvMsgCopiesInOrder(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(netip.IPv6Unspecified(), 7, socket.Options{})
		var buffer [64]byte
		m := socket.Msg{Data: buffer[:]}
		if _, err := h.s.RecvMsg(h.now, s, &m); !errors.Is(err, socket.EAGAIN) {
			t.Fatalf("an empty queue: %v", err)
		}
		h.receive(segment{payload: []byte("one")}.bytes(f), segment{payload: []byte("two")}.bytes(f))
		h.event(Readable)
		for _, want := range []string{"one", "two"} {
			n, err := h.s.RecvMsg(h.now, s, &m)
			if err != nil || string(buffer[:n]) != want {
				t.Fatalf("received %q, %v, not %q", buffer[:n], err, want)
			}
			if m.Addr.Netip() != netip.AddrPortFrom(f.peer, 2000) || m.Local.Netip() != netip.AddrPortFrom(f.us, 7) || m.TTL != 64 {
				t.Errorf("from %v to %v, TTL %d", m.Addr.Netip(), m.Local.Netip(), m.TTL)
			}
		}
	})
}

// TestBroadcastsAreHeard: RFC 1122, section 3.3.6, by sockets bound to the
// unspecified address or to the broadcast address itself.
func TestBroadcastsAreHeard(t *testing.T) {
	f := &families[0]
	for _, a := range []string{"255.255.255.255", "198.18.0.255"} {
		for _, local := range []netip.Addr{netip.IPv4Unspecified(), addr(a)} {
			h := newHost(t)
			s := h.socketOf(local, 7, socket.Options{})
			h.receive(segment{dst: addr(a), dstMAC: wire.Broadcast, payload: []byte("all")}.bytes(f))
			if n := h.s.sockets.Get(s).Queued(); n != 1 {
				t.Errorf("to %s, bound to %v: %d datagrams", a, local, n)
			}
			h.dropped(noReason)
		}
	}
}

// TestTTLIsNoReasonToDrop: RFC 1122, section 3.2.1.7: a host takes what reached it.
func TestTTLIsNoReasonToDrop(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for _, ttl := range []byte{0, 1, 255} {
			h := newHost(t)
			s := h.socketOf(f.us, 7, socket.Options{})
			b := segment{}.bytes(f)
			if f.v4 {
				b[22] = ttl
				reseal(b)
			} else {
				b[21] = ttl
			}
			h.receive(b)
			m := socket.Msg{}
			if _, err := h.s.RecvMsg(h.now, s, &m); err != nil || m.TTL != ttl {
				t.Errorf("TTL %d: received %d, %v", ttl, m.TTL, err)
			}
		}
	})
}

// TestSocketThatOpensAfterItsFirstDatagram: what was found before is forgotten.
func TestSocketThatOpensAfterItsFirstDatagram(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		wild, _ := h.s.Open(socket.Datagram, 0, socket.Owner{})
		h.receive(segment{}.bytes(f))
		h.dropped(NoSocket)
		if err := h.s.Bind(wild, netip.AddrPortFrom(netip.IPv6Unspecified(), 7)); err != nil {
			t.Fatal(err)
		}
		h.receive(segment{}.bytes(f))
		h.dropped(noReason)
		if err := h.s.Connect(wild, netip.AddrPortFrom(f.other, 9)); err != nil {
			t.Fatal(err)
		}
		h.receive(segment{}.bytes(f))
		h.dropped(NoSocket)
	})
}
