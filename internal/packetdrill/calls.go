package packetdrill

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// descriptor is a socket as a script knows it.
type descriptor struct {
	h        socket.Handle
	options  socket.Options
	nonblock bool
	linger0  bool // SO_LINGER with no time: close resets
	peer     flow // of a connection
	read     uint32
	began    bool // read counts
}

// blocked is a call that has not returned.
type blocked struct {
	call  *Call
	line  int
	until umem.Time
	sent  int64 // of a write, so far
	begun bool  // of connect: the handshake is under way
}

// result is what a call gave.
type result struct {
	n     int64
	errno socket.Errno
}

func (r result) String() string {
	if r.errno != 0 {
		return "-1 " + errnoName(r.errno)
	}
	return fmt.Sprint(r.n)
}

func gave(n int64, err error) (result, error) {
	var e socket.Errno
	if errors.As(err, &e) {
		return result{-1, e}, nil
	}
	return result{n, 0}, err
}

// calls that there are, and how many arguments they have. b is of a call that may block: EAGAIN of a socket that
// blocks means that it does.
var calls map[string]struct {
	args int
	do   func(r *runner, b *blocked) (result, error)
}

func init() {
	calls = map[string]struct {
		args int
		do   func(r *runner, b *blocked) (result, error)
	}{
		"socket": {3, (*runner).socket}, "bind": {3, (*runner).bind}, "listen": {2, (*runner).listen},
		"accept": {3, (*runner).accept}, "accept4": {4, (*runner).accept}, "connect": {3, (*runner).connect},
		"read": {3, (*runner).recv}, "recv": {4, (*runner).recv}, "write": {3, (*runner).send}, "send": {4, (*runner).send},
		"close": {1, (*runner).close}, "shutdown": {2, (*runner).shutdown}, "fcntl": {3, (*runner).fcntl},
		"setsockopt": {5, (*runner).setsockopt}, "getsockopt": {5, (*runner).getsockopt},
	}
}

// call makes a call, and compares what it gives.
func (r *runner) call(c *Call, blocks bool, until umem.Time) error {
	if r.blocks != nil {
		return fmt.Errorf("%s of line %d still blocks", r.blocks.call.Name, r.blocks.line)
	}
	if len(c.Args) > 0 && c.Name != "socket" && (!c.Args[0].IsNumber) {
		return fmt.Errorf("%s wants a descriptor", c.Name)
	}
	b := &blocked{call: c, line: r.event.Line, until: until}
	got, err := calls[c.Name].do(r, b)
	if err != nil {
		return err
	}
	if r.wouldBlock(c, got) {
		if !blocks {
			return fmt.Errorf("%s blocks; expected = %v", c.Name, result{c.Result, c.Errno})
		}
		r.blocks = b
		return nil
	}
	if blocks && until > r.now {
		return fmt.Errorf("%s did not block: it gave %v at once", c.Name, got)
	}
	return c.compare(got)
}

func (c *Call) compare(got result) error {
	if want := (result{c.Result, c.Errno}); got != want {
		return fmt.Errorf("%s gave %v, expected %v", c.Name, got, want)
	}
	return nil
}

// wouldBlock reports whether a result means that a blocking socket waits.
func (r *runner) wouldBlock(c *Call, got result) bool {
	d := r.fds[c.Args[0].Number]
	if d == nil || d.nonblock || len(c.Args) == 4 && slices.Contains(c.Args[3].Words, "MSG_DONTWAIT") {
		return false
	}
	if c.Name == "connect" {
		return got.errno == socket.EINPROGRESS
	}
	return got.errno == socket.EAGAIN
}

// unblock lets the call that blocks try again.
func (r *runner) unblock() error {
	b := r.blocks
	if b == nil {
		return nil
	}
	got, err := calls[b.call.Name].do(r, b)
	if err != nil {
		return err
	}
	if r.wouldBlock(b.call, got) {
		if r.now > b.until+slack {
			return fmt.Errorf("%s of line %d still blocks at %s; expected until %s", b.call.Name, b.line, stamp(r.now), stamp(b.until))
		}
		return nil
	}
	r.blocks = nil
	if r.now < b.until || r.now > b.until+slack {
		return fmt.Errorf("%s of line %d gave %v at %s; expected at %s", b.call.Name, b.line, got, stamp(r.now), stamp(b.until))
	}
	if err := b.call.compare(got); err != nil {
		return fmt.Errorf("line %d: %w", b.line, err)
	}
	return r.settle()
}

// fd is the descriptor that a call names; nil: EBADF.
func (r *runner) fd(b *blocked) *descriptor {
	if d := r.fds[b.call.Args[0].Number]; d != nil {
		return d
	}
	return &descriptor{}
}

// give is the lowest number that is free.
func (r *runner) give(d *descriptor) (n int64) {
	for n = 3; r.fds[n] != nil; n++ {
	}
	r.fds[n] = d
	return n
}

func (r *runner) socket(b *blocked) (result, error) {
	d := &descriptor{}
	if !slices.Contains(b.call.Args[1].Words, "SOCK_STREAM") {
		return result{}, errors.New("only SOCK_STREAM is supported")
	}
	d.nonblock = slices.Contains(b.call.Args[1].Words, "SOCK_NONBLOCK")
	var err error
	if d.h, err = r.s.Open(socket.Stream, 0, socket.Owner{}); err != nil {
		return gave(0, err)
	}
	return result{n: r.give(d)}, nil
}

