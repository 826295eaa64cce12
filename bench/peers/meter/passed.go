package meter

import (
	"errors"
	"fmt"

	"github.com/safchain/ethtool"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// ErrCounter says that an interface lacks a counter: it is no veth with one queue.
var ErrCounter = errors.New("meter: no such counter")

// Passed is what the first queue of a veth's native XDP program saw.
type Passed struct {
	Packets    uint64 // that the program ran on
	Redirected uint64 // that a socket took
}

// Since is what passed from a to p.
func (p Passed) Since(a Passed) Passed {
	return Passed{p.Packets - a.Packets, p.Redirected - a.Redirected}
}

// Read reads the counters of an interface in host h.
func Read(h *lab.Host, name string) (p Passed, err error) {
	err = h.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return fmt.Errorf("meter: %w", err)
		}
		defer e.Close()
		stats, err := e.Stats(name)
		if err != nil {
			return fmt.Errorf("meter: counters of %s: %w", name, err)
		}
		for counter, field := range map[string]*uint64{
			"rx_queue_0_xdp_packets":  &p.Packets,
			"rx_queue_0_xdp_redirect": &p.Redirected,
		} {
			n, ok := stats[counter]
			if !ok {
				return fmt.Errorf("%w: %s of %s", ErrCounter, counter, name)
			}
			*field = n
		}
		return nil
	})
	return p, err
}
