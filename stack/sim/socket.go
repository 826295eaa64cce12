package sim

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Socket is a socket of one worker, and what the application does when something
// happens to it. A handler that is nil does nothing; a frame that nobody wants is
// released.
type Socket struct {
	worker *Worker
	handle socket.Handle

	// Datagram has to end the hold on e.Frame: now or in a later turn.
	Datagram func(now umem.Time, e *stack.Event)
	Readable func(now umem.Time)
	Failed   func(now umem.Time, e *stack.Event)
	// Stream hears what became possible on a stream; errno says why it is over.
	Stream func(now umem.Time, ready stack.Ready, errno socket.Errno)
}

// Open opens a datagram socket. It is to be called in a turn.
func (w *Worker) Open(o socket.Options, owner socket.Owner) (*Socket, error) {
	h, err := w.stack.Open(socket.Datagram, 0, owner)
	if err != nil {
		return nil, err
	}
	if err := w.stack.SetOptions(h, o); err != nil {
		return nil, err
	}
	return w.enter(h), nil
}

// Worker is the worker that the socket lives on.
func (s *Socket) Worker() *Worker { return s.worker }

// Handle names the socket.
func (s *Socket) Handle() socket.Handle { return s.handle }

// Bind binds the socket.
func (s *Socket) Bind(local netip.AddrPort) error { return s.worker.stack.Bind(s.handle, local) }

// Connect connects the socket.
func (s *Socket) Connect(peer netip.AddrPort) error { return s.worker.stack.Connect(s.handle, peer) }

// Send sends data, to the connected peer when to is the zero AddrPort.
func (s *Socket) Send(now umem.Time, data []byte, to netip.AddrPort) error {
	m := socket.Msg{Data: data, Len: len(data)}
	if to.IsValid() {
		m.Addr = socket.AddrFrom(to)
	}
	_, err := s.worker.stack.SendMsg(now, s.handle, &m)
	return err
}

// SendFrame sends data as Send does, in a frame that the application fills itself.
func (s *Socket) SendFrame(now umem.Time, data []byte, to netip.AddrPort) error {
	f := s.worker.stack.Get()
	if f == nil {
		return socket.ENOBUFS
	}
	copy(f.Put(len(data)), data)
	var dst socket.Addr
	if to.IsValid() {
		dst = socket.AddrFrom(to)
	}
	return s.worker.stack.SendFrame(now, s.handle, f, dst)
}

// Recv reads the next datagram into m.
func (s *Socket) Recv(now umem.Time, m *socket.Msg) (int, error) {
	return s.worker.stack.RecvMsg(now, s.handle, m)
}

// Close closes the socket.
func (s *Socket) Close() error { return s.worker.stack.Close(s.handle) }

// find is the socket that an event is for, nil when it has been closed and its slot
// is another's.
func (w *Worker) find(h socket.Handle) *Socket {
	table, i := *w.tableOf(h), int(h.Slot())
	if i >= len(table) || table[i] == nil || table[i].handle != h {
		return nil
	}
	return table[i]
}

// dispatch gives an event to its socket.
func (w *Worker) dispatch(now umem.Time, e *stack.Event) {
	s := w.find(e.Socket)
	switch {
	case e.Kind == stack.Datagram && (s == nil || s.Datagram == nil):
		w.unheard++
		w.stack.Release(e.Frame)
	case s == nil:
	case e.Kind == stack.Datagram:
		s.Datagram(now, e)
	case e.Kind == stack.Readable && s.Readable != nil:
		s.Readable(now)
	case e.Kind == stack.Failed && s.Failed != nil:
		s.Failed(now, e)
	case e.Kind == stack.Stream && s.Stream != nil:
		s.Stream(now, e.Ready, e.Errno)
	}
}
