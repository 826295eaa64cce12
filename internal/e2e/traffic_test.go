package e2e

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/probe"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// maxPing is the most data that an echo request carries in one packet of 1,500
// bytes over both families.
const maxPing = 1452

// TestThousandPings: the kernel pings the stack, sizes 0 to 1,452, and loses none.
func TestThousandPings(t *testing.T) {
	l := newLab(t)
	p := run(t, l)
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
			ping, err := probe.NewPinger(l.Host("b"), f.stack(l.Host("a").Interface()))
			if err != nil {
				t.Fatal(err)
			}
			defer ping.Close()
			var times probe.Times
			for i := range 1000 {
				size := rng.IntN(maxPing + 1)
				if i < 2 {
					size = i * maxPing
				}
				took, err := ping.Echo(size, patience)
				if err != nil {
					t.Fatal(err)
				}
				times = append(times, took)
			}
			t.Logf("round trips: p50 %v, p99 %v", times.Quantile(0.5), times.Quantile(0.99))
		})
	}
	p.summary()
	clean(t, l)
}

// TestEchoOverTwoQueues: UDP over many flows, which the veth spreads over both
// queues; each worker's counters show its share.
func TestEchoOverTwoQueues(t *testing.T) {
	l := newLab(t)
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			p := run(t, l)
			to := netip.AddrPortFrom(f.stack(l.Host("a").Interface()), 7)
			e, err := probe.NewEchoer(t.Context(), l.Host("b"), to, 32)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			for i := range 1000 {
				if _, err := e.Echo(i%maxPing, patience); err != nil {
					t.Fatal(err)
				}
			}
			s := p.summary()
			for i, w := range s.Stats.Workers {
				t.Logf("worker %d: received %d, sent %d", i, w.Port.RxPackets, w.Port.TxPackets)
				if w.Port.RxPackets < 100 || w.Port.TxPackets < 100 {
					t.Errorf("worker %d had next to nothing of 1,000 datagrams over 32 flows", i)
				}
			}
		})
	}
}

// TestPartialChecksums: a peer that leaves checksums to its NIC is refused by
// default, and understood when that is asked for.
func TestPartialChecksums(t *testing.T) {
	l := labtest.New(t, lab.Config{Partial: true})
	for _, f := range families {
		t.Run("IPv"+f.name, func(t *testing.T) {
			to := netip.AddrPortFrom(f.stack(l.Host("a").Interface()), 7)
			echo := func(wait time.Duration, words ...string) error {
				p := run(t, l, words...)
				defer p.summary()
				e, err := probe.NewEchoer(t.Context(), l.Host("b"), to, 1)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				_, err = e.Echo(100, wait)
				return err
			}
			if err := echo(patience, "--partial"); err != nil {
				t.Errorf("with --partial: %v", err)
			}
			if err := echo(300 * time.Millisecond); err == nil {
				t.Error("without --partial a wrong checksum was taken for right")
			}
		})
	}
}
