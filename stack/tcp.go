package stack

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/udp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// below is the stack as package tcp sees it.
type below struct{ s *Stack }

// Route implements tcp.Net.
func (b below) Route(now umem.Time, dst, src ip.Addr, iface uint8) (*ip.Dest, socket.Errno) {
	return b.s.routeTo(now, dst, src, iface)
}

// Emit implements tcp.Net.
func (b below) Emit(now umem.Time, f *umem.Frame, d *ip.Dest, owner *socket.Owner) socket.Errno {
	return b.s.emit(now, f, d, owner)
}

// Room implements tcp.Net: TCP fills half of each queue. What it keeps back is in its send queues, where
// it can still be told apart.
func (b below) Room() bool { return b.s.qdisc.HalfFree() && b.s.local.HalfFree() }

// tcpPorts is how much of a TCP header has the ports.
const tcpPorts = 4

// parseTCP checks a TCP header's lengths. The data stays at the header: options are read in pass 3.
func (s *Stack) parseTCP(f *umem.Frame, p *packet) {
	if _, ok := wire.CheckTCP(f.Bytes()); !ok {
		s.counters.TCP.InErrs++
		p.refuse(TCPMalformed)
		return
	}
	p.kind = kindTCP
	b := (*[tcpPorts]byte)(f.Bytes())
	p.src.Port, p.dst.Port = binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4])
}

// inputTCP takes a segment, whose data is at its header, to its connection (RFC 9293, section 3.10.7).
func (s *Stack) inputTCP(now umem.Time, f *umem.Frame, p *packet) {
	if p.epoch != s.tcp.Epoch() { // a segment of the same batch changed the table
		p.sock, p.found = s.tcp.Find(p.dst, p.src)
	}
	if p.group || !s.linear(f) {
		s.drop(f, TCPMalformed)
		return
	}
	t, ok := wire.CheckTCP(f.Bytes())
	if !ok {
		s.drop(f, TCPMalformed)
		return
	}
	var h tcp.Header
	s.readTCP(f, t, &h)
	if s.strayTCP(now, f, p, &h) {
		return
	}
	s.counters.TCP.InSegs++
	f.Pull(len(t))
	if !s.verifyTCP(f, t, p) {
		s.counters.TCP.InErrs++
		s.counters.TCP.InCsumErrors++
		s.drop(f, TCPChecksum)
		return
	}
	if !p.found {
		p.sock, p.found = s.tcp.FindListener(p.dst)
	}
	iface := s.scope(p.src.IP, p.iface)
	if !p.found {
		s.tcp.Reset(now, &h, p.dst, p.src, iface)
		s.drop(f, NoConnection)
		return
	}
	fate := s.tcp.Arrive(now, s.tcp.At(p.sock), f, &h, p.dst, p.src, iface)
	if fate != tcp.Kept {
		s.settle(f, fate)
	}
}

// linear makes a segment that came as a chain one frame: queues of streams hold frames alone.
func (s *Stack) linear(f *umem.Frame) bool {
	if f.Next() == nil {
		return true
	}
	n := f.TotalLen()
	if _, ok := f.Pullup(n); !ok {
		return false
	}
	s.pool.Unchain(f)
	return true
}

// readTCP fills in what the header t of f says.
func (s *Stack) readTCP(f *umem.Frame, t wire.TCP, h *tcp.Header) {
	b := (*[wire.TCPLen]byte)(t)
	h.Seq, h.Ack = tcp.Seq(binary.BigEndian.Uint32(b[4:8])), tcp.Seq(binary.BigEndian.Uint32(b[8:12]))
	h.Flags, h.Window = t.Flags(), binary.BigEndian.Uint16(b[14:16])
	h.Len = f.Len() - len(t)
	h.Options = t.Options()
}

