package sim

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// OpenStream opens a stream socket. It is to be called in a turn.
func (w *Worker) OpenStream(o socket.Options, owner socket.Owner) (*Socket, error) {
	h, err := w.stack.Open(socket.Stream, 0, owner)
	if err != nil {
		return nil, err
	}
	if err := w.stack.SetOptions(h, o); err != nil {
		return nil, err
	}
	return w.enter(h), nil
}

// enter makes the Socket of a handle, in place of one that was closed.
func (w *Worker) enter(h socket.Handle) *Socket {
	table := w.tableOf(h)
	i := int(h.Slot())
	for i >= len(*table) {
		*table = append(*table, nil)
	}
	s := &Socket{worker: w, handle: h}
	(*table)[i] = s
	return s
}

// tableOf is the table that a handle's socket is in: stream sockets have one of
// their own, with slots of their own.
func (w *Worker) tableOf(h socket.Handle) *[]*Socket {
	if h.IsStream() {
		return &w.streams
	}
	return &w.sockets
}

// Listen makes the bound socket a listener.
func (s *Socket) Listen(backlog int) error { return s.worker.stack.Listen(s.handle, backlog) }

// Accept takes the connection that waited longest.
func (s *Socket) Accept() (*Socket, error) {
	h, err := s.worker.stack.Accept(s.handle)
	if err != nil {
		return nil, err
	}
	return s.worker.enter(h), nil
}

// Write sends data and returns how much of it the stack took.
func (s *Socket) Write(data []byte, more bool) (int, error) {
	return s.worker.stack.Send(s.handle, data, more)
}

// Take borrows received frames.
func (s *Socket) Take(out []*umem.Frame) (int, error) { return s.worker.stack.Take(s.handle, out) }

// Consume opens the window by n octets.
func (s *Socket) Consume(n int) { s.worker.stack.Consume(s.handle, n) }

// Read copies what was received to data; EAGAIN: nothing is there.
func (s *Socket) Read(now umem.Time, data []byte) (int, error) {
	return s.worker.stack.RecvMsg(now, s.handle, &socket.Msg{Data: data, Len: len(data)})
}

// Forward sends a frame taken from src.
func (s *Socket) Forward(src *Socket, f *umem.Frame) error {
	return s.worker.stack.Forward(s.handle, src.handle, f)
}

// Shutdown ends what is sent.
func (s *Socket) Shutdown() error { return s.worker.stack.Shutdown(s.handle) }

// Abort ends all, at once.
func (s *Socket) Abort() error { return s.worker.stack.Abort(s.handle) }

// Dial opens a stream socket and begins to connect it.
func (w *Worker) Dial(to netip.AddrPort, o socket.Options) (*Socket, error) {
	s, err := w.OpenStream(o, socket.Owner{UID: uint32(w.id)})
	if err != nil {
		return nil, err
	}
	if err := s.Connect(to); err != nil {
		return s, err
	}
	return s, nil
}

// ListenOn opens a listener on a port of all the host's addresses.
func (w *Worker) ListenOn(port uint16, backlog int, o socket.Options) (*Socket, error) {
	s, err := w.OpenStream(o, socket.Owner{UID: uint32(w.id)})
	if err != nil {
		return nil, err
	}
	if err := s.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), port)); err != nil {
		return nil, err
	}
	return s, s.Listen(backlog)
}
