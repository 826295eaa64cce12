package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// NIC is the number of the one interface.
const NIC = 1

// ErrNetstack comes with what gVisor says.
var ErrNetstack = errors.New("gVisor")

// timeWait is how long TIME-WAIT takes: so short that a million connections are no burden.
const timeWait = 10 * time.Millisecond

// New makes a stack on a link that carries Ethernet frames, with an address.
func New(link stack.LinkEndpoint, addr netip.Prefix) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	err := Error(s.CreateNIC(NIC, link))
	if err == nil {
		err = Error(s.AddProtocolAddress(NIC, tcpip.ProtocolAddress{
			Protocol:          ipv4.ProtocolNumber,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: Address(addr.Addr()), PrefixLen: addr.Bits()},
		}, stack.AddressProperties{}))
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: NIC}})
	sack, moderate, short := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true), tcpip.TCPTimeWaitTimeoutOption(timeWait)
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &short} {
		if err == nil {
			err = Error(s.SetTransportProtocolOption(tcp.ProtocolNumber, option))
		}
	}
	if err != nil {
		s.Destroy()
		return nil, err
	}
	return s, nil
}

// Address makes an address of gVisor's.
func Address(a netip.Addr) tcpip.Address { return tcpip.AddrFrom4(a.As4()) }

// Full makes an address of gVisor's with its port.
func Full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: NIC, Addr: Address(a.Addr()), Port: a.Port()}
}

// Error makes an error of gVisor's, which is an interface of its own, one of Go's.
func Error(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNetstack, err)
}