// address is what an argument names, of a host and with a port if it names none.
func address(a *Arg, host netip.Addr, port uint16) (netip.AddrPort, error) {
	if a.Any {
		return netip.AddrPortFrom(host, port), nil
	}
	if f := a.Fields["sin_port"]; f != nil && len(a.Fields) == 1 && f.IsCall && f.Words[0] == "htons" && len(f.Args) == 1 && f.Args[0].IsNumber {
		return netip.AddrPortFrom(host, uint16(f.Args[0].Number)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("column %d: an address is ... or {sin_port=htons(n)}", a.Col)
}

func (r *runner) bind(b *blocked) (result, error) {
	a, err := address(b.call.Args[1], r.family.us, servicePort)
	if err != nil {
		return result{}, err
	}
	return gave(0, r.s.Bind(r.fd(b).h, a))
}

func (r *runner) listen(b *blocked) (result, error) {
	return gave(0, r.s.Listen(r.fd(b).h, int(b.call.Args[1].Number)))
}

func (r *runner) accept(b *blocked) (result, error) {
	h, err := r.s.Accept(r.fd(b).h)
	if err != nil {
		return gave(0, err)
	}
	d := &descriptor{h: h, nonblock: len(b.call.Args) == 4 && slices.Contains(b.call.Args[3].Words, "SOCK_NONBLOCK")}
	local, _ := r.s.LocalAddr(h)
	peer, _ := r.s.Peer(h)
	d.peer = flow{local.Port, peer.Port}
	return result{n: r.give(d)}, nil
}

func (r *runner) connect(b *blocked) (result, error) {
	d := r.fd(b)
	if b.begun {
		switch ready := r.ready[d.h]; {
		case ready&stack.ReadyClosed != 0:
			_, _ = r.s.Take(d.h, nil) // told here
			return result{-1, r.errno[d.h]}, nil
		case ready&stack.ReadyConnected != 0:
			return result{}, nil
		}
		return result{-1, socket.EINPROGRESS}, nil
	}
	to, err := address(b.call.Args[1], r.family.peer, servicePort)
	if err != nil {
		return result{}, err
	}
	if err = r.s.Connect(d.h, to); err == nil || errors.Is(err, socket.EINPROGRESS) {
		local, _ := r.s.LocalAddr(d.h)
		d.peer = flow{local.Port, to.Port()}
		r.flow, b.begun, err = d.peer, true, socket.EINPROGRESS
	}
	return gave(0, err)
}

// flagsOf are those of a send or recv.
func flagsOf(c *Call) (f socket.Flags, err error) {
	if len(c.Args) < 4 || c.Args[3].IsNumber && c.Args[3].Number == 0 {
		return 0, nil
	}
	for _, w := range c.Args[3].Words {
		switch w {
		case "MSG_DONTWAIT":
			f |= socket.DontWait
		case "MSG_PEEK":
			f |= socket.Peek
		case "MSG_WAITALL":
			f |= socket.WaitAll
		case "MSG_MORE":
			f |= socket.More
		case "MSG_NOSIGNAL":
		default:
			return 0, fmt.Errorf("%s is not supported", w)
		}
	}
	return f, nil
}

// maxCall bounds what one call reads or writes.
const maxCall = 1 << 24

// recv reads, and compares what it reads with the pattern.
func (r *runner) recv(b *blocked) (result, error) {
	d := r.fd(b)
	flags, err := flagsOf(b.call)
	if err != nil {
		return result{}, err
	}
	m := socket.Msg{Data: make([]byte, min(max(b.call.Args[2].Number, 0), maxCall)), Flags: flags}
	n, err := r.s.RecvMsg(r.now, d.h, &m)
	if err != nil {
		return gave(0, err)
	}
	if !d.began {
		d.began, d.read = true, r.numbers(d.peer).farSYN+1
	}
	if !bytes.Equal(m.Data[:n], pattern(d.read, n)) {
		return result{}, fmt.Errorf("the %d octets that %s gave are not those that arrived at %d", n, b.call.Name, d.read)
	}
	if flags&socket.Peek == 0 {
		d.read += uint32(n)
	}
	return result{n: int64(n)}, nil
}

// send writes the pattern; a socket that blocks writes all.
func (r *runner) send(b *blocked) (result, error) {
	d := r.fd(b)
	flags, err := flagsOf(b.call)
	if err != nil {
		return result{}, err
	}
	all := min(max(b.call.Args[2].Number, 0), maxCall)
	k := r.numbers(d.peer)
	n, err := r.s.SendMsg(r.now, d.h, &socket.Msg{Data: pattern(k.written, int(all-b.sent)), Flags: flags})
	k.written += uint32(max(n, 0))
	b.sent += int64(max(n, 0))
	waits := !d.nonblock && flags&socket.DontWait == 0
	switch {
	case err == nil && b.sent < all && waits:
		return result{-1, socket.EAGAIN}, nil
	case err != nil && b.sent > 0 && !(errors.Is(err, socket.EAGAIN) && waits):
		return result{n: b.sent}, nil
	case err != nil:
		return gave(0, err)
	}
	return result{n: b.sent}, nil
}

func (r *runner) close(b *blocked) (result, error) {
	d := r.fd(b)
	n := b.call.Args[0].Number
	if r.fds[n] == nil {
		return result{-1, socket.EBADF}, nil
	}
	delete(r.fds, n)
	if d.linger0 {
		return gave(0, r.s.Abort(d.h))
	}
	return gave(0, r.s.Close(d.h))
}
