package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// received makes a host with a socket that takes events, and a datagram in it.
func received(t *testing.T, f *family, data []byte) (*host, socket.Handle, *umem.Frame) {
	t.Helper()
	h := knowing(t, f)
	s := h.socketOf(f.us, 7, socket.Options{Events: true})
	h.receive(segment{payload: data}.bytes(f))
	e := h.event(Datagram)
	h.lent-- // to be given away
	return h, s, e.Frame
}

func TestFrameToFillAndSend(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{})
		frame := h.s.Get()
		copy(frame.Put(5), "hello")
		if err := h.s.SendFrame(h.now, s, frame, to(f.peer, 9)); err != nil {
			t.Fatal(err)
		}
		if _, _, data := datagram(t, f, h.one()); string(data) != "hello" {
			t.Errorf("sent %q", data)
		}
		h.s.Release(h.s.Get())
		h.check()
		if h.s.counters.Copied != 0 {
			t.Error("it was copied")
		}
	})
}

// TestFrameIsTakenOverInAnyCase: whatever SendFrame says, the frame is no longer
// the caller's.
func TestFrameIsTakenOverInAnyCase(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for _, c := range []struct {
			name string
			dst  socket.Addr
			send func(*host, socket.Handle, *umem.Frame, socket.Addr) error
			want error
		}{
			{"stale handle", to(f.peer, 9), func(h *host, s socket.Handle, fr *umem.Frame, a socket.Addr) error {
				_ = h.s.Close(s)
				return h.s.SendFrame(h.now, s, fr, a)
			}, socket.EBADF},
			{"pending error", to(f.peer, 9), func(h *host, s socket.Handle, fr *umem.Frame, a socket.Addr) error {
				h.s.sockets.Get(s).Err = socket.ECONNREFUSED
				return h.s.SendFrame(h.now, s, fr, a)
			}, socket.ECONNREFUSED},
			{"no route", to(f.nowhere, 9), (*host).sendFrame, socket.ENETUNREACH},
			{"no destination", socket.Addr{}, (*host).sendFrame, socket.EDESTADDRREQ},
			{"too large", to(f.peer, 9), func(h *host, s socket.Handle, fr *umem.Frame, a socket.Addr) error {
				fr.Put(1500)
				return h.s.SendFrame(h.now, s, fr, a)
			}, socket.EMSGSIZE},
		} {
			h, s, frame := received(t, f, []byte("data"))
			if err := c.send(h, s, frame, c.dst); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, not %v", c.name, err, c.want)
			}
			h.check()
			h.none()
		}
	})
}

func (h *host) sendFrame(s socket.Handle, f *umem.Frame, a socket.Addr) error {
	return h.s.SendFrame(h.now, s, f, a)
}

// TestSumIsReusedOnlyForTheSamePayload: whatever the application did to the frame,
// what goes out adds up.
func TestSumIsReusedOnlyForTheSamePayload(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for _, c := range []struct {
			name   string
			change func(*umem.Frame)
			want   string
			reused uint64
		}{
			{"as it came", func(*umem.Frame) {}, "0123456789", 1},
			{"cut", func(fr *umem.Frame) { fr.Trim(5) }, "01234", 0},
			{"longer", func(fr *umem.Frame) { copy(fr.Put(2), "ab") }, "0123456789ab", 0},
			{"beginning off", func(fr *umem.Frame) { fr.Pull(3) }, "3456789", 0},
			{"moved", func(fr *umem.Frame) { fr.Pull(2); copy(fr.Put(2), "ab") }, "23456789ab", 0},
			{"changed, and said so", func(fr *umem.Frame) { fr.Bytes()[0] = 'x'; fr.Flags &^= umem.FlagSum }, "x123456789", 0},
		} {
			h, s, frame := received(t, f, []byte("0123456789"))
			c.change(frame)
			if err := h.s.SendFrame(h.now, s, frame, to(f.peer, 9)); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if _, _, data := datagram(t, f, h.one()); string(data) != c.want {
				t.Errorf("%s: sent %q", c.name, data)
			}
			if n := h.s.counters.SumReused; n != c.reused {
				t.Errorf("%s: sum reused %d times", c.name, n)
			}
		}
	})
}

// TestFrameThatIsStillHeldIsCopied, and so is one of several fragments.
func TestFrameThatIsStillHeldIsCopied(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h, s, frame := received(t, f, []byte("held"))
		h.s.lend(frame) // the application retains it
		h.lent++
		if err := h.s.Reply(h.now, s, frame); err != nil {
			t.Fatal(err)
		}
		if string(frame.Bytes()) != "held" {
			t.Errorf("the retained frame now says %q", frame.Bytes())
		}
		h.release(frame)
		if _, _, data := datagram(t, f, h.one()); string(data) != "held" {
			t.Errorf("sent %q", data)
		}
		want := bytes.Repeat([]byte("fragment"), 20)
		h.input(h.chain(segment{payload: want}.bytes(f), 100))
		e := h.event(Datagram)
		h.lent--
		if err := h.s.Reply(h.now, s, e.Frame); err != nil {
			t.Fatal(err)
		}
		if _, _, data := datagram(t, f, h.one()); !bytes.Equal(data, want) {
			t.Errorf("sent %q", data)
		}
		if h.s.counters.Copied != 2 {
			t.Errorf("%d copies counted of 2", h.s.counters.Copied)
		}
	})
}

func TestCopyNeedsAFrame(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h, s, frame := received(t, f, []byte("held"))
		h.s.lend(frame)
		h.lent++
		var hoard []*umem.Frame
		for g := h.pool.Get(umem.ClassSend); g != nil; g = h.pool.Get(umem.ClassSend) {
			hoard = append(hoard, g)
		}
		if err := h.s.Reply(h.now, s, frame); !errors.Is(err, socket.ENOBUFS) {
			t.Errorf("without a frame: %v", err)
		}
		h.pool.FreeBatch(hoard)
		h.release(frame)
	})
}

// TestReplyToAGroupComesFromOurAddress.
func TestReplyToAGroupComesFromOurAddress(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(netip.IPv6Unspecified(), 7, socket.Options{Events: true})
		h.receive(segment{dst: f.group, dstMAC: f.groupMAC}.bytes(f))
		e := h.event(Datagram)
		h.lent--
		if err := h.s.Reply(h.now, s, e.Frame); err != nil {
			t.Fatal(err)
		}
		if src, dst, _ := datagram(t, f, h.one()); src != netip.AddrPortFrom(f.us, 7) || dst != netip.AddrPortFrom(f.peer, 2000) {
			t.Errorf("from %v to %v", src, dst)
		}
	})
}

// TestReplyComesFromTheAddressAsked: a host of several addresses, a wildcard
// socket.
func TestReplyComesFromTheAddressAsked(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		second := neighbour(f, 33)
		h := knowing(t, f, func(c *Config, _ *umem.PoolConfig) {
			c.Ifaces[0].Addrs = append(c.Ifaces[0].Addrs, netip.PrefixFrom(second, f.prefix.Bits()))
		})
		s := h.socketOf(netip.IPv6Unspecified(), 7, socket.Options{Events: true})
		for _, a := range []netip.Addr{f.us, second, f.us} {
			h.receive(segment{dst: a}.bytes(f))
			e := h.event(Datagram)
			h.lent--
			if err := h.s.Reply(h.now, s, e.Frame); err != nil {
				t.Fatal(err)
			}
			if src, _, _ := datagram(t, f, h.one()); src.Addr() != a {
				t.Errorf("asked at %v, answered from %v", a, src)
			}
		}
	})
}
