package echo

import (
	"bytes"
	"errors"
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const nic = 1

// gvisor is a Pair of gVisor's netstacks.
type gvisor struct {
	client, server gvisorEnd
	request        []byte
	reader         bytes.Reader // of request, or of echoed
	echoed         bytes.Buffer // what the server read
	reply          bytes.Buffer // what the client read
	seq            uint64
}

// gvisorEnd is one of the stacks, and its socket.
type gvisorEnd struct {
	stack  *stack.Stack
	socket tcpip.Endpoint
	queue  waiter.Queue
}

// NewGVisor makes a pair of gVisor's netstacks.
func NewGVisor() (Pair, error) {
	p := &gvisor{request: make([]byte, maxSize)}
	near, far := pipe.New(tcpip.LinkAddress(clientMAC[:]), tcpip.LinkAddress(serverMAC[:]), mtu)
	err := errors.Join(
		p.client.open(ethernet.New(near), clientIP, clientPort),
		p.server.open(ethernet.New(far), serverIP, serverPort),
	)
	if err == nil {
		err = errors.Join(
			wrap(p.client.stack.AddStaticNeighbor(nic, ipv4.ProtocolNumber, tcpip.AddrFrom4(serverIP), tcpip.LinkAddress(serverMAC[:]))),
			wrap(p.server.stack.AddStaticNeighbor(nic, ipv4.ProtocolNumber, tcpip.AddrFrom4(clientIP), tcpip.LinkAddress(clientMAC[:]))),
			wrap(p.client.socket.Connect(tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(serverIP), Port: serverPort})),
		)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// open makes the stack and binds its socket.
func (e *gvisorEnd) open(link stack.LinkEndpoint, ip [4]byte, port uint16) error {
	e.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol},
	})
	if err := e.stack.CreateNIC(nic, link); err != nil {
		return wrap(err)
	}
	addr := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(ip), PrefixLen: 15},
	}
	if err := e.stack.AddProtocolAddress(nic, addr, stack.AddressProperties{}); err != nil {
		return wrap(err)
	}
	e.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	socket, err := e.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &e.queue)
	if err != nil {
		return wrap(err)
	}
	e.socket = socket
	return wrap(socket.Bind(tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(ip), Port: port}))
}

// RoundTrips implements Pair. A Write delivers within the call: when it returns, the
// datagram is in the queue of the other end's socket.
func (p *gvisor) RoundTrips(n, window, size int) error {
	if err := check(window, size); err != nil {
		return err
	}
	for n > 0 {
		w := min(n, window)
		for i := range w {
			mark(p.request[:size], p.seq+uint64(i))
			p.reader.Reset(p.request[:size])
			if _, err := p.client.socket.Write(&p.reader, tcpip.WriteOptions{}); err != nil {
				return wrap(err)
			}
		}
		for range w {
			if err := p.serve(); err != nil {
				return err
			}
		}
		for range w {
			p.reply.Reset()
			if _, err := p.client.socket.Read(&p.reply, tcpip.ReadOptions{}); err != nil {
				return wrap(err)
			}
			if err := verify(p.reply.Bytes(), size, p.seq); err != nil {
				return err
			}
			p.seq++
		}
		n -= w
	}
	return nil
}

// serve echoes one datagram.
func (p *gvisor) serve() error {
	p.echoed.Reset()
	got, err := p.server.socket.Read(&p.echoed, tcpip.ReadOptions{NeedRemoteAddr: true})
	if err != nil {
		return wrap(err)
	}
	p.reader.Reset(p.echoed.Bytes())
	_, err = p.server.socket.Write(&p.reader, tcpip.WriteOptions{To: &got.RemoteAddr})
	return wrap(err)
}

// Close implements Pair.
func (p *gvisor) Close() error {
	for _, e := range []*gvisorEnd{&p.client, &p.server} {
		if e.socket != nil {
			e.socket.Close()
		}
		if e.stack != nil {
			e.stack.Destroy()
		}
	}
	return nil
}

// wrap makes an error of gVisor's, which is an interface of its own.
func wrap(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("echo: gVisor: %s", err)
}
