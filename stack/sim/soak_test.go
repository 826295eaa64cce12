package sim

import (
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// TestSoakSeeds runs networks for as long as it is told to.
func TestSoakSeeds(t *testing.T) {
	d := testenv.Soak(t)
	var all sum
	seed := testenv.Seed(t) | 1
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		all.add(mustPass(t, seed+uint64(n), n%4 == 0))
	}
	t.Logf("%d seeds, %d turns, %d packets on wires; %s", n, all.Turns, all.Wire.Packets, all.drops())
}

// TestSoakStreams runs networks of stream connections, with a proxy and without, for as long as it is told to.
func TestSoakStreams(t *testing.T) {
	d := testenv.Soak(t)
	var all streamSum
	seed := testenv.Seed(t) | 1
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		build := builder[*streams](twoHosts)
		if n%2 == 0 {
			build = withProxy
		}
		all.add(mustRun(t, seed+uint64(n), build))
	}
	t.Logf("%d seeds, %d talks, %d octets, %d packets on wires; a reader waited %d ms at most",
		n, all.talks, all.octets, all.Wire.Packets, all.slowest/umem.Millisecond)
}
