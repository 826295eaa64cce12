package xdpstack

import (
	"net"
	"os"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// send is tcp_sendmsg.
func (c *streamSocket) send(m *Msg) (int, error) {
	total := m.Len
	if total == 0 {
		total = len(m.Data)
	}
	switch {
	case total < 0 || total > len(m.Data):
		return 0, sysError("sendmsg", socket.EFAULT)
	case c.isClosed():
		return 0, sysError("sendmsg", socket.EBADF)
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if e := c.taken(); e != 0 {
		return 0, sysError("sendmsg", e)
	}
	wait := m.Flags&socket.DontWait == 0 && !c.nonblock.Load()
	part := *m
	for sent := 0; ; {
		c.sends.Store(true)
		part.Data, part.Len = m.Data[sent:total], 0
		n, e := c.on(func(sh *shard, h socket.Handle) (int, error) { return sh.stack.SendMsg(sh.now, h, &part) })
		sent += n
		switch {
		case e == nil && (sent == total || !wait):
			return sent, nil
		case e == nil || e == socket.EAGAIN.Err() && wait:
			if !c.waitFor(c.changed) {
				return sent, os.NewSyscallError("sendmsg", net.ErrClosed)
			}
		default:
			return c.cut(sent, "sendmsg", e)
		}
	}
}

// recv is tcp_recvmsg.
func (c *streamSocket) recv(m *Msg) (int, error) {
	if c.isClosed() {
		return 0, sysError("recvmsg", socket.EBADF)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.taken(); e != 0 {
		return 0, sysError("recvmsg", e)
	}
	asked := m.Flags
	wait := asked&socket.DontWait == 0 && !c.nonblock.Load()
	all := asked&socket.WaitAll != 0 && wait
	part := *m
	for got := 0; ; {
		c.waits.Store(true)
		part.Data, part.Flags = m.Data[got:], asked&socket.Peek
		if all && asked&socket.Peek != 0 {
			part.Flags |= socket.WaitAll // it cannot be put together from parts
		}
		n, e := c.on(func(sh *shard, h socket.Handle) (int, error) { return sh.stack.RecvMsg(sh.now, h, &part) })
		got += n
		switch {
		case e == nil && (n == 0 || !all || got == len(m.Data) || asked&socket.Peek != 0):
			m.Flags = 0
			return got, nil
		case e == nil:
		case e != socket.EAGAIN.Err():
			return c.cut(got, "recvmsg", e)
		case c.readShut.Load():
			return got, nil
		case !wait:
			return c.cut(got, "recvmsg", e)
		case !c.waitFor(c.arrived):
			return got, os.NewSyscallError("recvmsg", net.ErrClosed)
		}
	}
}

// on runs a call of the stack on the connection's worker.
func (c *streamSocket) on(call func(sh *shard, h socket.Handle) (int, error)) (n int, failed error) {
	home, h := c.place()
	if err := c.host.on(home, func(sh *shard) { n, failed = call(sh, h) }); err != nil {
		return 0, err
	}
	return n, failed
}

// cut ends a call by an error: what was done before it counts, and the next call returns it.
func (c *streamSocket) cut(done int, call string, err error) (int, error) {
	if done == 0 {
		return 0, sysError(call, err)
	}
	if e, ok := err.(socket.Errno); ok && e != socket.EAGAIN {
		c.late.Store(uint32(e))
	}
	return done, nil
}

// taken is the error that cut the call before short, once.
func (c *streamSocket) taken() socket.Errno {
	if c.late.Load() == 0 {
		return 0
	}
	return socket.Errno(c.late.Swap(0))
}
