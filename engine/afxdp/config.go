package afxdp

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"time"

	"github.com/xdpstack/xdpstack/engine/xdp"
)

// What a Config leaves at zero.
const (
	DefaultRing        = 2048
	DefaultBindTimeout = 2 * time.Second

	// maxRing bounds a ring. The kernel itself would allocate 16 million slots.
	maxRing = 1 << 16
	// minTxBudget is the kernel's least and default XDP_MAX_TX_SKB_BUDGET.
	minTxBudget = 32
)

// ErrConfig: a setting cannot be.
var ErrConfig = errors.New("invalid setting")

// Config says which device to open, and how.
type Config struct {
	// Interface is the name of the device, in the network namespace of the calling thread.
	Interface string
	// Queues are the receive queues to take, by number; nil for all. Queue i
	// of the list is worker i's.
	Queues []int
	// Mode is how packets cross; Auto for the best that the kernel agrees to.
	Mode Mode
	// Rings are the sizes of each queue's rings.
	Rings RingSizes
	// Filter says what comes to us from the first packet on.
	Filter xdp.Filter
	// BusyPoll makes the kernel's receive work part of Kick.
	BusyPoll BusyPoll
	// BindTimeout is how long a queue that is in use is waited for; 0 is DefaultBindTimeout.
	BindTimeout time.Duration
	// Port is the device's number among those of its workers (Frame.In, Frame.Port).
	Port uint8
	// Log hears what is in force and why; nil for slog.Default.
	Log *slog.Logger
}

// RingSizes are numbers of slots, powers of two up to 65,536. Zero is DefaultRing.
type RingSizes struct {
	Fill, Completion, RX, TX uint32
}

// BusyPoll are the socket's busy poll settings (SO_PREFER_BUSY_POLL and its kin, Linux
// 5.11): the driver's receive work then runs in our system calls, not in
// softirqs. It helps only with the device's napi_defer_hard_irqs and
// gro_flush_timeout set. The zero value leaves them alone.
type BusyPoll struct {
	Prefer bool
	Usecs  int // how long one call polls
	Budget int // packets for each call; over 64 needs CAP_NET_ADMIN
}

func (b BusyPoll) on() bool { return b != BusyPoll{} }

// complete fills in what was left at zero, and checks the rest.
func (c *Config) complete() error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.BindTimeout == 0 {
		c.BindTimeout = DefaultBindTimeout
	}
	if c.Mode >= numModes {
		return fmt.Errorf("afxdp: %w: mode %d; there are auto, zerocopy, copy and skb", ErrConfig, c.Mode)
	}
	if c.BusyPoll.Usecs < 0 || c.BusyPoll.Budget < 0 || c.BindTimeout < 0 {
		return fmt.Errorf("afxdp: %w: a negative time or budget", ErrConfig)
	}
	return c.Rings.complete()
}

func (r *RingSizes) complete() error {
	for _, n := range []*uint32{&r.Fill, &r.Completion, &r.RX, &r.TX} {
		if *n == 0 {
			*n = DefaultRing
		}
		if bits.OnesCount32(*n) != 1 || *n > maxRing {
			return fmt.Errorf("afxdp: %w: a ring of %d slots; powers of two up to %d will do", ErrConfig, *n, maxRing)
		}
	}
	// A completion ring without a slot for each frame in TX stops transmission.
	if r.Completion < r.TX {
		return fmt.Errorf("afxdp: %w: a completion ring of %d slots is shorter than the TX ring of %d", ErrConfig, r.Completion, r.TX)
	}
	return nil
}

// pickQueues is the list of queues to open on a device that has n.
func (c *Config) pickQueues(n int) ([]int, error) {
	if c.Queues == nil {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	for i, q := range c.Queues {
		switch {
		case q < 0:
			return nil, fmt.Errorf("afxdp: %w: queue %d; they are numbered from 0", ErrConfig, q)
		case q >= n:
			return nil, noQueue(c.Interface, q, n)
		case slices.Contains(c.Queues[:i], q):
			return nil, fmt.Errorf("afxdp: %w: queue %d is named twice", ErrConfig, q)
		}
	}
	if len(c.Queues) == 0 {
		return nil, fmt.Errorf("afxdp: %w: an empty list of queues; leave it nil for all", ErrConfig)
	}
	return slices.Clone(c.Queues), nil
}
