package xdpstack

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// DatagramHandler is called on a worker for each datagram of a socket, after
// the batch that it came in. It must not block: the worker's other traffic
// waits. The datagram is valid until it returns.
type DatagramHandler func(d *Datagram)

// Datagram is a received datagram, borrowed from the stack.
type Datagram struct {
	shard  *shard
	event  *stack.Event
	handle socket.Handle
	gone   bool // given away by Reply
}

// Data is the payload, in the frame that it arrived in: no copy was made.
func (d *Datagram) Data() []byte { return d.event.Frame.Bytes() }

// From is the sender.
func (d *Datagram) From() netip.AddrPort { return d.event.Src().Netip() }

// To is the address that it was sent to.
func (d *Datagram) To() netip.AddrPort { return d.event.Dst().Netip() }

// Worker is the number of the worker that received it.
func (d *Datagram) Worker() int { return d.shard.id }

// Reply gives the frame back to its sender as it is, without copying it: an
// echo. Data is invalid afterwards.
func (d *Datagram) Reply() error {
	d.gone = true
	return d.shard.stack.Reply(d.shard.now, d.handle, d.event.Frame)
}

// Answer sends data to the sender, from the address that the datagram was sent
// to. It copies data.
func (d *Datagram) Answer(data []byte) error {
	d.shard.msg = socket.Msg{Data: data, Len: len(data), Addr: d.event.Src(), Local: d.event.Dst()}
	_, err := d.shard.stack.SendMsg(d.shard.now, d.handle, &d.shard.msg)
	return err
}

// DatagramServer is a datagram socket whose datagrams go to a handler.
type DatagramServer struct {
	host    *Host
	local   netip.AddrPort
	name    string
	handler DatagramHandler
	sinks   []*handlerSink // by worker
}

// LocalAddr is the address that the server's socket is bound to.
func (s *DatagramServer) LocalAddr() netip.AddrPort { return s.local }

// label implements labelled.
func (s *DatagramServer) label() string { return s.name }

// Close ends the server: when it returns the handler is not called any more.
// It must not be called by a handler.
func (s *DatagramServer) Close() error {
	defer s.host.forget(s)
	for i, k := range s.sinks {
		err := s.host.on(i, func(sh *shard) { _ = sh.detach(k.handle) })
		if err != nil {
			return err
		}
	}
	return nil
}

// handlerSink is a server's socket on one worker.
type handlerSink struct {
	server *DatagramServer
	handle socket.Handle
	timing timing
	d      Datagram // reused: handlers must not keep it
}

// datagrams implements receiver.
func (k *handlerSink) datagrams(s *shard, events []stack.Event) {
	start := engine.Now()
	each := k.timing.suspect()
	for i := range events {
		k.d = Datagram{shard: s, event: &events[i], handle: events[i].Socket}
		k.server.handler(&k.d)
		if !k.d.gone {
			s.stack.Release(events[i].Frame)
		}
		if each {
			start = k.timing.one(s, k.server, start)
		}
	}
	if !each {
		k.timing.all(s, k.server, start, len(events))
	}
}

// readable implements receiver; a socket with events has no queue.
func (k *handlerSink) readable(*shard) {}

// failed implements receiver: a server has nobody to tell.
func (k *handlerSink) failed(*shard, socket.Errno) {}
