package xdpstack

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// The kinds of sockets, and what a message is: the stack's own.
type (
	// Family is the kind of a socket.
	Family = socket.Family
	// Owner is the process that a socket belongs to.
	Owner = socket.Owner
	// Msg is a message of any family with its ancillary data, as msghdr is.
	Msg = socket.Msg
	// SocketOptions are a socket's options.
	SocketOptions = socket.Options
)

// The families.
const (
	FamilyDatagram = socket.Datagram
	FamilyRaw      = socket.Raw
	FamilyStream   = socket.Stream
)

// Socket is a socket as the system calls have it: sendmsg and recvmsg, one for
// every family. It is the stack's own queue that it reads, on every worker of
// the host, of a stream's connection on one; each call is carried to a worker and
// back. The errors are Linux's for the same mistake. Programs that want speed use ListenPacket,
// HandleDatagram, Listen, Dial or HandleStream.
type Socket struct {
	host    *Host
	owner   Owner
	family  Family
	handles []socket.Handle // by worker; of a connection all zero but one
	local   netip.AddrPort
	stream  streamSocket

	mu       sync.Mutex // one receiver at a time
	arrived  signal
	waits    atomic.Bool
	closed   chan struct{}
	close    sync.Once
	next     int // worker to look at first
	lastErr  atomic.Uint32
	sendFrom int // worker that sends
}

// Socket opens a socket of the given family; proto is the IP protocol of a raw
// socket, and 0 for the others. It belongs to the calling process unless
// owner says otherwise.
func (h *Host) Socket(family Family, proto uint8, owner *Owner) (*Socket, error) {
	s := &Socket{
		host: h, owner: h.owner, family: family, arrived: newSignal(),
		closed: make(chan struct{}), handles: make([]socket.Handle, len(h.shards)),
	}
	if owner != nil {
		s.owner = *owner
	}
	if err := s.open(proto); err != nil {
		s.detach()
		return nil, err
	}
	h.remember(s)
	return s, nil
}

// open opens the socket on every worker.
func (s *Socket) open(proto uint8) error {
	s.stream.init(s)
	return s.host.each(s.handles, func(sh *shard, _ socket.Handle) error {
		k, err := sh.stack.Open(s.family, proto, s.owner)
		if err != nil {
			return sysError("socket", err)
		}
		s.handles[sh.id] = k
		if s.family == FamilyStream {
			s.stream.moveTo(sh.id, k)
			sh.attachStream(k, &s.stream)
		} else {
			sh.attach(k, s)
		}
		return nil
	})
}

// Owner is the process that the socket belongs to.
func (s *Socket) Owner() Owner { return s.owner }

// LocalAddr is what the socket is bound to.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Bind gives the socket its address on every worker; port 0 chooses one.
func (s *Socket) Bind(local netip.AddrPort) error {
	if s.stream.state.Load() != streamFresh && !s.isClosed() { // it has handles of one worker only
		return sysError("bind", socket.EINVAL)
	}
	local, err := s.host.bindAll(s.handles, local)
	if err != nil {
		return err
	}
	s.local, s.stream.bound = local, local
	return nil
}

// Connect sets the peer of the socket. That of a stream opens a connection, and waits for it unless
// the socket is non-blocking.
func (s *Socket) Connect(peer netip.AddrPort) error {
	if s.family == FamilyStream {
		return s.stream.connect(peer)
	}
	return s.host.each(s.handles, func(sh *shard, h socket.Handle) error {
		return sysError("connect", sh.stack.Connect(h, peer))
	})
}

// SetOptions replaces the socket's options. Options.Events is not for it: it
// reads the queue.
func (s *Socket) SetOptions(o SocketOptions) error {
	o.Events = false
	s.stream.options = o
	return s.host.each(s.handles, func(sh *shard, h socket.Handle) error {
		if h == (socket.Handle{}) {
			return nil
		}
		return sysError("setsockopt", sh.stack.SetOptions(h, o))
	})
}

