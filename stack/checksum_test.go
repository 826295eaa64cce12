package stack

import (
	"encoding/binary"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// withField is a datagram whose checksum field says something else.
func withField(f *family, field uint16, payload string) []byte {
	b := segment{payload: []byte(payload)}.bytes(f)
	binary.BigEndian.PutUint16(b[f.header+6:], field)
	return b
}

// TestChecksumPolicies: a datagram without checksum is IPv4's right and IPv6's
// error; the pseudo-header's sum alone counts where the interface says so.
func TestChecksumPolicies(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		const payload = "the payload"
		partial := checksum.Fold(pseudo(f.peer, f.us, wire.ProtoUDP, wire.UDPLen+len(payload)))
		for _, policy := range []Policy{Verify, PartialOK} {
			h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Ifaces[0].Checksum = policy })
			s := h.sockets(f)
			for _, c := range []struct {
				name  string
				field uint16
				good  bool
			}{
				{"none", 0, f.v4},
				{"partial", partial, policy == PartialOK},
				{"partial, off by one", partial + 1, false},
				{"wrong", 0x1234, false},
			} {
				h.receive(withField(f, c.field, payload))
				if got := h.s.sockets.Get(s).Queued() == 1; got != c.good {
					t.Errorf("policy %d, %s: accepted %v", policy, c.name, got)
				}
				_, _ = h.s.RecvMsg(h.now, s, &socket.Msg{})
			}
			want := [2]uint64{}
			if f.v4 {
				want[0] = 1
			}
			if policy == PartialOK {
				want[1] = 1
			}
			if got := [2]uint64{h.s.counters.NoChecksums, h.s.counters.PartialChecksums}; got != want {
				t.Errorf("policy %d: %v without and partial, not %v", policy, got, want)
			}
		}
	})
}

func (h *host) sockets(f *family) socket.Handle { return h.socketOf(f.us, 7, socket.Options{}) }

// TestUDPChecksumIsVerified flips every bit that it covers, but for those of the
// field that make it zero.
func TestUDPChecksumIsVerified(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		h.sockets(f)
		good := segment{payload: []byte("odd data!")}.bytes(f)
		for i := f.header * 8; i < len(good)*8; i++ {
			b := append([]byte(nil), good...)
			b[i/8] ^= 1 << (i % 8)
			h.receive(b)
			octet := i/8 - f.header
			want := UDPChecksum
			if octet == 4 || octet == 5 { // the length: a shorter one moves the end
				want = map[bool]Reason{true: UDPMalformed, false: UDPChecksum}[lengthImpossible(b[f.header:])]
			}
			h.dropped(want)
		}
	})
}

func lengthImpossible(u []byte) bool {
	n := int(binary.BigEndian.Uint16(u[4:]))
	return n < wire.UDPLen || n > len(u)
}

// TestPartialChecksumIsSentWhole: what came with a partial checksum goes out with a
// right one.
func TestPartialChecksumIsSentWhole(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f, func(c *Config, _ *umem.PoolConfig) { c.Ifaces[0].Checksum = PartialOK })
		s := h.socketOf(f.us, 7, socket.Options{Events: true})
		fields := []uint16{checksum.Fold(pseudo(f.peer, f.us, wire.ProtoUDP, wire.UDPLen+4))}
		if f.v4 {
			fields = append(fields, 0)
		}
		for _, field := range fields {
			h.receive(withField(f, field, "data"))
			e := h.event(Datagram)
			h.lent--
			if err := h.s.Reply(h.now, s, e.Frame); err != nil {
				t.Fatal(err)
			}
			if _, _, data := datagram(t, f, h.one()); string(data) != "data" {
				t.Errorf("sent %q", data)
			}
		}
	})
}
