package tcp

import (
	"errors"
	"fmt"
	"testing"
)

var pairs = []struct {
	name string
	make func() (Pair, error)
}{
	{"xdpstack", NewXDPStack},
	{"events", NewHosts},
	{"gvisor", NewGVisor},
}

func open(t testing.TB, make func() (Pair, error)) Pair {
	t.Helper()
	p, err := make()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// What is measured must work.
func TestPairs(t *testing.T) {
	for _, c := range pairs {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, c.make)
			for range 2 {
				for _, size := range []int{8, 64, maxSize} {
					if err := p.RoundTrips(100, size); err != nil {
						t.Fatalf("%d octets: %v", size, err)
					}
				}
				if err := p.Stream(10<<20 + 1); err != nil {
					t.Fatal(err)
				}
				if err := p.Connections(100); err != nil {
					t.Fatal(err)
				}
			}
			for _, bad := range []int{0, 7, maxSize + 1} {
				if err := p.RoundTrips(1, bad); !errors.Is(err, ErrSize) {
					t.Errorf("requests of %d octets: %v", bad, err)
				}
			}
		})
	}
}

func TestVerifySeesAWrongAnswer(t *testing.T) {
	b := make([]byte, 64)
	mark(b, 5)
	if err := verify(b, 64, 5); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"number": verify(b, 64, 6), "length": verify(b[:63], 64, 5)} {
		if !errors.Is(err, ErrAnswer) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func BenchmarkTCP(b *testing.B) {
	for _, c := range pairs {
		p := open(b, c.make)
		for _, do := range []struct {
			what  string
			run   func(n int) error
			bytes int64
		}{
			{"rr", func(n int) error { return p.RoundTrips(n, 64) }, 0},
			{"stream", func(n int) error { return p.Stream(n * writeSize) }, writeSize},
			{"crr", p.Connections, 0},
		} {
			b.Run(fmt.Sprintf("%s/%s", c.name, do.what), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(do.bytes)
				if err := do.run(b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
