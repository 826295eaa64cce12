package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// falsifies says whether a feature, by its name in the kernel (net/ethtool/common.c, Linux 6.18), lets a veth carry
// packets that no wire could: with a checksum not filled in, longer than the MTU, or with the VLAN tag beside the packet.
func falsifies(feature string) bool {
	switch {
	case strings.HasPrefix(feature, "tx-checksum-"),
		strings.HasPrefix(feature, "tx-") && strings.HasSuffix(feature, "-segmentation"),
		strings.HasPrefix(feature, "tx-gso-"),
		strings.HasPrefix(feature, "tx-vlan-"),
		strings.HasPrefix(feature, "rx-gro"),
		feature == "rx-udp-gro-forwarding":
		return true
	}
	return false
}

// falsifying returns the features in force on an interface that falsify packets, sorted. It asks in the namespace of the
// calling thread.
func falsifying(e *ethtool.Ethtool, name string) ([]string, error) {
	features, err := e.FeaturesWithState(name)
	if err != nil {
		return nil, fmt.Errorf("lab: features of %s: %w", name, err)
	}
	on := []string{}
	for f, state := range features {
		if falsifies(f) && state.Active {
			on = append(on, f)
		}
	}
	slices.Sort(on)
	return on, nil
}

// offloadsOff switches off what falsifies packets, and reads back that it is off: at both ends, so that what either sends is real, be it
// stack or kernel. GRO off does not keep NAPI off: attaching a native XDP program turns NAPI (and GRO) on for as long as it is
// attached (veth_enable_xdp in drivers/net/veth.c, Linux 6.18).
func offloadsOff(interfaces []*Interface) error {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("lab: ethtool: %w", err)
	}
	defer e.Close()
	for _, i := range interfaces {
		on, err := falsifying(e, i.Name)
		if err != nil {
			return err
		}
		change := map[string]bool{}
		for _, f := range on {
			change[f] = false
		}
		if err := e.Change(i.Name, change); err != nil {
			return fmt.Errorf("lab: switch off offloads of %s: %w", i.Name, err)
		}
		on, err = falsifying(e, i.Name)
		if err != nil {
			return err
		}
		if len(on) > 0 {
			return fmt.Errorf("%w: it keeps %s of %s on; \"--partial\" makes a lab that lives with that", ErrKernel, strings.Join(on, ", "), i.Name)
		}
	}
	return nil
}

// channels returns the receive and transmit queues in force on an interface, by ethtool, in the namespace of the calling thread.
func channels(e *ethtool.Ethtool, name string) (rx, tx int, err error) {
	c, err := e.GetChannels(name)
	if err == unix.EOPNOTSUPP {
		return 0, 0, fmt.Errorf("%w: it does not tell the queues of %s", ErrKernel, name)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("lab: queues of %s: %w", name, err)
	}
	return int(c.RxCount + c.CombinedCount), int(c.TxCount + c.CombinedCount), nil
}
