package xdpstack

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// calls are the socket calls as a program has them, of the kernel's sockets and of ours.
type calls interface {
	bind(to netip.AddrPort) error
	listen(backlog int) error
	accept() (calls, error)
	connect(to netip.AddrPort) error
	send(b string, f socket.Flags) (int, error)
	recv(n int, f socket.Flags) (string, error)
	shutdown(how int) error
	nonblock()
	local() netip.AddrPort
	close() error
}

// system makes sockets, of the kernel or ours.
type system struct {
	open   func(stream bool) calls
	addr   netip.Addr                     // of this host
	free   netip.AddrPort                 // nobody listens there
	silent func() netip.AddrPort          // nobody answers there
	settle func()                         // what was sent has arrived
	trace  *strings.Builder               // each call with its outcome
	listen func() (calls, netip.AddrPort) // a listener and its address
}

// say notes the outcome of a call, as the errno's name.
func (y *system) say(call string, out any, err error) {
	var e syscall.Errno
	switch {
	case err == nil:
		fmt.Fprintf(y.trace, "%s: %v\n", call, out)
	case errors.As(err, &e):
		fmt.Fprintf(y.trace, "%s: %s\n", call, unix.ErrnoName(e))
	default:
		fmt.Fprintf(y.trace, "%s: %v\n", call, err)
	}
}

func (y *system) bind(what string, s calls, to netip.AddrPort) { y.say(what, "bound", s.bind(to)) }
func (y *system) connect(what string, s calls, to netip.AddrPort) {
	y.say(what, "connected", s.connect(to))
}
func (y *system) listens(what string, s calls) { y.say(what, "listens", s.listen(5)) }
func (y *system) shut(what string, s calls, how int) {
	y.say(what, "shut", s.shutdown(how))
}

func (y *system) accept(what string, s calls) calls {
	c, err := s.accept()
	y.say(what, "accepted", err)
	return c
}

func (y *system) send(what string, s calls, b string, f socket.Flags) {
	n, err := s.send(b, f)
	y.say(what, n, err)
}

func (y *system) recv(what string, s calls, n int, f socket.Flags) {
	b, err := s.recv(n, f)
	y.say(what, fmt.Sprintf("%q", b), err)
}

// connected are both ends of a connection.
func (y *system) connected() (client, server calls) {
	l, at := y.listen()
	client = y.open(true)
	y.connect("connect", client, at)
	server = y.accept("accept", l)
	_ = l.close()
	return client, server
}

