package lab

import (
	"errors"
	"fmt"
	"regexp"
)

// Errors of this package, to be asked for with errors.Is. Their wrappers say which lab and what to do.
var (
	ErrConfig     = errors.New("lab: bad configuration")
	ErrPermission = errors.New("lab: needs root")
	ErrInUse      = errors.New("lab: in use")
	ErrNotFound   = errors.New("lab: not there")
	ErrKernel     = errors.New("lab: the kernel cannot")
)

// Defaults and limits of a Config.
const (
	DefaultName   = "lab"
	DefaultQueues = 2
	DefaultMTU    = 1500

	MaxHosts  = 10    // the hub and nine others
	MaxQueues = 64    // of one interface
	MinMTU    = 1280  // below it there is no IPv6 (RFC 8200, section 5)
	MaxMTU    = 65535 // ETH_MAX_MTU, the limit of veth
)

// Config says what a lab is to be. The zero value is a lab of two hosts, a and b, joined by two queues.
type Config struct {
	// Name tells labs apart: 1 to 32 of a-z, 0-9, "-", beginning with one of the first two kinds. Default: "lab".
	Name string `json:"name"`
	// Hosts are names of 1 to 8 of a-z, 0-9, the hub first. Default: "a", "b".
	Hosts []string `json:"hosts"`
	// Queues is the number of receive and of transmit queues of each interface. Default: 2.
	Queues int `json:"queues"`
	// MTU of each interface, in bytes. Default: 1500. Above 3506 a veth refuses native XDP programs that do not know
	// fragments (veth_xdp_set in Linux 6.18).
	MTU int `json:"mtu"`
	// Partial leaves the offloads on: checksums are partial, segments may exceed the MTU.
	Partial bool `json:"partial"`
	// Persistent labs outlive the process that made them; they stay until Down.
	Persistent bool `json:"persistent"`
}

var (
	labName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	hostName = regexp.MustCompile(`^[a-z0-9]{1,8}$`) // no "-": "xdpstack-LAB-HOST" must be read in one way only
)

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if len(c.Hosts) == 0 {
		c.Hosts = []string{"a", "b"}
	}
	if c.Queues == 0 {
		c.Queues = DefaultQueues
	}
	if c.MTU == 0 {
		c.MTU = DefaultMTU
	}
	return c
}

func (c Config) check() error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	if err := checkHosts(c.Hosts); err != nil {
		return err
	}
	if c.Queues < 1 || c.Queues > MaxQueues {
		return fmt.Errorf("%w: %d queues; take 1 to %d", ErrConfig, c.Queues, MaxQueues)
	}
	if c.MTU < MinMTU || c.MTU > MaxMTU {
		return fmt.Errorf("%w: MTU %d; take %d to %d", ErrConfig, c.MTU, MinMTU, MaxMTU)
	}
	return nil
}

func checkName(name string) error {
	if !labName.MatchString(name) {
		return fmt.Errorf("%w: lab name %q; take 1 to 32 of a-z, 0-9 and \"-\"", ErrConfig, name)
	}
	return nil
}

func checkHosts(hosts []string) error {
	if len(hosts) < 2 || len(hosts) > MaxHosts {
		return fmt.Errorf("%w: %d hosts; take 2 to %d", ErrConfig, len(hosts), MaxHosts)
	}
	seen := map[string]bool{}
	for _, h := range hosts {
		if !hostName.MatchString(h) {
			return fmt.Errorf("%w: host name %q; take 1 to 8 of a-z and 0-9", ErrConfig, h)
		}
		if seen[h] {
			return fmt.Errorf("%w: host %q is there twice; give each its own name", ErrConfig, h)
		}
		seen[h] = true
	}
	return nil
}
