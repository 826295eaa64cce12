package xdpstack

import (
	"fmt"
	"io"
	"testing"
	"time"
)

// benchNet is two hosts that do not check their ledgers each turn.
func benchNet(b *testing.B) tcpNet {
	return oneNet(b, 1, func(c *Config) { c.LedgerEvery = defaultLedgerEvery })
}

// BenchmarkConnEcho: a round trip of small messages between two goroutines.
func BenchmarkConnEcho(b *testing.B) {
	for _, size := range []int{64, 4096} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			a, z := benchNet(b).pipe(b)()
			_, _ = a.SetDeadline(time.Time{}), z.SetDeadline(time.Time{})
			go func() {
				buf := make([]byte, size)
				for {
					if _, err := io.ReadFull(z, buf); err != nil {
						return
					}
					if _, err := z.Write(buf); err != nil {
						return
					}
				}
			}()
			buf := make([]byte, size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(a, buf); err != nil {
					b.Fatal(err)
				}
			}
			_, _ = a.Close(), z.Close()
		})
	}
}

// BenchmarkConnStream: one goroutine writes, another reads. An operation is one write.
func BenchmarkConnStream(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			a, z := benchNet(b).pipe(b)()
			_, _ = a.SetDeadline(time.Time{}), z.SetDeadline(time.Time{})
			done := make(chan int)
			go func() {
				buf, total := make([]byte, 64<<10), 0
				for {
					n, err := z.Read(buf)
					if total += n; err != nil {
						done <- total
						return
					}
				}
			}()
			buf := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				n, err := a.Write(buf)
				if sent += n; err != nil {
					b.Fatal(err)
				}
			}
			_ = a.CloseWrite()
			if got := <-done; got != sent {
				b.Errorf("%d octets came of %d", got, sent)
			}
			_, _ = a.Close(), z.Close()
		})
	}
}

// BenchmarkConnAccept: a connection opened, accepted and closed by both.
func BenchmarkConnAccept(b *testing.B) {
	n := benchNet(b)
	l := n.listen(b)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c, err := n.a.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	_ = l.Close()
}