// mistakes are programs that do what they should not; their outcomes are compared line by line.
var mistakes = map[string]func(y *system){
	"fresh": func(y *system) {
		s := y.open(true)
		y.accept("accept", s)
		y.send("send", s, "x", 0)
		y.send("send, nothing", s, "", 0)
		y.recv("recv", s, 1, 0)
		y.recv("recv, DONTWAIT", s, 1, socket.DontWait)
		y.shut("shutdown WR", s, unix.SHUT_WR)
		y.shut("shutdown RD", s, unix.SHUT_RD)
		y.shut("shutdown 7", s, 7)
		y.listens("listen without bind", s)
	},
	"bind": func(y *system) {
		s, o := y.open(true), y.open(true)
		y.bind("bind", s, netip.AddrPortFrom(y.addr, 0))
		y.bind("bind again", s, netip.AddrPortFrom(y.addr, 0))
		y.bind("bind the same", o, s.local())
		y.bind("bind elsewhere", o, netip.MustParseAddrPort(map[bool]string{true: "203.0.113.1:0", false: "[2001:db8::1]:0"}[y.addr.Is4()]))
		y.listens("listen", s)
		y.bind("bind what a listener has", o, s.local())
		y.bind("bind a listener", s, netip.AddrPortFrom(y.addr, 0))
	},
	"listener": func(y *system) {
		s, at := y.listen()
		s.nonblock()
		y.accept("accept", s)
		y.connect("connect", s, y.free)
		y.connect("connect to itself", s, at)
		y.send("send", s, "x", 0)
		y.recv("recv", s, 1, 0)
		y.listens("listen again", s)
		y.shut("shutdown WR", s, unix.SHUT_WR)
		y.accept("accept after that", s)
		y.shut("shutdown RD", s, unix.SHUT_RD)
		y.accept("accept after that", s)
	},
	"connected": func(y *system) {
		c, s := y.connected()
		y.connect("connect", c, y.free)
		y.connect("connect the accepted one", s, y.free)
		y.bind("bind", c, netip.AddrPortFrom(y.addr, 0))
		y.listens("listen", c)
		y.accept("accept", s)
		y.recv("recv, DONTWAIT", c, 1, socket.DontWait)
		y.send("send nothing", c, "", 0)
		y.send("send", c, "hello", 0)
		y.recv("peek", s, 10, socket.Peek)
		y.recv("peek again", s, 3, socket.Peek)
		y.recv("recv a part", s, 2, 0)
		y.send("send the rest", c, " world", socket.More)
		y.send("send the end", c, ".", 0)
		y.recv("recv all", s, 10, socket.WaitAll)
		y.recv("recv, DONTWAIT", s, 10, socket.DontWait)
	},
	"half-close": func(y *system) {
		c, s := y.connected()
		y.send("send", c, "last", 0)
		y.shut("shutdown WR", c, unix.SHUT_WR)
		y.send("send after that", c, "x", 0)
		y.shut("shutdown WR again", c, unix.SHUT_WR)
		y.recv("recv more than there is", s, 10, socket.WaitAll)
		y.recv("recv the end", s, 10, 0)
		y.recv("recv the end again", s, 10, socket.DontWait)
		y.send("send the other way", s, "answer", 0)
		y.recv("recv it", c, 6, socket.WaitAll)
		_ = s.close()
		y.settle()
		y.recv("recv the end", c, 10, 0)
		y.settle()
		y.send("send", c, "x", 0)
		y.shut("shutdown RDWR", c, unix.SHUT_RDWR)
	},
	"shutdown RD": func(y *system) {
		c, s := y.connected()
		y.send("send", s, "late", 0)
		y.settle()
		y.shut("shutdown RD", c, unix.SHUT_RD)
		y.recv("recv what was there", c, 10, 0)
		y.recv("recv", c, 10, 0)
		y.send("send", c, "x", 0)
	},
	"refused": func(y *system) {
		c := y.open(true)
		y.connect("connect", c, y.free)
		y.send("send", c, "x", 0)
		y.recv("recv", c, 1, 0)
		y.shut("shutdown", c, unix.SHUT_WR)
		y.connect("connect again", c, y.free)
		l, at := y.listen()
		y.connect("connect to a listener", c, at)
		y.accept("accept", l)
		y.send("send now", c, "x", 0)
	},
	"reset, then recv": func(y *system) {
		c, s := y.connected()
		y.send("send what is not read", c, "unread", 0)
		y.settle()
		_ = s.close() // RFC 2525, section 2.17
		y.recv("recv", c, 1, 0)
		y.recv("recv again", c, 1, 0)
		y.send("send", c, "x", 0)
		y.shut("shutdown", c, unix.SHUT_WR)
		y.connect("connect", c, y.free)
	},
	"reset, then send": func(y *system) {
		c, s := y.connected()
		y.send("send what is not read", c, "unread", 0)
		y.settle()
		_ = s.close()
		y.settle()
		y.send("send", c, "x", 0)
		y.send("send again", c, "x", 0)
		y.recv("recv", c, 1, 0)
	},
	"reset behind data": func(y *system) {
		c, s := y.connected()
		y.send("send what is not read", c, "unread", 0)
		y.send("send what is", s, "data", 0)
		y.settle()
		_ = s.close()
		y.settle()
		y.recv("recv", c, 10, 0)
		y.recv("recv again", c, 10, 0)
		y.recv("recv a third time", c, 10, 0)
	},
	"reset amid WAITALL": func(y *system) {
		c, s := y.connected()
		y.send("send what is not read", c, "unread", 0)
		y.send("send what is", s, "data", 0)
		y.settle()
		_ = s.close()
		y.settle()
		y.recv("recv all", c, 10, socket.WaitAll)
		y.recv("recv again", c, 10, 0)
		y.recv("recv a third time", c, 10, 0)
	},
	"sent to a closed one": func(y *system) {
		c, s := y.connected()
		_ = s.close()
		y.settle()
		y.recv("recv", c, 1, 0)
		y.send("send", c, "x", 0)
		y.settle()
		y.send("send again", c, "x", 0)
		y.recv("recv", c, 1, 0)
	},
	"full": func(y *system) {
		c, _ := y.connected()
		block := strings.Repeat("x", 60000)
		err := error(nil)
		for err == nil {
			y.settle()
			_, err = c.send(block, socket.DontWait)
		}
		y.say("send, DONTWAIT, to one who does not read", nil, err)
		c.nonblock()
		y.send("send, non-blocking", c, "x", 0)
	},
	"non-blocking connect": func(y *system) {
		l, at := y.listen()
		c := y.open(true)
		c.nonblock()
		y.connect("connect", c, at)
		y.settle()
		y.accept("accept", l)
		y.connect("connect again", c, at)
		y.connect("connect a third time", c, at)
		y.recv("recv", c, 1, 0)
	},
	"non-blocking refusal": func(y *system) {
		c := y.open(true)
		c.nonblock()
		y.connect("connect", c, y.free)
		y.settle()
		y.connect("connect again", c, y.free)
	},
	"silence": func(y *system) {
		c := y.open(true)
		c.nonblock()
		at := y.silent()
		y.connect("connect", c, at)
		y.connect("connect again", c, at)
		y.send("send", c, "x", 0)
		y.recv("recv", c, 1, 0)
		y.listens("listen", c)
		y.accept("accept", c)
		y.bind("bind", c, netip.AddrPortFrom(y.addr, 0))
	},
	"not a stream": func(y *system) {
		s := y.open(false)
		y.listens("listen", s)
		y.accept("accept", s)
		y.shut("shutdown", s, unix.SHUT_WR)
	},
	"closed": func(y *system) {
		c, _ := y.connected()
		_ = c.close()
		y.connect("connect", c, y.free)
		y.bind("bind", c, netip.AddrPortFrom(y.addr, 0))
		y.listens("listen", c)
		y.accept("accept", c)
		y.send("send", c, "x", 0)
		y.recv("recv", c, 1, 0)
		y.shut("shutdown", c, unix.SHUT_WR)
	},
}

