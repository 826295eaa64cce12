package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/engine/impair"
	"github.com/xdpstack/xdpstack/internal/control"
	"github.com/xdpstack/xdpstack/stack"
)

// hostConfig is what commands that run the stack on an interface can be told about it, by
// flags or by a file with the same words.
type hostConfig struct {
	Interface  string   `yaml:"interface"`
	Addr       []string `yaml:"addr"`
	Gateway    []string `yaml:"gateway"`
	Queue      []int    `yaml:"queue"`
	CPU        []int    `yaml:"cpu"`
	Mode       string   `yaml:"mode"`
	Poll       string   `yaml:"poll"`
	Scheduling string   `yaml:"scheduling"`
	Partial    bool     `yaml:"partial"`
	MTU        int      `yaml:"mtu"`
	Frames     int      `yaml:"frames"`
	HugePages  bool     `yaml:"huge-pages"`
	Impair     string   `yaml:"impair"`
	Control    string   `yaml:"control"`
}

// register adds the flags.
func (c *hostConfig) register(f *pflag.FlagSet) {
	f.StringVarP(&c.Interface, "interface", "i", "", "the device")
	f.StringSliceVar(&c.Addr, "addr", nil, "address and prefix length, such as 198.18.0.2/24; may be given often")
	f.StringSliceVar(&c.Gateway, "gateway", nil, "default router, one of each family")
	f.IntSliceVar(&c.Queue, "queue", nil, "queues to use, a worker each (default all)")
	f.IntSliceVar(&c.CPU, "cpu", nil, "cores of the workers (default one after the other)")
	f.StringVar(&c.Mode, "mode", "auto", "how packets cross: auto, zerocopy, copy or skb")
	f.StringVar(&c.Poll, "poll", "adaptive", "what an idle worker does: busy (spin), adaptive (spin, then sleep) or interrupt (sleep)")
	f.StringVar(&c.Scheduling, "scheduling", "shared", "shared: Go's scheduler runs the workers; dedicated: a thread and a core for each, with a core left for all else")
	f.BoolVar(&c.Partial, "partial", false, "accept partial checksums, as a veth peer with offloads on leaves them")
	f.IntVar(&c.MTU, "mtu", 0, "largest IP packet in bytes (default the device's)")
	f.IntVar(&c.Frames, "frames", 0, fmt.Sprintf("packet frames of each worker, %d at least (default %d)", 2*afxdp.DefaultRing, afxdp.DefaultFrames))
	f.BoolVar(&c.HugePages, "huge-pages", false, "take huge pages for the packet memory")
	f.StringVar(&c.Impair, "impair", "", "for tests: treat packets badly in both directions, such as loss=1%,reorder=1%,seed=7")
	f.StringVar(&c.Control, "control", "", "control socket, for \"xdpstack ss\" and \"xdpstack stats\" (default "+control.Dir+"/PID.sock)")
}

// override takes over from given what was said by flags.
func (c *hostConfig) override(given *hostConfig, flags *pflag.FlagSet) {
	for name, set := range map[string]func(){
		"interface":  func() { c.Interface = given.Interface },
		"addr":       func() { c.Addr = given.Addr },
		"gateway":    func() { c.Gateway = given.Gateway },
		"queue":      func() { c.Queue = given.Queue },
		"cpu":        func() { c.CPU = given.CPU },
		"mode":       func() { c.Mode = given.Mode },
		"poll":       func() { c.Poll = given.Poll },
		"scheduling": func() { c.Scheduling = given.Scheduling },
		"partial":    func() { c.Partial = given.Partial },
		"mtu":        func() { c.MTU = given.MTU },
		"frames":     func() { c.Frames = given.Frames },
		"huge-pages": func() { c.HugePages = given.HugePages },
		"impair":     func() { c.Impair = given.Impair },
		"control":    func() { c.Control = given.Control },
	} {
		if flags.Changed(name) {
			set()
		}
	}
}

// readConfig reads a YAML file into c; a key that there is none of is an error
// with its line.
func readConfig(file string, c any) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitNotFound, fmt.Errorf("configuration %s: no such file", file)}
	}
	if errors.Is(err, syscall.EISDIR) {
		return usagef("configuration %s is a folder; name a file", file)
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	err = yaml.UnmarshalWithOptions(text, c, yaml.Strict())
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return usagef("configuration %s, line %d: %s", file, at.GetToken().Position.Line, inYAML(err, at))
	}
	if err != nil {
		return usagef("configuration %s: %w", file, err)
	}
	return nil
}

// inYAML says in a file's words what goccy/go-yaml says in Go's.
func inYAML(err error, at yaml.Error) string {
	var node *yaml.UnexpectedNodeTypeError
	if errors.As(err, &node) && node.Expected == ast.SequenceType {
		return at.GetMessage() + "; write a list, such as [a, b]"
	}
	var kind *yaml.TypeError
	if !errors.As(err, &kind) {
		return at.GetMessage()
	}
	takes := map[reflect.Kind]string{
		reflect.Int: "a whole number", reflect.Int64: "a duration, such as 30s", reflect.Bool: "true or false", reflect.String: "text",
	}[kind.DstType.Kind()]
	return fmt.Sprintf("%q where %s is expected", at.GetToken().Value, takes)
}

// host is the configuration as a Host takes it.
func (c *hostConfig) host(log *slog.Logger) (out xdpstack.Config, err error) {
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
	if c.Partial {
		out.Checksums = stack.PartialOK
	}
	if c.Impair != "" {
		if out.Impair, err = impair.Parse(c.Impair); err != nil {
			return out, usagef("--impair: %w", err)
		}
	}
	return out, c.words(&out)
}

// words reads the settings that are one of a few words.
func (c *hostConfig) words(out *xdpstack.Config) (err error) {
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

// adviseListen says what to do about an address that cannot be listened on.
func adviseListen(err error) error {
	var words *net.AddrError
	switch {
	case errors.As(err, &words):
		return usagef("%w; write :80, 198.18.0.2:80 or [2001:2::2]:80", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return usagef("%w; the stack has the addresses of --addr alone", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; give each its own port", err)
	}
	return err
}

// open opens the host that c describes, with its control socket. closing ends both.
func (c *hostConfig) open(cmd *cobra.Command) (h *xdpstack.Host, closing func() error, err error) {
	log := newLogger(cmd)
	cfg, err := c.host(log)
	if err != nil {
		return nil, nil, err
	}
	if h, err = xdpstack.New(cmd.Context(), cfg); err != nil {
		return nil, nil, err
	}
	path := c.Control
	if path == "" {
		path = control.Path(os.Getpid())
	}
	s, err := control.Serve(path, h, log)
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	return h, func() error { return errors.Join(s.Close(), h.Close()) }, nil
}
