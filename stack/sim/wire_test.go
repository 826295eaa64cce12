package sim

import (
	"bytes"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// plainSum is the ones' complement sum of RFC 1071, section 4.1, as it stands there.
func plainSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// TestDamageIsWhatAChecksumCatches is what lets the simulator demand that nothing
// damaged is ever delivered.
func TestDamageIsWhatAChecksumCatches(t *testing.T) {
	r := newRand(testenv.Seed(t), 0)
	for range 100000 {
		data := make([]byte, 2+2*r.IntN(30))
		switch r.IntN(3) {
		case 0:
			for i := range data {
				data[i] = 0xff
			}
		case 1:
			for i := range data {
				data[i] = byte(r.Uint32())
			}
		}
		before := bytes.Clone(data)
		damaged, _ := damage(r, data)
		after := damaged.data
		if !bytes.Equal(before, data) {
			t.Fatal("the packet itself was changed")
		}
		// 0 and 0xffff are the same number.
		if plainSum(after)%0xffff == plainSum(before)%0xffff {
			t.Fatalf("% x became % x and kept its sum", before, after)
		}
	}
}

// cableTest is a cable of its own, and what comes out of it.
type cableTest struct {
	net *Net
	out []packet
	at  []umem.Time
}

func newCableTest(seed uint64, w Wire) (*cableTest, *cable) {
	c := &cableTest{net: NewNet(seed, nil)}
	l := c.net.newCable("test", w, func(p packet) {
		c.out = append(c.out, p)
		c.at = append(c.at, c.net.now)
	})
	return c, l
}

// send sends n packets of 100 octets, numbered, every interval.
func (c *cableTest) send(t *testing.T, l *cable, n int, interval umem.Time) {
	t.Helper()
	for i := range n {
		c.net.At(Start+umem.Time(i)*interval, func() {
			data := make([]byte, 100)
			data[50], data[51] = byte(i>>8), byte(i)
			l.send(packet{data: data})
		})
	}
	if err := c.net.Settle(umem.Never); err != nil {
		t.Fatal(err)
	}
}

func TestCleanWireKeepsAll(t *testing.T) {
	c, l := newCableTest(testenv.Seed(t), Wire{Delay: 100, Jitter: 1000})
	c.send(t, l, 1000, 10)
	if len(c.out) != 1000 || l.stats.Reordered != 0 {
		t.Fatalf("%d of 1000 arrived, %d out of order", len(c.out), l.stats.Reordered)
	}
	for i, p := range c.out {
		if int(p.data[50])<<8|int(p.data[51]) != i {
			t.Fatalf("packet %d arrived as number %d", int(p.data[50])<<8|int(p.data[51]), i)
		}
	}
}

func TestWireDoesWhatItIsTold(t *testing.T) {
	seed := testenv.Seed(t)
	for _, tt := range []struct {
		name     string
		wire     Wire
		count    func(s *WireStats) uint64
		min, max int // of 1000
		arrive   int // with the counted ones; -1: as many as the counted ones leave
	}{
		{"loss", Wire{Loss: 0.2}, func(s *WireStats) uint64 { return s.Lost }, 120, 280, -1},
		{"duplicates", Wire{Duplicate: 0.2}, func(s *WireStats) uint64 { return s.Duplicated }, 120, 280, -2},
		{"reordering", Wire{Reorder: 0.2, ReorderBy: 100}, func(s *WireStats) uint64 { return s.Reordered }, 50, 280, 1000},
		{"damage", Wire{Corrupt: 0.2}, func(s *WireStats) uint64 { return s.Corrupted }, 120, 280, 1000},
		{"truncation", Wire{Truncate: 0.2}, func(s *WireStats) uint64 { return s.Truncated }, 120, 280, 1000},
		{"queue", Wire{Rate: 1e9, Queue: 10}, func(s *WireStats) uint64 { return s.Full }, 850, 950, -1},
		{"mtu", Wire{MTU: 80}, func(s *WireStats) uint64 { return s.TooLong }, 1000, 1000, 0},
		{"down", Wire{Down: func(now umem.Time) bool { return now < Start+5000 }}, func(s *WireStats) uint64 { return s.Down }, 500, 500, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, l := newCableTest(seed, tt.wire)
			c.send(t, l, 1000, 10)
			n := int(tt.count(&l.stats))
			if n < tt.min || n > tt.max {
				t.Errorf("happened %d times of 1000, want %d to %d", n, tt.min, tt.max)
			}
			want := tt.arrive
			switch want {
			case -1:
				want = 1000 - n
			case -2:
				want = 1000 + n
			}
			if len(c.out) != want {
				t.Errorf("%d arrived, want %d", len(c.out), want)
			}
		})
	}
}

// TestRateSpacesPackets: 100 octets at 1 GB/s take 100 ns.
func TestRateSpacesPackets(t *testing.T) {
	c, l := newCableTest(testenv.Seed(t), Wire{Rate: 1e9})
	c.send(t, l, 100, 1)
	for i := range c.at {
		if want := Start + umem.Time(i+1)*100; c.at[i] != want {
			t.Fatalf("packet %d arrived at %d, want %d", i, c.at[i], want)
		}
	}
}
