package xdpstack

import (
	"errors"
	"net"
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// streamOptions are those of the event API's connections. What handlers send in one batch leaves
// together anyway, so a small segment never waits for an acknowledgement (RFC 9293, 3.7.4); SendMore
// says when more follows.
var streamOptions = socket.Options{NoDelay: true}

// acceptBudget is how many connections a listener accepts in a turn.
const acceptBudget = 64

// StreamServer is a listener on every worker whose connections go to handlers.
type StreamServer struct {
	host   *Host
	accept func(c *Stream) StreamHandler
	local  netip.AddrPort
	name   string
	sinks  []*acceptor // by worker
}

// HandleStream listens on every worker. network is tcp, tcp4 or tcp6; port 0 chooses one.
// accept is called on the worker of each new connection, for the handler to give it; nil resets the
// connection.
func (h *Host) HandleStream(network, address string, accept func(c *Stream) StreamHandler) (*StreamServer, error) {
	local, err := parseAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	srv := &StreamServer{host: h, accept: accept, sinks: make([]*acceptor, len(h.shards))}
	_, local, err = h.openStreamListener(network, local, 0, streamOptions, func(s *shard, k socket.Handle, bound netip.AddrPort) streamReceiver {
		if s.id == 0 { // the others come later
			srv.local, srv.name = bound, network+" "+bound.String()
		}
		srv.sinks[s.id] = &acceptor{server: srv, handle: k}
		return srv.sinks[s.id]
	})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(local), Err: err}
	}
	h.remember(srv)
	return srv, nil
}

// Addr is the address that it listens on.
func (s *StreamServer) Addr() netip.AddrPort { return s.local }

// Close ends listening: when it returns accept is not called any more. Connections that were
// accepted go on. It must not be called by a handler.
func (s *StreamServer) Close() error {
	defer s.host.forget(s)
	for i, k := range s.sinks {
		if err := s.host.on(i, k.hostCloses); err != nil {
			return err
		}
	}
	return nil
}

// acceptor is a server's listener on one worker.
type acceptor struct {
	server *StreamServer
	handle socket.Handle
}

// ready implements streamReceiver.
func (a *acceptor) ready(s *shard, _ *stack.Event) {
	for range acceptBudget {
		h, err := s.stack.Accept(a.handle)
		if err != nil {
			return // none waits, or accept closed the server
		}
		a.adopt(s, h)
	}
	s.unread(a.handle)
}

// adopt gives a new connection its handler.
func (a *acceptor) adopt(s *shard, h socket.Handle) {
	c := &Stream{worker: &s.self, handle: h, server: a.server, opened: true}
	c.local, _ = s.stack.LocalAddr(h) // of a connection both are known
	c.peer, _ = s.stack.Peer(h)
	s.attachStream(h, c)
	s.more = true
	c.handler = a.server.accept(c)
	if c.handler == nil {
		_ = c.Abort() // it may have been closed by accept: the same
	} else if !c.over {
		c.handler.Opened(c)
	}
	s.called(c)
}

// hostCloses implements streamReceiver.
func (a *acceptor) hostCloses(s *shard) { _ = s.detachStream(a.handle) }

// openStreamListener opens a stream socket on every worker, bound to local, whose port may be 0, that
// listens. recv gives the receiver of each worker's events, on that worker, before it listens.
func (h *Host) openStreamListener(network string, local netip.AddrPort, backlog int, o socket.Options,
	recv func(s *shard, k socket.Handle, bound netip.AddrPort) streamReceiver,
) (handles []socket.Handle, bound netip.AddrPort, err error) {
	tries := 1
	if local.Port() == 0 {
		tries = bindTries
	}
	o.V6Only = network == "tcp6"
	for range tries {
		handles, bound, err = h.tryOpen(socket.Stream, o, local)
		if !errors.Is(err, errnos[socket.EADDRINUSE]) {
			break
		}
	}
	if err != nil {
		return nil, local, err
	}
	err = h.each(handles, func(s *shard, k socket.Handle) error {
		s.attachStream(k, recv(s, k, bound))
		return sysError("listen", s.stack.Listen(k, backlog))
	})
	if err != nil {
		h.closeAll(handles)
	}
	return handles, bound, err
}
