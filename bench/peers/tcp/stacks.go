package tcp

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
	frames = 2048 // of each end
	slots  = 256  // of the wire, each way
	// idleTurns is how many turns in a row may pass without progress: a turn takes less than a microsecond, so
	// that this is longer than a segment takes to be sent again.
	idleTurns = 1 << 23
)

// stacks is a Pair of this project's stacks. What a client and a server do, they do in the handlers of their
// stacks' events.
type stacks struct {
	near, far end
	listener  socket.Handle
	client    socket.Handle
	server    socket.Handle

	do       task
	size     int
	request  []byte
	in       []byte // of an answer
	seq      uint64
	left     int // of the task
	unsent   int // of a stream
	err      error
	progress uint64
}

// task is what client and server are about.
type task uint8

const (
	toConnect task = iota // open the connection that stays
	toAsk
	toStream
	toOpen // and to close
)

// end is one of the stacks, its port and its worker: an engine.Program.
type end struct {
	*stack.Stack
	pool   *umem.Pool
	port   *mem.Port
	worker *engine.Worker
	events [64]stack.Event
	taken  [64]*umem.Frame
	heard  func(e *stack.Event)
}

var _ engine.Program = (*end)(nil)

// Events hears what the turn brought.
func (e *end) Events(umem.Time) int {
	n := e.Stack.Events(e.events[:])
	for i := range e.events[:n] {
		if ev := &e.events[i]; ev.Kind == stack.Stream {
			e.heard(ev)
		}
	}
	return n
}

// Mail and Note: there are no goroutines and no other workers.
func (e *end) Mail(umem.Time, *engine.Node)      {}
func (e *end) Note(umem.Time, int, *engine.Note) {}

