package checksum

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var seed uint64

// TestMain prints the seed of everything random here; TEST_SEED sets it.
func TestMain(m *testing.M) {
	seed = uint64(time.Now().UnixNano())
	if s := os.Getenv("TEST_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			panic("TEST_SEED: " + err.Error())
		}
		seed = v
	}
	flag.Parse()
	// To rapid a seed of zero means another one each time.
	for name, value := range map[string]string{"rapid.seed": strconv.FormatUint(seed|1, 10), "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	fmt.Printf("TEST_SEED=%d\n", seed)
	m.Run()
}

// reference is the sum as RFC 1071, section 4.1 words it: 16-bit words one by
// one, a last odd octet on the left.
func reference(b []byte) uint16 {
	var sum uint64
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint64(b[i])<<8 | uint64(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint64(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// check compares Sum and Copy with the reference on b, under every kernel.
func check(t fataler, b []byte) {
	t.Helper()
	kernels(func(name string) {
		t.Helper()
		checkKernel(t, name, b)
	})
}

func checkKernel(t fataler, name string, b []byte) {
	t.Helper()
	const guard, margin = 0xa5, 32
	var room [4096 + 2*margin]byte
	out := room[:]
	if len(b)+2*margin > len(out) {
		out = make([]byte, len(b)+2*margin)
	}
	out = out[:len(b)+2*margin]
	for i := range out {
		out[i] = guard
	}
	want := 7 + uint32(reference(b))
	if got := Sum(b, 7); got != want {
		t.Fatalf("%s: Sum of %d octets: %#x, want %#x", name, len(b), got, want)
	}
	if got := Copy(out[margin:len(out)-margin], b, 7); got != want {
		t.Fatalf("%s: Copy's sum of %d octets: %#x, want %#x", name, len(b), got, want)
	}
	if !bytes.Equal(out[margin:len(out)-margin], b) {
		t.Fatalf("%s: Copy of %d octets differs", name, len(b))
	}
	if len(b) >= 20 {
		if got := Sum20((*[20]byte)(b)); got != reference(b[:20]) {
			t.Fatalf("Sum20: %#x, want %#x", got, reference(b[:20]))
		}
	}
	for i := range margin {
		if out[i] != guard || out[len(out)-1-i] != guard {
			t.Fatalf("%s: Copy of %d octets wrote beyond its destination", name, len(b))
		}
	}
}

func TestLengthsAlignmentsPatterns(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed, 1))
	random := make([]byte, 4096+64)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	ones := bytes.Repeat([]byte{0xff}, len(random))
	// Lanes of all ones except the last make carries run through every step.
	carry := bytes.Repeat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, len(random)/8)
	for n := 0; n <= 4096; n++ {
		for _, p := range [][]byte{random, ones, make([]byte, len(random)), carry} {
			at := rng.IntN(64)
			check(t, p[at:at+n:at+n])
		}
	}
	for n := range 300 {
		for at := range 64 {
			check(t, random[at:at+n:at+n])
		}
	}
}

func TestSumIsLinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "b")
		check(t, b)
		at := rapid.IntRange(0, len(b)).Draw(t, "at")
		got := Fold(Combine(Sum(b[:at], 0), Sum(b[at:], 0), at))
		if want := reference(b); got != want {
			t.Fatalf("cut at %d of %d: %#x, want %#x", at, len(b), got, want)
		}
	})
}

// TestEmptyAndZero: only nothing, or only zeros, sums to zero; anything else that
// is zero in ones' complement shows as 0xffff.
func TestEmptyAndZero(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want uint16
	}{
		{nil, 0}, {make([]byte, 1460), 0}, {[]byte{0xff, 0xff}, 0xffff},
		{[]byte{0x80, 0, 0x7f, 0xff}, 0xffff}, {[]byte{1}, 0x0100},
		// The example of RFC 1071, section 3.
		{[]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0xddf2},
	} {
		if got := Fold(Sum(c.b, 0)); got != c.want {
			t.Errorf("% x: %#x, want %#x", c.b, got, c.want)
		}
	}
}

// TestFieldMakesValid: what Field puts in place is found right by Valid, and one
// flipped bit is not.
func TestFieldMakesValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 2, 200).Draw(t, "b")
		b[0], b[1] = 0, 0
		binary.BigEndian.PutUint16(b, Field(Sum(b, 0)))
		if !Valid(Sum(b, 0)) {
			t.Fatalf("% x: not valid", b)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "octet")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if Valid(Sum(b, 0)) {
			t.Fatalf("% x: valid with a flipped bit", b)
		}
	})
}

