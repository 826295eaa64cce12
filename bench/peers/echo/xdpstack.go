package echo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

const (
	frames = 1024 // of each end
	// patience is how many turns in a row a window may go without an echo: a turn takes
	// less than a microsecond.
	patience = 1 << 20
)

// xdpstack is a Pair of this project's stacks.
type xdpstack struct {
	client, server end

	request     socket.Msg
	seq         uint64 // of the next echo
	sent, ended uint64 // numbers of the next request, and of the one after the last
	due         uint64 // number of the first request of the next window
	window      uint64
	size        int
	err         error
}

// end is one of the stacks, its port, its worker, and its socket: an engine.Program.
type end struct {
	*stack.Stack
	pool   *umem.Pool
	port   *mem.Port
	worker *engine.Worker
	socket socket.Handle
	events [maxWindow]stack.Event
	heard  func(now umem.Time, f *umem.Frame) // takes over the loan of a datagram
}

var _ engine.Program = (*end)(nil)

// Events hears what the turn brought.
func (e *end) Events(now umem.Time) int {
	n := e.Stack.Events(e.events[:])
	for i := range e.events[:n] {
		if ev := &e.events[i]; ev.Kind == stack.Datagram {
			e.heard(now, ev.Frame)
		}
	}
	return n
}

// Mail and Note: there are no goroutines and no other workers.
func (e *end) Mail(umem.Time, *engine.Node)      {}
func (e *end) Note(umem.Time, int, *engine.Note) {}

// NewXDPStack makes a pair of this project's stacks, which have found each other.
func NewXDPStack() (Pair, error) {
	p := &xdpstack{request: socket.Msg{Data: make([]byte, maxSize)}}
	p.client.heard, p.server.heard = p.echoed, p.serve
	err := errors.Join(p.client.openPool(), p.server.openPool())
	if err == nil {
		p.client.port, p.server.port, err = mem.Pair(p.client.pool, p.server.pool, mem.Config{Slots: 256})
	}
	if err == nil {
		err = errors.Join(
			p.client.open(clientMAC, clientIP, clientPort),
			p.server.open(serverMAC, serverIP, serverPort),
		)
	}
	if err == nil {
		err = p.client.Connect(p.client.socket, addrPort(serverIP, serverPort))
	}
	if err == nil {
		p.client.port.Refill()
		p.server.port.Refill()
		err = p.RoundTrips(1, 1, 64) // they ask each other's address
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func addrPort(ip [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(ip), port)
}

// openPool gives the end its memory.
func (e *end) openPool() error {
	region, err := umem.NewRegion(make([]byte, frames*umem.MinChunk), umem.MinChunk)
	if err != nil {
		return err
	}
	e.pool, err = umem.NewPool(region, umem.PoolConfig{
		Workers: 1, Frames: frames,
		FillFloor: frames / 2, ControlFloor: 32, SendQuota: frames, ReceiveQuota: frames / 2,
	})
	return err
}

// open makes the stack, binds its socket and makes the worker.
func (e *end) open(mac [6]byte, ip [4]byte, port uint16) (err error) {
	e.Stack, err = stack.New(stack.Config{
		Pool: e.pool, Rand: rand.New(rand.NewPCG(uint64(port), 1)),
		Ifaces: []stack.Iface{{
			Name: "mem0", MAC: mac, MTU: mtu,
			Addrs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4(ip), 15)},
		}},
	})
	if err != nil {
		return err
	}
	if e.socket, err = e.Open(socket.Datagram, 0, socket.Owner{}); err != nil {
		return err
	}
	if err = e.SetOptions(e.socket, socket.Options{Events: true}); err != nil {
		return err
	}
	if err = e.Bind(e.socket, addrPort(ip, port)); err != nil {
		return err
	}
	e.worker, err = engine.NewWorker(engine.WorkerConfig{
		Mode: engine.Shared, Poll: engine.Busy, Pool: e.pool, Program: e, Ports: []engine.Port{e.port},
	})
	return err
}

// RoundTrips implements Pair. Both workers take turns as Run takes them, the clock read for
// each; what a client does about an echo, the next window too, it does in its handler.
func (p *xdpstack) RoundTrips(n, window, size int) error {
	if err := check(window, size); err != nil || n <= 0 {
		return err
	}
	p.window, p.size, p.err = uint64(window), size, nil
	p.sent, p.due, p.ended = p.seq, p.seq, p.seq+uint64(n)
	p.ask(engine.Now())
	for idle, last := 0, p.seq; p.err == nil && p.seq != p.ended; idle++ {
		p.client.worker.Turn(engine.Now())
		p.server.worker.Turn(engine.Now())
		if p.seq != last {
			idle, last = 0, p.seq
		}
		if idle == patience {
			return fmt.Errorf("%w: none for request %d", ErrEcho, p.seq)
		}
	}
	return p.err
}

// ask sends a window of requests.
func (p *xdpstack) ask(now umem.Time) {
	for p.due = min(p.sent+p.window, p.ended); p.sent != p.due && p.err == nil; p.sent++ {
		mark(p.request.Data, p.sent)
		p.request.Len = p.size
		_, p.err = p.client.SendMsg(now, p.client.socket, &p.request)
	}
}

// echoed is the client's handler.
func (p *xdpstack) echoed(now umem.Time, f *umem.Frame) {
	if err := verify(f.Bytes(), p.size, p.seq); err != nil && p.err == nil {
		p.err = err
	}
	p.client.Release(f)
	if p.seq++; p.seq == p.due {
		p.ask(now)
	}
}

// serve is the server's handler: it sends the frame back.
func (p *xdpstack) serve(now umem.Time, f *umem.Frame) {
	if err := p.server.Reply(now, p.server.socket, f); err != nil && p.err == nil {
		p.err = err
	}
}

// Close implements Pair. It fails when a frame is missing.
func (p *xdpstack) Close() error {
	return errors.Join(p.client.close(), p.server.close())
}

func (e *end) close() (err error) {
	if e.worker != nil {
		err = errors.Join(e.Stack.Close(e.socket), e.worker.Close(), e.port.Close())
		err = errors.Join(err, e.pool.Audit(), e.pool.Balance(&umem.Holders{}))
	}
	return err
}