// TestErrnosAreLinuxs: programs with mistakes get the kernel's errors from our sockets, call by call.
func TestErrnosAreLinuxs(t *testing.T) {
	testenv.Root(t)
	for _, fam := range families {
		for name, program := range mistakes {
			t.Run("IPv"+fam.name+"/"+name, func(t *testing.T) {
				want := kernelOutcome(t, fam.name == "4", program)
				for _, workers := range []int{1, 2} {
					if got := ourOutcome(t, fam.a, workers, program); got != want {
						t.Errorf("%d workers: ours:\n%s\nthe kernel's:\n%s", workers, got, want)
					}
				}
			})
		}
	}
}

// ourOutcome runs a program on a host's sockets.
func ourOutcome(t *testing.T, addr string, workers int, program func(y *system)) string {
	a, b := pair(t, workers, func(c *Config) { c.Limits.StreamSendBytes, c.Limits.StreamRecvBytes = 64<<10, 64<<10 })
	y := &system{addr: netip.MustParseAddr(addr), trace: &strings.Builder{}}
	y.free = netip.AddrPortFrom(y.addr, 9)
	y.silent = func() netip.AddrPort { // on link, and nobody's
		at := y.addr
		for range 76 {
			at = at.Next()
		}
		return netip.AddrPortFrom(at, 9)
	}
	y.open = func(stream bool) calls {
		family := FamilyDatagram
		if stream {
			family = FamilyStream
		}
		s, err := a.Socket(family, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ours{s}
	}
	y.listen = listenerOf(t, y)
	y.settle = func() {
		for range 5 {
			settled(t, a)
			settled(t, b)
		}
	}
	program(y)
	return y.trace.String()
}

func listenerOf(t *testing.T, y *system) func() (calls, netip.AddrPort) {
	return func() (calls, netip.AddrPort) {
		s := y.open(true)
		if err := s.bind(netip.AddrPortFrom(y.addr, 0)); err != nil {
			t.Fatal(err)
		}
		if err := s.listen(5); err != nil {
			t.Fatal(err)
		}
		return s, s.local()
	}
}

// ours is a Socket as calls.
type ours struct{ s *Socket }

func (o ours) bind(to netip.AddrPort) error    { return o.s.Bind(to) }
func (o ours) listen(n int) error              { return o.s.Listen(n) }
func (o ours) connect(to netip.AddrPort) error { return o.s.Connect(to) }
func (o ours) shutdown(how int) error          { return o.s.Shutdown(how) }
func (o ours) nonblock()                       { o.s.SetNonblock(true) }
func (o ours) local() netip.AddrPort           { return o.s.LocalAddr() }
func (o ours) close() error                    { return o.s.Close() }

func (o ours) accept() (calls, error) {
	s, err := o.s.Accept()
	return ours{s}, err
}

func (o ours) send(b string, f socket.Flags) (int, error) {
	return o.s.SendMsg(&Msg{Data: []byte(b), Flags: f})
}

func (o ours) recv(n int, f socket.Flags) (string, error) {
	m := Msg{Data: make([]byte, n), Flags: f}
	n, err := o.s.RecvMsg(&m)
	return string(m.Data[:n]), err
}
