package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// ErrConfig is what errors of New about the configuration wrap.
var ErrConfig = errors.New("bad configuration")

// Config says what a Proxy does. Listeners must be given; what else is zero takes
// the default that is named with it.
type Config struct {
	Listeners []Listener

	// ConnectTimeout is how long a backend may take to answer; then the next one is
	// tried. 3 s.
	ConnectTimeout time.Duration
	// IdleTimeout ends connections on which nothing came from either side for so
	// long. 5 min.
	IdleTimeout time.Duration
	// HalfClosedTimeout is IdleTimeout once one side has said that it sends no more. 1 min.
	HalfClosedTimeout time.Duration
	// RetryAfter is how long a backend that did not answer is passed over. 5 s.
	RetryAfter time.Duration
	// Grace is how long Close lets connections go on. 0: not at all.
	Grace time.Duration
	// MaxConnections is how many clients there can be at once, of all listeners
	// together; those beyond it are reset. 8,000: each takes two of a worker's streams (Config.Limits of
	// package xdpstack).
	MaxConnections int
}

// Listener is an address that clients come to, and where they are sent.
type Listener struct {
	// Network is tcp (when empty), tcp4 or tcp6.
	Network string
	// Address is host and port, such as ":80" or "[2001:2::1]:80".
	Address string
	// Backends take the clients in turn. One that does not answer is passed over.
	// They may be of another family than the clients.
	Backends []netip.AddrPort
	// Header says whether the backend is told by the PROXY protocol who the client is.
	Header Header
}

// Bounds of the configuration.
const (
	maxListeners = 256
	maxBackends  = 1024
)

// Defaults.
const (
	defaultConnect        = 3 * time.Second
	defaultIdle           = 5 * time.Minute
	defaultHalfClosed     = time.Minute
	defaultRetry          = 5 * time.Second
	defaultMaxConnections = 8000
)

// complete fills in what was left at zero, and checks the rest.
func (c *Config) complete() error {
	for _, d := range []struct {
		name   string
		value  *time.Duration
		preset time.Duration
	}{
		{"ConnectTimeout", &c.ConnectTimeout, defaultConnect},
		{"IdleTimeout", &c.IdleTimeout, defaultIdle},
		{"HalfClosedTimeout", &c.HalfClosedTimeout, defaultHalfClosed},
		{"RetryAfter", &c.RetryAfter, defaultRetry},
		{"Grace", &c.Grace, 0},
	} {
		if *d.value < 0 {
			return fmt.Errorf("proxy: %w: %s is %v; it cannot be negative", ErrConfig, d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.preset
		}
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("proxy: %w: MaxConnections is %d; it cannot be negative", ErrConfig, c.MaxConnections)
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultMaxConnections
	}
	if n := len(c.Listeners); n == 0 || n > maxListeners {
		return fmt.Errorf("proxy: %w: %d listeners; give 1 to %d", ErrConfig, n, maxListeners)
	}
	c.Listeners = slices.Clone(c.Listeners)
	for i := range c.Listeners {
		if err := c.Listeners[i].complete(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Listener) complete() error {
	if l.Network == "" {
		l.Network = "tcp"
	}
	if l.Address == "" {
		return fmt.Errorf("proxy: %w: a listener without an address; give one such as \":80\"", ErrConfig)
	}
	if n := len(l.Backends); n == 0 || n > maxBackends {
		return fmt.Errorf("proxy: %w: listener %s has %d backends; give 1 to %d", ErrConfig, l.Address, n, maxBackends)
	}
	for _, b := range l.Backends {
		if !b.IsValid() || b.Port() == 0 || b.Addr().IsUnspecified() || b.Addr().IsMulticast() {
			return fmt.Errorf("proxy: %w: listener %s: backend %s is not the address and port of a host", ErrConfig, l.Address, b)
		}
		if b.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("proxy: %w: listener %s: backend %s: loopback is the kernel's; give an address on the network", ErrConfig, l.Address, b)
		}
	}
	if l.Header > HeaderV2 {
		return fmt.Errorf("proxy: %w: listener %s: version %d of the PROXY protocol; there are 1 and 2", ErrConfig, l.Address, l.Header)
	}
	return nil
}
