package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/internal/services"
	"github.com/xdpstack/xdpstack/stack"
)

// runConfig is what "run" can be told, by flags or by a file with the same words.
type runConfig struct {
	Interface  string   `yaml:"interface"`
	Addr       []string `yaml:"addr"`
	Gateway    []string `yaml:"gateway"`
	Service    []string `yaml:"service"`
	Queue      []int    `yaml:"queue"`
	CPU        []int    `yaml:"cpu"`
	Mode       string   `yaml:"mode"`
	Poll       string   `yaml:"poll"`
	Scheduling string   `yaml:"scheduling"`
	Partial    bool     `yaml:"partial"`
	MTU        int      `yaml:"mtu"`
	Frames     int      `yaml:"frames"`
	HugePages  bool     `yaml:"huge-pages"`
}

// merge is the file's configuration with the flags that were given over it.
func (c runConfig) merge(flags *pflag.FlagSet, file string) (runConfig, error) {
	if file == "" {
		return c, nil
	}
	merged := c // the flags' defaults, for what the file leaves out
	if err := readConfig(file, &merged); err != nil {
		return c, err
	}
	for name, set := range map[string]func(){
		"interface":  func() { merged.Interface = c.Interface },
		"addr":       func() { merged.Addr = c.Addr },
		"gateway":    func() { merged.Gateway = c.Gateway },
		"service":    func() { merged.Service = c.Service },
		"queue":      func() { merged.Queue = c.Queue },
		"cpu":        func() { merged.CPU = c.CPU },
		"mode":       func() { merged.Mode = c.Mode },
		"poll":       func() { merged.Poll = c.Poll },
		"scheduling": func() { merged.Scheduling = c.Scheduling },
		"partial":    func() { merged.Partial = c.Partial },
		"mtu":        func() { merged.MTU = c.MTU },
		"frames":     func() { merged.Frames = c.Frames },
		"huge-pages": func() { merged.HugePages = c.HugePages },
	} {
		if flags.Changed(name) {
			set()
		}
	}
	return merged, nil
}

// readConfig reads a YAML file into c; a key that there is none of is an error
// with its line.
func readConfig(file string, c *runConfig) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitNotFound, fmt.Errorf("configuration %s: no such file", file)}
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	err = yaml.UnmarshalWithOptions(text, c, yaml.Strict())
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return usagef("configuration %s, line %d: %s", file, at.GetToken().Position.Line, at.GetMessage())
	}
	if err != nil {
		return usagef("configuration %s: %w", file, err)
	}
	return nil
}

// host is the configuration as a Host takes it.
func (c runConfig) host(log *slog.Logger) (out xdpstack.Config, err error) {
	if c.Interface == "" {
		return out, usagef("no interface; name the device with -i, such as -i eth1")
	}
	out = xdpstack.Config{
		Interface: c.Interface, Queues: c.Queue, CPUs: c.CPU, MTU: c.MTU,
		Frames: c.Frames, HugePages: c.HugePages, Log: log,
	}
	for _, a := range c.Addr {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			return out, usagef("--addr %q is not an address with its prefix length, such as 198.18.0.2/24", a)
		}
		out.Addresses = append(out.Addresses, p)
	}
	for _, g := range c.Gateway {
		a, err := netip.ParseAddr(g)
		if err != nil {
			return out, usagef("--gateway %q is not an IP address", g)
		}
		out.Gateways = append(out.Gateways, a)
	}
	for _, s := range c.Service {
		if err := services.Check(s); err != nil {
			return out, usagef("--service: %w", err)
		}
	}
	if c.Partial {
		out.Checksums = stack.PartialOK
	}
	return out, c.words(&out)
}

// words reads the settings that are one of a few words.
func (c runConfig) words(out *xdpstack.Config) (err error) {
	if out.Mode, err = afxdp.ParseMode(c.Mode); err != nil {
		return usagef("--mode: %w", err)
	}
	if out.Poll, err = engine.ParsePoll(c.Poll); err != nil {
		return usagef("--poll: %w", err)
	}
	switch c.Scheduling {
	case engine.Dedicated.String():
		out.Scheduling = engine.Dedicated
	case engine.Shared.String():
		out.Scheduling = engine.Shared
	default:
		return usagef("--scheduling %q: there are dedicated and shared", c.Scheduling)
	}
	return nil
}

// newLogger logs to standard error: what could not be is worth a line, what
// works is not.
func newLogger(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
