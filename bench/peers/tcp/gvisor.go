package tcp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/xdpstack/xdpstack/bench/peers/netstack"
)

// patience bounds every wait.
const patience = 10 * time.Second

// gvisor is a Pair of gVisor's netstacks.
type gvisor struct {
	near, far      *stack.Stack
	listener       gvisorSocket
	client, server gvisorSocket // of the connection that stays open
	request        []byte
	reader         bytes.Reader
	in             bytes.Buffer
	seq            uint64
	late           *time.Timer
}

// gvisorSocket is an endpoint and how it tells that something happened.
type gvisorSocket struct {
	tcpip.Endpoint
	queue *waiter.Queue
	entry waiter.Entry
	happy chan struct{} // something happened
}

// watch has the socket tell.
func (s *gvisorSocket) watch(ep tcpip.Endpoint, queue *waiter.Queue) {
	s.Endpoint, s.queue = ep, queue
	s.entry, s.happy = waiter.NewChannelEntry(waiter.ReadableEvents | waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
	queue.EventRegister(&s.entry)
}

// end closes the socket.
func (s *gvisorSocket) end() {
	if s.Endpoint != nil {
		s.queue.EventUnregister(&s.entry)
		s.Endpoint.Close()
	}
}

// NewGVisor makes a pair of gVisor's netstacks, with a connection.
func NewGVisor() (Pair, error) {
	p := &gvisor{request: make([]byte, writeSize), late: time.NewTimer(patience)}
	near, far := pipe.New(tcpip.LinkAddress(clientMAC[:]), tcpip.LinkAddress(serverMAC[:]), mtu)
	err := p.open(ethernet.New(near), ethernet.New(far))
	if err == nil {
		err = p.connect(&p.client, &p.server)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// open makes the stacks and the listener.
func (p *gvisor) open(near, far stack.LinkEndpoint) (err error) {
	if p.near, err = netstack.New(near, netip.PrefixFrom(clientAddr, bits)); err != nil {
		return err
	}
	if p.far, err = netstack.New(far, netip.PrefixFrom(serverAddr.Addr(), bits)); err != nil {
		return err
	}
	queue := new(waiter.Queue)
	listener, failed := p.far.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, queue)
	if failed != nil {
		return netstack.Error(failed)
	}
	p.listener.watch(listener, queue)
	return errors.Join(
		netstack.Error(p.near.AddStaticNeighbor(netstack.NIC, ipv4.ProtocolNumber, netstack.Address(serverAddr.Addr()), tcpip.LinkAddress(serverMAC[:]))),
		netstack.Error(p.far.AddStaticNeighbor(netstack.NIC, ipv4.ProtocolNumber, netstack.Address(clientAddr), tcpip.LinkAddress(clientMAC[:]))),
		netstack.Error(listener.Bind(netstack.Full(serverAddr))),
		netstack.Error(listener.Listen(16)),
	)
}

// connect opens a connection: both its ends.
func (p *gvisor) connect(client, server *gvisorSocket) error {
	queue := new(waiter.Queue)
	ep, err := p.near.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, queue)
	if err != nil {
		return netstack.Error(err)
	}
	client.watch(ep, queue)
	if err := ep.Connect(netstack.Full(serverAddr)); err != nil {
		if _, started := err.(*tcpip.ErrConnectStarted); !started {
			return netstack.Error(err)
		}
	}
	for {
		ep, queue, err := p.listener.Accept(nil)
		if err == nil {
			server.watch(ep, queue)
			return nil
		}
		if err := p.wait(err, &p.listener, client); err != nil {
			return err
		}
	}
}

// wait waits until something happens at one of two sockets, if that is what err is about.
func (p *gvisor) wait(err tcpip.Error, a, b *gvisorSocket) error {
	if _, later := err.(*tcpip.ErrWouldBlock); !later {
		return netstack.Error(err)
	}
	select {
	case <-a.happy:
		return nil
	case <-b.happy:
		return nil
	default:
	}
	p.late.Reset(patience)
	select {
	case <-a.happy:
	case <-b.happy:
	case <-p.late.C:
		return fmt.Errorf("%w: nothing happened in %v", ErrAnswer, patience)
	}
	return nil
}

// RoundTrips implements Pair.
func (p *gvisor) RoundTrips(n, size int) error {
	if err := checkSize(size); err != nil {
		return err
	}
	for range n {
		mark(p.request, p.seq)
		if err := p.pass(&p.client, &p.server, p.request[:size]); err != nil {
			return err
		}
		if err := p.pass(&p.server, &p.client, p.in.Bytes()); err != nil {
			return err
		}
		if err := verify(p.in.Bytes(), size, p.seq); err != nil {
			return err
		}
		p.seq++
	}
	return nil
}

// pass sends b from one socket to the other, into p.in.
func (p *gvisor) pass(from, to *gvisorSocket, b []byte) error {
	due := len(b)
	p.reader.Reset(b)
	if _, err := from.Write(&p.reader, tcpip.WriteOptions{}); err != nil {
		return netstack.Error(err)
	}
	for p.in.Reset(); p.in.Len() < due; {
		if _, err := to.Read(&p.in, tcpip.ReadOptions{}); err != nil {
			if err := p.wait(err, to, from); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stream implements Pair.
func (p *gvisor) Stream(n int) error {
	for sent, got := 0, 0; got < n; {
		wrote, read, err := int64(0), tcpip.ReadResult{}, tcpip.Error(&tcpip.ErrWouldBlock{})
		if sent < n {
			p.reader.Reset(p.request[:min(writeSize, n-sent)])
			wrote, err = p.client.Write(&p.reader, tcpip.WriteOptions{})
			sent += int(wrote)
		}
		if err == nil {
			continue // there may be more room
		}
		if _, later := err.(*tcpip.ErrWouldBlock); !later {
			return netstack.Error(err)
		}
		if read, err = p.server.Read(io.Discard, tcpip.ReadOptions{}); err == nil {
			got += read.Count
			continue
		}
		if err := p.wait(err, &p.server, &p.client); err != nil {
			return err
		}
	}
	return nil
}

// Connections implements Pair.
func (p *gvisor) Connections(n int) error {
	for range n {
		var client, server gvisorSocket
		err := p.connect(&client, &server)
		client.end()
		for err == nil { // until the server hears of it
			_, failed := server.Read(io.Discard, tcpip.ReadOptions{})
			if _, over := failed.(*tcpip.ErrClosedForReceive); over {
				break
			}
			err = p.wait(failed, &server, &p.listener)
		}
		server.end()
		if err != nil {
			return err
		}
	}
	return nil
}

// Close implements Pair.
func (p *gvisor) Close() error {
	for _, s := range []*gvisorSocket{&p.client, &p.server, &p.listener} {
		s.end()
	}
	for _, s := range []*stack.Stack{p.near, p.far} {
		if s != nil {
			s.Destroy()
		}
	}
	return nil
}
