package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/tcp"
)

// TestThousandConnectionsInARow: each opened, used and closed before the next; by turns it is the client that closes
// first, in its own time, and the client that resets.
func TestThousandConnectionsInARow(t *testing.T) {
	const n = 1000
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		seed := testenv.Seed(t)
		began := time.Now()
		for i := range n {
			c, err := dialed(t.Context(), l, at(l, family, echoPort))
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			if i%2 == 0 {
				err = exchange(c, int64(i), seed+uint64(i))
				err = errors.Join(err, c.Close())
			} else {
				err = roundTrip(c, fmt.Sprintf("connection %d", i))
				reset(c)
			}
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		t.Logf("%v each", time.Since(began)/n)
		p.gone()
		if st := p.stats(); st.TCP.PassiveOpens != n || st.TCP.ListenDrops != 0 {
			t.Errorf("%d connections were accepted, %d refused", st.TCP.PassiveOpens, st.TCP.ListenDrops)
		}
		p.summary()
	})
}

// TestFiveHundredConnectionsAtOnce: all are open before the first of them has data, and all have data at the same time.
func TestFiveHundredConnectionsAtOnce(t *testing.T) {
	const (
		n    = 500
		size = 100_000
	)
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		seed := testenv.Seed(t)
		began := time.Now()
		errs := crowd(t.Context(), l, n, func(ctx context.Context, i int, opened func()) error {
			c, err := dialed(ctx, l, at(l, family, echoPort))
			if err != nil {
				return err
			}
			defer c.Close()
			opened()
			return exchange(c, size, seed+uint64(i))
		}, func() {
			open := p.sockets(func(s *xdpstack.SocketInfo) bool { return s.State == tcp.Established.String() })
			if len(open) != n {
				t.Errorf("%d connections are open, %d are established there", n, len(open))
			}
		})
		for i, err := range errs {
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		t.Logf("%v", time.Since(began))
		p.gone()
		st := p.stats()
		if st.TCP.PassiveOpens != n || st.TCP.ListenDrops != 0 || st.TCP.CurrEstab != 0 {
			t.Errorf("%d connections were accepted, %d refused, %d are left", st.TCP.PassiveOpens, st.TCP.ListenDrops, st.TCP.CurrEstab)
		}
		p.summary()
	})
}

// crowd runs n at once. When all have called opened, or ended, it calls full, and then lets them go on.
func crowd(ctx context.Context, l *lab.Lab, n int, each func(ctx context.Context, i int, opened func()) error, full func()) []error {
	errs := make([]error, n)
	goOn := make(chan struct{})
	var all, arrived sync.WaitGroup
	arrived.Add(n)
	for i := range n {
		all.Go(func() {
			var once sync.Once
			here := func() { once.Do(arrived.Done) }
			defer here()
			errs[i] = each(ctx, i, func() {
				here()
				<-goOn
			})
		})
	}
	arrived.Wait()
	full()
	close(goOn)
	all.Wait()
	return errs
}
