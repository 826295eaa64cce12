package stack

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// A host reaches itself: a packet to an own address waits in a queue, and Expire
// takes it as Input does, with FlagLocal. Its link header, as long as Ethernet's,
// carries what a wire never does, the credentials of the sender:
//
//	│ UID 4 │ GID 4 │ PID 4 │ EtherType 2 │ IP …

// nobody is the owner of what the stack itself sends, ICMP: Linux's overflow ID.
var nobody = socket.Owner{UID: 65534, GID: 65534}

// loop queues f, a packet with its link header, for this host itself.
func (s *Stack) loop(f *umem.Frame, d *ip.Dest, owner *socket.Owner) socket.Errno {
	b := (*[wire.EthernetLen]byte)(f.Bytes())
	binary.BigEndian.PutUint32(b[0:4], owner.UID)
	binary.BigEndian.PutUint32(b[4:8], owner.GID)
	binary.BigEndian.PutUint32(b[8:12], owner.PID)
	if !s.local.Push(f) {
		s.dropHeld(f, umem.HoldTx, LocalFull)
		return socket.ENOBUFS
	}
	s.family(d.Is4()).Loopback++
	return 0
}

// loopBack takes up to n packets from this host to itself.
func (s *Stack) loopBack(now umem.Time, n int) {
	var frames [maxBatch]*umem.Frame
	n = s.local.Pop(s.region, frames[:n])
	for _, f := range frames[:n] {
		s.pool.Take(f, umem.HoldTx)
		f.Flags = umem.FlagLocal
		f.RxTime = now
		f.In = s.ifaces[0].port
	}
	s.inputBatch(now, frames[:n])
}

// credentials are those of the sender, when it is on this host.
func credentials(f *umem.Frame) (socket.Owner, bool) {
	if f.Flags&umem.FlagLocal == 0 {
		return socket.Owner{}, false
	}
	b := (*[wire.EthernetLen]byte)(f.Link())
	return socket.Owner{
		UID: binary.BigEndian.Uint32(b[0:4]),
		GID: binary.BigEndian.Uint32(b[4:8]),
		PID: binary.BigEndian.Uint32(b[8:12]),
	}, true
}

// source is the sender of a received frame, read from its headers.
func source(f *umem.Frame) socket.Addr {
	n := f.Network()
	if n[0]>>4 == 4 {
		return socket.Addr{IP: ip.From4(n[12:16]), Port: port(f, 0)}
	}
	return socket.Addr{IP: ip.From16(n[8:24]), Port: port(f, 0)}
}

// destination is where a received frame was sent to.
func destination(f *umem.Frame) socket.Addr {
	n := f.Network()
	if n[0]>>4 == 4 {
		return socket.Addr{IP: ip.From4(n[16:20]), Port: port(f, 2)}
	}
	return socket.Addr{IP: ip.From16(n[24:40]), Port: port(f, 2)}
}

// port reads a port from the transport header; a raw socket's frame has none.
func port(f *umem.Frame, at int) uint16 {
	t := f.Transport()
	if len(t)-f.Len() < wire.UDPLen {
		return 0
	}
	return binary.BigEndian.Uint16(t[at : at+2])
}

// handOff gives f, which leads nowhere here, to the worker in whose run of
// ephemeral ports port lies. A frame that was handed on already stays.
func (s *Stack) handOff(f *umem.Frame, port uint16) bool {
	if s.workers == 1 || f.Flags&umem.FlagHandedOff != 0 {
		return false
	}
	w, ok := s.ports.WorkerOf(port)
	if !ok || w == s.worker {
		return false
	}
	s.giveTo(f, w)
	return true
}

// giveTo queues f, as it came in, for another worker.
func (s *Stack) giveTo(f *umem.Frame, worker int) {
	f.Push(len(f.Link()) - f.Len())
	f.Port = umem.PortWorker + uint8(worker)
	s.counters.HandedOff++
	s.enqueue(&s.handoff, f, HandoffFull)
}