// SendMsg sends one message and returns how many octets of it. The checks are
// sendmsg's, in its order: EFAULT for a message that claims more than its
// buffer has, EBADF for a closed socket, EMSGSIZE for what no packet can take.
// The owner of the socket goes with it, and is seen by a receiver on this host.
//
// On a stream it waits until all is in the send queue, unless m.Flags has DontWait or the socket is
// non-blocking: then it takes what there is room for, or is EAGAIN. More says that the next call belongs
// to the same segment. m.Addr is ignored.
func (s *Socket) SendMsg(m *Msg) (n int, err error) {
	if s.family == FamilyStream {
		return s.stream.send(m)
	}
	if err := s.takeError("sendmsg"); err != nil {
		return 0, err
	}
	var sent error
	err = s.host.on(s.sendFrom, func(sh *shard) {
		n, sent = sh.stack.SendMsg(sh.now, s.handles[sh.id], m)
	})
	if err == nil {
		err = sysError("sendmsg", sent)
	}
	return n, err
}

// RecvMsg receives one message into m.Data and returns how many octets. It waits
// for one unless m.Flags has DontWait (then EAGAIN), until the socket is
// closed. On a stream 0 is the end; WaitAll waits for all of m.Data, or the end; Peek leaves the octets
// where they are.
func (s *Socket) RecvMsg(m *Msg) (int, error) {
	if s.family == FamilyStream {
		return s.stream.recv(m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	flags := m.Flags
	for {
		if err := s.takeError("recvmsg"); err != nil {
			return 0, err
		}
		s.waits.Store(true)
		m.Flags = flags
		n, again, err := s.tryRecv(m)
		if !again || flags&socket.DontWait != 0 {
			s.waits.Store(false)
			return n, err
		}
		select {
		case <-s.arrived:
		case <-s.closed:
			return 0, os.NewSyscallError("recvmsg", net.ErrClosed)
		}
	}
}

// tryRecv looks at every worker's queue once; again says that all were empty.
func (s *Socket) tryRecv(m *Msg) (n int, again bool, err error) {
	for i := range s.handles {
		worker := (s.next + i) % len(s.handles)
		var got error
		err = s.host.on(worker, func(sh *shard) {
			n, got = sh.stack.RecvMsg(sh.now, s.handles[worker], m)
		})
		if err != nil {
			return 0, false, err
		}
		if got != socket.EAGAIN.Err() {
			if m.Flags&socket.Peek == 0 {
				s.next = (worker + 1) % len(s.handles)
			}
			return n, false, sysError("recvmsg", got)
		}
	}
	return 0, true, sysError("recvmsg", socket.EAGAIN.Err())
}

// Close closes the socket; a RecvMsg that waits returns net.ErrClosed.
func (s *Socket) Close() error {
	err := error(net.ErrClosed)
	s.close.Do(func() {
		close(s.closed)
		s.stream.callMu.Lock() // a call that waits has just been woken
		defer s.stream.callMu.Unlock()
		err = s.detach()
		s.host.forget(s)
	})
	return err
}

func (s *Socket) detach() error {
	return s.host.each(s.handles, func(sh *shard, h socket.Handle) error {
		if h == (socket.Handle{}) {
			return nil
		}
		return sysError("close", sh.detachAny(h))
	})
}

func (s *Socket) takeError(call string) error {
	if s.lastErr.Load() == 0 {
		return nil
	}
	return sysError(call, socket.Errno(s.lastErr.Swap(0)).Err())
}

// datagrams implements receiver; it never comes: the socket has no events.
func (s *Socket) datagrams(sh *shard, events []stack.Event) {
	for i := range events {
		sh.stack.Release(events[i].Frame)
	}
}

// readable implements receiver.
func (s *Socket) readable(sh *shard) {
	if s.waits.Load() && !sh.waker.add(s.arrived) {
		s.arrived.wake()
	}
}

// failed implements receiver.
func (s *Socket) failed(sh *shard, errno socket.Errno) {
	s.lastErr.Store(uint32(errno))
	s.readable(sh)
}