// NewXDPStack makes a pair of this project's stacks, with a connection.
func NewXDPStack() (Pair, error) {
	p := &stacks{request: make([]byte, writeSize), in: make([]byte, 0, maxSize)}
	p.near.heard, p.far.heard = p.hear, p.serve
	err := errors.Join(p.near.openPool(), p.far.openPool())
	if err == nil {
		p.near.port, p.far.port, err = mem.Pair(p.near.pool, p.far.pool, mem.Config{Slots: slots})
	}
	if err == nil {
		err = errors.Join(
			p.near.open(clientMAC, netip.PrefixFrom(clientAddr, bits)),
			p.far.open(serverMAC, netip.PrefixFrom(serverAddr.Addr(), bits)),
		)
	}
	if err == nil {
		err = p.listen()
	}
	if err == nil {
		p.near.port.Refill()
		p.far.port.Refill()
		p.left = 1
		p.connect()
		err = p.run()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// openPool gives the end its memory.
func (e *end) openPool() error {
	region, err := umem.NewRegion(make([]byte, frames*umem.MinChunk), umem.MinChunk)
	if err != nil {
		return err
	}
	e.pool, err = umem.NewPool(region, umem.PoolConfig{
		Workers: 1, Frames: frames,
		FillFloor: frames / 8, ControlFloor: 32, SendQuota: frames / 2, ReceiveQuota: frames / 2,
	})
	return err
}

// open makes the stack and its worker.
func (e *end) open(mac [6]byte, addr netip.Prefix) (err error) {
	e.Stack, err = stack.New(stack.Config{
		Pool: e.pool, Rand: rand.New(rand.NewPCG(uint64(mac[5]), 1)),
		Ifaces: []stack.Iface{{Name: "mem0", MAC: mac, MTU: mtu, Addrs: []netip.Prefix{addr}}},
	})
	if err != nil {
		return err
	}
	e.worker, err = engine.NewWorker(engine.WorkerConfig{
		Mode: engine.Shared, Poll: engine.Busy, Pool: e.pool, Program: e, Ports: []engine.Port{e.port},
	})
	return err
}

// listen makes the listener.
func (p *stacks) listen() (err error) {
	if p.listener, err = p.far.Open(socket.Stream, 0, socket.Owner{}); err != nil {
		return err
	}
	return errors.Join(p.far.Bind(p.listener, serverAddr), p.far.Listen(p.listener, 0))
}

// fail keeps the first error.
func (p *stacks) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// run has both workers take turns, as Run takes them, until the task is done.
func (p *stacks) run() error {
	p.err = nil
	for idle, last := 0, p.progress; p.err == nil && p.left > 0; idle++ {
		now := engine.Now() // for both: they are one loop
		p.near.worker.Turn(now)
		p.far.worker.Turn(now)
		if p.progress != last {
			idle, last = 0, p.progress
		}
		if idle == idleTurns {
			return fmt.Errorf("%w: nothing happens any more", ErrAnswer)
		}
	}
	return p.err
}

// connect opens a connection.
func (p *stacks) connect() {
	h, err := p.near.Open(socket.Stream, 0, socket.Owner{})
	if err == nil {
		if err = p.near.Connect(h, serverAddr); errors.Is(err, socket.EINPROGRESS.Err()) {
			err = nil
		}
	}
	if err != nil {
		p.fail(err)
	}
	if p.do == toConnect {
		p.client = h
	}
}

// RoundTrips implements Pair.
func (p *stacks) RoundTrips(n, size int) error {
	if err := checkSize(size); err != nil || n <= 0 {
		return err
	}
	p.do, p.left, p.size = toAsk, n, size
	p.ask()
	return p.run()
}

// ask sends a request.
func (p *stacks) ask() {
	mark(p.request, p.seq)
	p.in = p.in[:0]
	if n, err := p.near.Send(p.client, p.request[:p.size], false); err != nil || n != p.size {
		p.fail(fmt.Errorf("%w: %d octets of a request taken: %w", ErrAnswer, n, err))
	}
}

// Stream implements Pair.
func (p *stacks) Stream(n int) error {
	p.do, p.left, p.unsent = toStream, n, n
	p.send()
	return p.run()
}

// send sends what there is room for.
func (p *stacks) send() {
	for p.unsent > 0 {
		n, err := p.near.Send(p.client, p.request[:min(writeSize, p.unsent)], false)
		p.unsent -= n
		if errors.Is(err, socket.EAGAIN.Err()) || err == nil && n < writeSize {
			return
		}
		if err != nil {
			p.fail(err)
			return
		}
	}
}

// Connections implements Pair.
func (p *stacks) Connections(n int) error {
	if n <= 0 {
		return nil
	}
	p.do, p.left = toOpen, n
	p.connect()
	return p.run()
}

// hear is the client.
func (p *stacks) hear(e *stack.Event) {
	switch {
	case e.Ready&stack.ReadyClosed != 0:
		p.fail(fmt.Errorf("%w: the client's connection ended: %v", ErrAnswer, e.Errno))
	case p.do == toOpen:
		if e.Ready&stack.ReadyConnected != 0 {
			p.fail(p.near.Close(e.Socket))
		}
	case e.Ready&stack.ReadyOut != 0 && p.do == toStream:
		p.send()
	case e.Ready&stack.ReadyIn != 0:
		p.answered()
	}
}

// answered takes what is there of an answer, and asks anew.
func (p *stacks) answered() {
	p.in = p.near.take(p.client, p.in, p.fail)
	if len(p.in) < p.size {
		return
	}
	p.fail(verify(p.in, p.size, p.seq))
	p.progress++
	p.seq++
	if p.left--; p.left > 0 {
		p.ask()
	}
}

// take appends to b what a socket received.
func (e *end) take(h socket.Handle, b []byte, fail func(error)) []byte {
	for {
		n, err := e.Take(h, e.taken[:])
		if err != nil && !errors.Is(err, socket.EAGAIN.Err()) {
			fail(err)
		}
		got := 0
		for _, f := range e.taken[:n] {
			b = append(b, f.Bytes()...)
			got += len(f.Bytes())
			e.Release(f)
		}
		if n > 0 {
			e.Consume(h, got)
		}
		if n < len(e.taken) {
			return b
		}
	}
}

// drain counts what a socket received.
func (e *end) drain(h socket.Handle, fail func(error)) (got int) {
	for {
		n, err := e.Take(h, e.taken[:])
		if err != nil && !errors.Is(err, socket.EAGAIN.Err()) {
			fail(err)
		}
		size := 0
		for _, f := range e.taken[:n] {
			size += len(f.Bytes())
			e.Release(f)
		}
		if n > 0 {
			e.Consume(h, size)
		}
		if got += size; n < len(e.taken) {
			return got
		}
	}
}

// serve is the server.
func (p *stacks) serve(e *stack.Event) {
	if e.Ready&stack.ReadyAccept != 0 {
		p.accept()
		return
	}
	if e.Ready&stack.ReadyIn != 0 {
		if p.do == toStream {
			got := p.far.drain(e.Socket, p.fail)
			p.left -= got
			p.progress++
		} else {
			p.echo(e.Socket)
		}
	}
	if e.Ready&(stack.ReadyEOF|stack.ReadyClosed) != 0 && p.do == toOpen {
		p.fail(p.far.Close(e.Socket))
		p.progress++
		if p.left--; p.left > 0 {
			p.connect()
		}
	}
}

// echo sends back what a socket received.
func (p *stacks) echo(h socket.Handle) {
	n, err := p.far.Take(h, p.far.taken[:])
	p.fail(err)
	for _, f := range p.far.taken[:n] {
		size := len(f.Bytes())
		if sent, err := p.far.Send(h, f.Bytes(), false); err != nil || sent != size {
			p.fail(fmt.Errorf("%w: %d octets of %d taken: %w", ErrAnswer, sent, size, err))
		}
		p.far.Release(f)
		p.far.Consume(h, size)
	}
}

// accept takes connections.
func (p *stacks) accept() {
	for {
		h, err := p.far.Accept(p.listener)
		if errors.Is(err, socket.EAGAIN.Err()) {
			return
		}
		p.fail(err)
		if err != nil {
			return
		}
		if p.do == toConnect {
			p.server, p.left = h, 0
		}
	}
}

// Close implements Pair. It fails when a frame is missing.
func (p *stacks) Close() error {
	if p.near.worker != nil && p.far.worker != nil {
		p.near.Shut(engine.Now())
		p.far.Shut(engine.Now())
		for range 4 { // until the last is delivered, and completed
			p.near.worker.Turn(engine.Now())
			p.far.worker.Turn(engine.Now())
		}
	}
	return errors.Join(p.near.close(), p.far.close())
}

func (e *end) close() (err error) {
	if e.worker != nil {
		err = errors.Join(e.worker.Close(), e.port.Close())
		err = errors.Join(err, e.pool.Audit(), e.pool.Balance(&umem.Holders{}))
	}
	return err
}
