package udp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
	"pgregory.net/rapid"
)

// bench makes frames without a pool's rules.
type bench struct {
	pool *umem.Pool
}

func newBench(t interface{ Fatal(...any) }) *bench {
	r, err := umem.NewRegion(make([]byte, 64*2048), 2048)
	if err != nil {
		t.Fatal(err)
	}
	p, err := umem.NewPool(r, umem.PoolConfig{Workers: 1, Frames: 64, SendQuota: 64})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{p}
}

// frame holds b in fragments of a size, the first one with room for a header.
func (b *bench) frame(data []byte, size int) *umem.Frame {
	f := b.pool.Get(umem.ClassSend)
	n := min(size, len(data))
	copy(f.Put(n), data)
	for data = data[n:]; len(data) > 0; data = data[n:] {
		g := b.pool.Get(umem.ClassSend)
		n = min(size, len(data))
		copy(g.Put(n), data)
		f.Append(g)
	}
	return f
}

// TestPutAndVerifyAgainstWire: what Put writes is what wire's plain way writes, and
// Verify takes it, in fragments of any size too, and leaves the payload's sum.
func TestPutAndVerifyAgainstWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t)
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		addresses := rapid.Uint32Range(0, 0x3ffff).Draw(t, "addresses")
		src, dst := rapid.Uint16().Draw(t, "source port"), rapid.Uint16().Draw(t, "destination port")
		pseudo := addresses + wire.ProtoUDP + uint32(wire.UDPLen+len(data))

		want := make([]byte, wire.UDPLen+len(data))
		wire.PutUDP(want, wire.UDPFields{SrcPort: src, DstPort: dst, PayloadLen: len(data)})
		copy(want[wire.UDPLen:], data)
		wire.SealUDP(want, pseudo)
		got := make([]byte, wire.UDPLen)
		Put(got, src, dst, len(data), pseudo, checksum.Sum(data, 0))
		if !bytes.Equal(got, want[:wire.UDPLen]) {
			t.Fatalf("wrote %x, not %x", got, want[:wire.UDPLen])
		}
		if s, d := Ports(got); s != src || d != dst {
			t.Fatalf("ports %d and %d", s, d)
		}

		f := b.frame(data, rapid.IntRange(10, 301).Draw(t, "fragment"))
		u := wire.UDP(got)
		v4 := rapid.Bool().Draw(t, "IPv4")
		if v := Verify(f, u, addresses, v4); v != Good {
			t.Fatalf("verdict %d", v)
		}
		if f.Flags&umem.FlagSum == 0 || f.Sum%0xffff != checksum.Fold(checksum.Sum(data, 0))%0xffff {
			t.Fatalf("the sum kept is %#x", f.Sum)
		}
		u.SetChecksum(checksum.Fold(pseudo))
		if v := Verify(f, u, addresses, v4); v != Partial && v != Good && u.Checksum() != 0 {
			t.Fatalf("partial: verdict %d", v)
		}
		u.SetChecksum(0)
		if v := Verify(f, u, addresses, v4); v != map[bool]Verdict{true: NoSum, false: Bad}[v4] {
			t.Fatalf("none: verdict %d", v)
		}
	})
}

// TestVerifyFindsEveryFlippedBit of header and payload, in fragments too.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	good := make([]byte, 40)
	for i := range good {
		good[i] = byte(i * 11)
	}
	const addresses = 0x12345
	wire.PutUDP(good, wire.UDPFields{SrcPort: 1, DstPort: 2, PayloadLen: len(good) - wire.UDPLen})
	wire.SealUDP(good, addresses+wire.ProtoUDP+uint32(len(good)))
	for _, size := range []int{7, 100} {
		for i := range len(good) * 8 {
			b := newBench(t)
			data := append([]byte(nil), good...)
			data[i/8] ^= 1 << (i % 8)
			f := b.frame(data[wire.UDPLen:], size)
			if v := Verify(f, wire.UDP(data[:wire.UDPLen]), addresses, true); v != Bad {
				t.Errorf("fragments of %d: bit %d flipped: verdict %d", size, i, v)
			}
		}
	}
}

// TestComputedZeroIsSentAsOnes: RFC 768: zero says that there is none.
func TestComputedZeroIsSentAsOnes(t *testing.T) {
	b := make([]byte, wire.UDPLen)
	for port := range 0x10000 {
		Put(b, uint16(port), 0, 0, 0, 0)
		if binary.BigEndian.Uint16(b[6:]) == 0 {
			t.Fatalf("a field of zero for port %d", port)
		}
	}
}

func TestNoAllocs(t *testing.T) {
	b := newBench(t)
	f := b.frame(make([]byte, 64), 100)
	header := make([]byte, wire.UDPLen)
	if n := testing.AllocsPerRun(100, func() {
		Put(header, 1, 2, 64, 3, 0)
		_ = Verify(f, header, 3, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
