package bench

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
)

// ErrConfig says that a Config asks for what cannot be. It comes wrapped, with what to do.
var ErrConfig = errors.New("bad configuration")

// PortKind says which library drives the queues.
type PortKind uint8

// The kinds of ports.
const (
	AFXDP  PortKind = iota // engine/afxdp: the project's own
	Asavie                 // engine/asavie: github.com/asavie/xdp, for comparison
)

var portNames = [...]string{"afxdp", "asavie"}

// String is the word for k in flags and results.
func (k PortKind) String() string { return portNames[int(k)%len(portNames)] }

// ParsePort reads the word for a kind of port.
func ParsePort(s string) (PortKind, error) {
	for i, name := range portNames {
		if s == name {
			return PortKind(i), nil
		}
	}
	return 0, fmt.Errorf("bench: %w: no port is called %q; there are afxdp and asavie", ErrConfig, s)
}

// Config says what to measure on, and for how long. Interfaces must be given; what else is zero has
// a default.
type Config struct {
	// Interfaces are names of devices in the network namespace of the calling thread: one, or
	// for L2Fwd one or two. Between two, packets go from each to the other.
	Interfaces []string
	// Queues are the queues to use of each interface, a worker each; nil for all.
	Queues []int
	// CPUs are the workers' cores; nil: the last that the process may use for the first
	// worker, and so on down, so that a source, which begins at the first, is apart.
	CPUs []int
	// Port is the library that drives the queues.
	Port PortKind
	// Mode is how packets cross between kernel and us; of afxdp alone.
	Mode afxdp.Mode
	// Poll is what a worker without work does.
	Poll engine.Poll
	// Shared runs the workers as goroutines like others, without a thread and core of
	// their own.
	Shared bool
	// Batch is how many frames a worker takes at a time; 0 is 64.
	Batch int

	// Take are the addresses whose packets RxDrop and L2Fwd take; none for all packets. The
	// host is then cut off from the interface, so an interface with a default route is
	// refused unless All is set.
	Take []netip.Addr
	// All takes all packets even off an interface with a default route.
	All bool

	// Packets are what TxOnly and Pktgen send.
	Packets Packets
	// Rate bounds the packets per second of TxOnly and Pktgen, of all workers together; 0 does not.
	Rate float64
	// Via is how Pktgen sends.
	Via Via

	// Duration is how long to measure; 0 until the context ends.
	Duration time.Duration
	// Omit is how long to run before measuring.
	Omit time.Duration
	// Interval is the time between reports; 0 is one second.
	Interval time.Duration
	// Report is called after each interval, on the goroutine that measures; may be nil.
	Report func(Interval)
	// Log hears what is in force and what was not possible; nil for slog.Default.
	Log *slog.Logger
}

const maxDuration = 24 * time.Hour

// complete fills in the defaults and says what is wrong.
func (c *Config) complete(maxInterfaces int) error {
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.Batch == 0 {
		c.Batch = engine.DefaultBatch
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := c.checkInterfaces(maxInterfaces); err != nil {
		return err
	}
	switch {
	case c.Duration < 0, c.Duration > maxDuration, c.Omit < 0, c.Omit > maxDuration:
		return fmt.Errorf("bench: %w: a duration must be from 0 to %v", ErrConfig, maxDuration)
	case c.Interval < 10*time.Millisecond:
		return fmt.Errorf("bench: %w: interval %v; 10 ms is the least", ErrConfig, c.Interval)
	case c.Batch < 1 || c.Batch > engine.MaxBatch:
		return fmt.Errorf("bench: %w: batch %d; take 1 to %d", ErrConfig, c.Batch, engine.MaxBatch)
	case c.Rate < 0:
		return fmt.Errorf("bench: %w: rate %g; packets per second, 0 for as many as go", ErrConfig, c.Rate)
	}
	if err := c.checkAsavie(); err != nil {
		return err
	}
	return c.Packets.complete()
}

func (c *Config) checkInterfaces(most int) error {
	if len(c.Interfaces) == 0 {
		return fmt.Errorf("bench: %w: no interface; name one with -i, such as -i eth1", ErrConfig)
	}
	if len(c.Interfaces) > most {
		return fmt.Errorf("bench: %w: %d interfaces; this benchmark takes %d", ErrConfig, len(c.Interfaces), most)
	}
	if len(c.Interfaces) == 2 && c.Interfaces[0] == c.Interfaces[1] {
		return fmt.Errorf("bench: %w: interface %s is named twice; once forwards back where packets came from", ErrConfig, c.Interfaces[0])
	}
	return nil
}
