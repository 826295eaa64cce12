package sim

import (
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/testenv"
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