func TestUpdate(t *testing.T) {
	// The example of RFC 1624, section 4: equation 2 of RFC 1141 gives 0xffff
	// here, which is wrong.
	if got := Update(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("the example of RFC 1624: %#04x, want 0", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 20, 60).Draw(t, "b")
		// IPv4 headers are never all zeros, and only then could the two
		// zeros of ones' complement be told apart.
		b[0] = 0x45
		field := Field(Sum(b, 0))
		at := rapid.IntRange(1, len(b)/2-1).Draw(t, "word") * 2
		before, was := Sum(b[at:], 0), binary.BigEndian.Uint16(b[at:])
		now := rapid.Uint16().Draw(t, "now")
		binary.BigEndian.PutUint16(b[at:], now)
		want := Field(Sum(b, 0))
		if got := Update(field, was, now); got != want {
			t.Fatalf("Update: %#04x, want %#04x", got, want)
		}
		if got := UpdateSum(field, before, Sum(b[at:], 0)); got != want {
			t.Fatalf("UpdateSum: %#04x, want %#04x", got, want)
		}
	})
}

func TestPseudo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proto, length := rapid.Byte().Draw(t, "proto"), rapid.Uint32().Draw(t, "length")
		draw := rapid.SliceOfN(rapid.Byte(), 16, 16)
		src, dst := [16]byte(draw.Draw(t, "src")), [16]byte(draw.Draw(t, "dst"))
		b := append(append([]byte{}, src[:]...), dst[:]...)
		b = binary.BigEndian.AppendUint32(b, length)
		b = append(b, 0, 0, 0, proto)
		if got, want := Fold(PseudoV6(&src, &dst, proto, length)), reference(b); got != want {
			t.Fatalf("PseudoV6: %#04x, want %#04x", got, want)
		}
		s4, d4, short := [4]byte(src[:4]), [4]byte(dst[:4]), uint16(length)
		b = append(append([]byte{}, s4[:]...), d4[:]...)
		b = binary.BigEndian.AppendUint16(append(b, 0, proto), short)
		want := reference(b)
		if got := Fold(PseudoV4(&s4, &d4, proto, short)); got != want {
			t.Fatalf("PseudoV4: %#04x, want %#04x", got, want)
		}
		if want == 0 {
			return // all zero: the one sum that shows which zero it is
		}
		ms := [16]byte{10: 0xff, 11: 0xff, 12: s4[0], 13: s4[1], 14: s4[2], 15: s4[3]}
		md := [16]byte{10: 0xff, 11: 0xff, 12: d4[0], 13: d4[1], 14: d4[2], 15: d4[3]}
		if got := Fold(PseudoV6(&ms, &md, proto, uint32(short))); got != want {
			t.Fatalf("PseudoV6 of mapped addresses: %#04x, want %#04x", got, want)
		}
	})
}

// TestPseudoCarries: every addition of PseudoV6 that can carry does, the last too.
func TestPseudoCarries(t *testing.T) {
	var zero, high, ones [16]byte
	for i := range ones {
		ones[i] = 0xff
		high[i&7] = 0xff
	}
	for _, src := range [][16]byte{zero, high, ones} {
		for _, dst := range [][16]byte{zero, high, ones} {
			b := append(append(append([]byte{}, src[:]...), dst[:]...), 0, 0, 0, 9, 0, 0, 0, 17)
			if got, want := Fold(PseudoV6(&src, &dst, 17, 9)), reference(b); got != want {
				t.Errorf("%x %x: %#04x, want %#04x", src, dst, got, want)
			}
		}
	}
}

// TestGrowth: partial sums grow by no more than the documentation says, so that
// adding thousands of them cannot overflow.
func TestGrowth(t *testing.T) {
	ones := bytes.Repeat([]byte{0xff}, 4096)
	all := [16]byte(ones)
	four := [4]byte(ones)
	for _, s := range []uint32{
		Sum(ones, 0), Sum(ones[:63], 0), Copy(make([]byte, 4096), ones, 0),
		PseudoV4(&four, &four, 255, 65535), PseudoV6(&all, &all, 255, 1<<32-1),
	} {
		if s > 0x1fffe {
			t.Errorf("a partial sum of %#x", s)
		}
	}
	if got := Fold(1<<32 - 1); got != 0xffff {
		t.Errorf("Fold of the largest sum: %#x", got)
	}
}

func TestCopyPanicsOnShortDestination(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Copy into a shorter destination did not panic")
		}
	}()
	Copy(make([]byte, 99, 200)[:99:99], make([]byte, 100), 0)
}

func TestNoAllocs(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		var src, dst [1460]byte // on the stack, unless a kernel lets them escape
		var a [16]byte
		sink += Copy(dst[:], src[:], Sum(src[:40], 0)) + PseudoV6(&a, &a, 6, 1460) + Sum(dst[:], 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte{0xff}, uint8(1))
	f.Add(bytes.Repeat([]byte{0xff, 0xfe}, 300), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, at uint8) {
		b = b[min(int(at), len(b)):]
		check(t, b[:len(b):len(b)])
	})
}
