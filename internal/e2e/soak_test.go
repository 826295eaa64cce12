package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/probe"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// TestSoakEcho starts and ends the stack again and again, by Ctrl-C and by kill -9,
// and in between exchanges datagrams of every size with it; none may be lost, and
// the host must answer beside it.
func TestSoakEcho(t *testing.T) {
	d := testenv.Soak(t)
	l := newLab(t)
	itf := l.Host("a").Interface()
	exchanged, starts := 0, 0
	for end := time.Now().Add(d); time.Now().Before(end); starts++ {
		f := families[starts%len(families)]
		p := run(t, l, "--poll", []string{"adaptive", "interrupt", "busy"}[starts%3])
		e, err := probe.NewEchoer(t.Context(), l.Host("b"), netip.AddrPortFrom(f.stack(itf), 7), 16)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5000 {
			if _, err := e.Echo(i%maxPing, patience); err != nil {
				t.Fatalf("start %d: %v", starts, err)
			}
			exchanged++
		}
		answers(t, l, f.kernel(itf), "the kernel beside the stack")
		_ = e.Close()
		if starts%2 == 0 {
			p.summary()
		} else {
			p.kill()
		}
		clean(t, l)
	}
	t.Logf("%d datagrams exchanged, %d starts", exchanged, starts)
}
