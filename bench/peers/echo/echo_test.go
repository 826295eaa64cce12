package echo

import (
	"errors"
	"fmt"
	"testing"
)

var pairs = []struct {
	name string
	make func() (Pair, error)
}{
	{"gvisor", NewGVisor},
	{"xdpstack", NewXDPStack},
}

// What is measured must work: every echo is the request's.
func TestEcho(t *testing.T) {
	for _, c := range pairs {
		for _, window := range []int{1, 32, maxWindow} {
			for _, size := range []int{8, 64, maxSize} {
				t.Run(fmt.Sprintf("%s/%d/%d", c.name, window, size), func(t *testing.T) {
					p := open(t, c.make)
					if err := p.RoundTrips(1000, window, size); err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

func TestWindowsAreBounded(t *testing.T) {
	for _, c := range pairs {
		p := open(t, c.make)
		for _, bad := range [][2]int{{0, 64}, {maxWindow + 1, 64}, {1, 7}, {1, maxSize + 1}} {
			if err := p.RoundTrips(1, bad[0], bad[1]); !errors.Is(err, ErrWindow) {
				t.Errorf("%s: %d datagrams of %d octets: %v", c.name, bad[0], bad[1], err)
			}
		}
	}
}

func TestVerifySeesAWrongEcho(t *testing.T) {
	b := make([]byte, 64)
	mark(b, 5)
	if err := verify(b, 64, 5); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"number": verify(b, 64, 6), "length": verify(b[:63], 64, 5)} {
		if !errors.Is(err, ErrEcho) {
			t.Errorf("another %s: %v", name, err)
		}
	}
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

func BenchmarkEcho(b *testing.B) {
	for _, c := range pairs {
		for _, window := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/window%d", c.name, window), func(b *testing.B) {
				p := open(b, c.make)
				b.ReportAllocs()
				b.ResetTimer()
				if err := p.RoundTrips(b.N, window, 64); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
