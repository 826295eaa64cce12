package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/proxy"
)

func newProxyCmd() *cobra.Command {
	var flags proxyConfig
	var file string
	c := &cobra.Command{
		Use: "proxy", Short: "Carry TCP connections to backends, without copying them", Args: cobra.NoArgs,
		Long: `Carry TCP connections from clients to backends until Ctrl-C: what is received on the one side is sent on the other in
the frame that it came in.

Clients go to the backends in turn; one that does not answer is passed over for a while. Clients may come by IPv6 and backends
be on IPv4, or the other way. The interface is told as to "run", and so are the stack's own addresses.

A file (-c) has the flags' names as keys, and with "listeners" more than one set of listen, to and proxy-protocol.

  xdpstack proxy -i xs0 --addr 198.18.0.2/24 --listen :80 --to 198.18.0.9:8080,198.18.0.10:8080`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.merge(cmd.Flags(), file)
			if err != nil {
				return err
			}
			return runProxy(cmd, cfg)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "config", "c", "", "YAML file with the flags' names as keys; flags given besides win")
	flags.register(f)
	return c
}

// proxySummary is what "proxy" prints at its end.
type proxySummary struct {
	Seconds float64        `json:"seconds"`
	Proxy   proxy.Stats    `json:"proxy"`
	Stats   xdpstack.Stats `json:"stats"`
}

func runProxy(cmd *cobra.Command, cfg proxyConfig) (err error) {
	proxyCfg, err := cfg.proxy(cmd.Context())
	if err != nil {
		return err
	}
	start := time.Now()
	h, closing, err := cfg.Host.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	p, err := proxy.New(h, proxyCfg)
	if err != nil {
		return adviseListen(err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := serveReady(cmd, h, proxyLines(p, proxyCfg)); err != nil {
		return err
	}
	_ = p.Close() // its error is returned by the one above
	st, err := h.Stats()
	if err != nil {
		return err
	}
	sum := proxySummary{Seconds: time.Since(start).Seconds(), Proxy: p.Stats(), Stats: st}
	return emit(cmd, sum, func(w io.Writer) { printProxySummary(w, &sum) })
}

// proxyLines say who goes where.
func proxyLines(p *proxy.Proxy, cfg proxy.Config) []string {
	var lines []string
	for i, at := range p.Addrs() {
		l := cfg.Listeners[i]
		line := fmt.Sprintf("proxy %s to %v", at, l.Backends)
		if l.Header != proxy.NoHeader {
			line += ", PROXY protocol " + l.Header.String()
		}
		lines = append(lines, line)
	}
	return lines
}

func printProxySummary(w io.Writer, s *proxySummary) {
	p := &s.Proxy
	fmt.Fprintf(w, "\n%.1f s: %d clients (%d refused, %d found no backend, %d broken off, %d timed out), %d octets to backends, %d to clients\n",
		s.Seconds, p.Accepted, p.Refused, p.Unserved, p.Resets, p.TimedOut, p.ToBackends, p.ToClients)
	for _, l := range p.Listeners {
		for _, b := range l.Backends {
			fmt.Fprintf(w, "  %s to %s: %d connections, %d failures\n", l.Addr, b.Addr, b.Connections, b.Failures)
		}
	}
	printWorkers(w, s.Stats.Workers)
}
