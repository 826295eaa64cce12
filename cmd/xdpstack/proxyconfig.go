package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/xdpstack/xdpstack/proxy"
)

// proxyConfig is what "proxy" can be told, by flags or by a file with the same words.
type proxyConfig struct {
	Host hostConfig `yaml:",inline"`

	Listen []string `yaml:"listen"`
	To     []string `yaml:"to"`
	Header string   `yaml:"proxy-protocol"`
	// Listeners are more of the same three, of a file alone.
	Listeners []proxyListener `yaml:"listeners"`

	Connect    time.Duration `yaml:"connect-timeout"`
	Idle       time.Duration `yaml:"idle-timeout"`
	HalfClosed time.Duration `yaml:"half-closed-timeout"`
	Retry      time.Duration `yaml:"retry-after"`
	Grace      time.Duration `yaml:"grace"`
	Max        int           `yaml:"max-connections"`
}

// proxyListener is addresses that share their backends.
type proxyListener struct {
	Listen []string `yaml:"listen"`
	To     []string `yaml:"to"`
	Header string   `yaml:"proxy-protocol"`
}

// register adds the flags.
func (c *proxyConfig) register(f *pflag.FlagSet) {
	c.Host.register(f)
	f.StringSliceVar(&c.Listen, "listen", nil, "address that clients come to, such as :80; may be given often")
	f.StringSliceVar(&c.To, "to", nil, "backend, such as 198.18.0.9:8080 or a name with a port; clients go to each in turn")
	f.StringVar(&c.Header, "proxy-protocol", "none", "tell backends the client's address by the PROXY protocol: none, v1 or v2")
	f.DurationVar(&c.Connect, "connect-timeout", 0, "how long a backend may take to answer (default 3s)")
	f.DurationVar(&c.Idle, "idle-timeout", 0, "ends connections on which nothing comes (default 5m)")
	f.DurationVar(&c.HalfClosed, "half-closed-timeout", 0, "the same once one side has ended (default 1m)")
	f.DurationVar(&c.Retry, "retry-after", 0, "how long a backend that did not answer is passed over (default 5s)")
	f.DurationVar(&c.Grace, "grace", 0, "how long connections may go on after Ctrl-C (default not at all)")
	f.IntVar(&c.Max, "max-connections", 0, "clients at once; those beyond are reset (default 8000)")
}

// merge is the file's configuration with the flags that were given over it.
func (c proxyConfig) merge(flags *pflag.FlagSet, file string) (proxyConfig, error) {
	if file == "" {
		return c, nil
	}
	merged := c // the flags' defaults, for what the file leaves out
	if err := readConfig(file, &merged); err != nil {
		return c, err
	}
	merged.Host.override(&c.Host, flags)
	for name, set := range map[string]func(){
		"listen":              func() { merged.Listen = c.Listen },
		"to":                  func() { merged.To = c.To },
		"proxy-protocol":      func() { merged.Header = c.Header },
		"connect-timeout":     func() { merged.Connect = c.Connect },
		"idle-timeout":        func() { merged.Idle = c.Idle },
		"half-closed-timeout": func() { merged.HalfClosed = c.HalfClosed },
		"retry-after":         func() { merged.Retry = c.Retry },
		"grace":               func() { merged.Grace = c.Grace },
		"max-connections":     func() { merged.Max = c.Max },
	} {
		if flags.Changed(name) {
			set()
		}
	}
	return merged, nil
}

// proxy is the configuration as proxy.New takes it.
func (c proxyConfig) proxy(ctx context.Context) (out proxy.Config, err error) {
	out = proxy.Config{
		ConnectTimeout: c.Connect, IdleTimeout: c.Idle, HalfClosedTimeout: c.HalfClosed,
		RetryAfter: c.Retry, Grace: c.Grace, MaxConnections: c.Max,
	}
	groups := c.Listeners
	if len(c.Listen)+len(c.To) > 0 {
		groups = append([]proxyListener{{c.Listen, c.To, c.Header}}, groups...)
	}
	if len(groups) == 0 {
		return out, usagef("nothing to do; say where clients come to and go, such as --listen :80 --to 198.18.0.9:8080")
	}
	for _, g := range groups {
		if err := g.add(ctx, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// add appends the group's listeners.
func (g proxyListener) add(ctx context.Context, out *proxy.Config) error {
	if len(g.Listen) == 0 {
		return usagef("backends %v without an address that clients come to; give one with --listen, such as --listen :80", g.To)
	}
	if len(g.To) == 0 {
		return usagef("listener %s without a backend; give one with --to, such as --to 198.18.0.9:8080", g.Listen[0])
	}
	header, err := proxy.ParseHeader(g.Header)
	if err != nil {
		return usagef("--proxy-protocol: %w", err)
	}
	var backends []netip.AddrPort
	for _, to := range g.To {
		found, err := resolve(ctx, to)
		if err != nil {
			return err
		}
		backends = append(backends, found...)
	}
	for _, l := range g.Listen {
		out.Listeners = append(out.Listeners, proxy.Listener{Address: l, Backends: backends, Header: header})
	}
	return nil
}

// resolve reads a backend's host and port; a name stands for all its addresses, asked for once of
// the kernel's resolver.
func resolve(ctx context.Context, to string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(to)
	port, perr := strconv.ParseUint(service, 10, 16)
	if err != nil || perr != nil || host == "" || port == 0 {
		return nil, usagef("--to %q is not a host and its port, such as 198.18.0.9:8080 or [2001:2::9]:8080", to)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a, uint16(port))}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &exitError{exitNotFound, fmt.Errorf("--to %s: %w; give its IP address", to, err)}
	}
	out := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		out[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return out, nil
}