// settle ends with a frame that the connection did not keep.
func (s *Stack) settle(f *umem.Frame, fate tcp.Fate) {
	switch fate {
	case tcp.Done:
		s.pool.Free(f)
	case tcp.Unwanted:
		s.drop(f, NoConnection)
	case tcp.Outside:
		s.drop(f, OutsideWindow)
	case tcp.Forged:
		s.drop(f, TCPForged)
	default:
		s.drop(f, ListenOverflow)
	}
}

// verifyTCP applies the interface's checksum policy to the segment of f, whose data is the payload and
// whose header is t. The payload's sum is kept.
func (s *Stack) verifyTCP(f *umem.Frame, t wire.TCP, p *packet) bool {
	payload := checksum.Fold(udp.PayloadSum(f))
	f.Sum = payload
	f.Flags |= umem.FlagSum
	pseudo := p.src.IP.Sum() + p.dst.IP.Sum() + wire.ProtoTCP + uint32(len(t)+f.Len())
	if checksum.Valid(headerSum(t) + pseudo + uint32(payload)) {
		return true
	}
	if !p.local && s.ifaces[p.iface].policy == PartialOK && t.Checksum() == checksum.Fold(pseudo) {
		s.counters.PartialChecksums++
		return true
	}
	return false
}

// headerSum is the partial sum of a header.
func headerSum(t wire.TCP) uint32 {
	if len(t) == wire.TCPLen {
		return uint32(checksum.Sum20((*[wire.TCPLen]byte)(t)))
	}
	return checksum.Sum(t, 0)
}

// strayTCP gives f, as it came in, to another worker, if its connection may be there: a segment but a SYN
// that no connection here takes. Where to first, a cache says, or the port; then it goes round. The last
// one answers with RST, as does the one whose run the port lies in. A connection found tells the worker
// that the segment came to.
func (s *Stack) strayTCP(now umem.Time, f *umem.Frame, p *packet, h *tcp.Header) bool {
	if s.workers == 1 {
		return false
	}
	if p.found && !s.tcp.At(p.sock).Misfit(h) {
		if f.Hops > 0 && f.Owner() != s.worker && s.tcp.FoundHere(now, s.tcp.At(p.sock)) {
			s.tell(record{kind: FlowFound, worker: uint8(f.Owner()), local: p.dst, peer: p.src})
		}
		return false
	}
	if int(f.Hops) >= s.workers {
		return false
	}
	to, ok := s.nextWorker(f, p, h)
	if !ok {
		return false
	}
	f.Hops++
	s.counters.TCP.HandedOn++
	s.giveTo(f, to)
	return true
}

// nextWorker is where a segment that no connection here takes goes.
func (s *Stack) nextWorker(f *umem.Frame, p *packet, h *tcp.Header) (int, bool) {
	_, listens := s.tcp.FindListener(p.dst)
	owner, ephemeral := s.ports.WorkerOf(p.dst.Port)
	if ephemeral && !listens {
		return owner, owner != s.worker // whose run it is knows all of its ports
	}
	if h.Flags&(wire.TCPSyn|wire.TCPAck) == wire.TCPSyn {
		return 0, false
	}
	if f.Hops == 0 {
		if w, ok := s.flows.Worker(p.dst, p.src); ok && w != s.worker {
			return w, true
		}
	}
	return (s.worker + 1) % s.workers, true
}

// LearnFlow enters that packets of a connection belong to another worker, from that worker's event FlowFound.
func (s *Stack) LearnFlow(local, peer socket.Addr, worker int) {
	if worker == s.worker || worker < 0 || worker >= s.workers {
		return
	}
	s.flows.Learn(local, peer, worker)
	s.tcp.ForgetHalfOpen(local, peer)
}

// failTCP tells the connection that sent the quoted segment what befell it.
func (s *Stack) failTCP(local, peer socket.Addr, seq uint32, e socket.Errno) bool {
	i, ok := s.tcp.Find(local, peer)
	return ok && s.tcp.Failed(s.tcp.At(i), tcp.Seq(seq), e)
}
