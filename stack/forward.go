package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/udp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Get gives an empty frame to fill and to send with SendFrame, or to Release. It
// is borrowed as one from an event is. Nil: the pool has none to send with.
func (s *Stack) Get() *umem.Frame {
	f := s.pool.Get(umem.ClassSend)
	if f == nil {
		s.counters.NoSendFrame++
		return nil
	}
	f.In = s.ifaces[0].port
	s.lend(f)
	return f
}

// SendFrame sends a borrowed frame, whose data is the payload, without a copy. It
// takes the frame over in any case, sent or not; the caller forgets it. The errors
// are SendMsg's.
//
// On a stream, dst is not looked at, and EAGAIN leaves the frame with the caller, who tries again
// on ReadyOut.
//
// The payload of a received frame that goes out as it came in is not summed again:
// whoever changes it in place clears umem.FlagSum. A frame that something else
// still holds is copied, and counted.
func (s *Stack) SendFrame(now umem.Time, h socket.Handle, f *umem.Frame, dst socket.Addr) error {
	return s.sendFrame(now, h, f, dst, ip.Addr{}).Err()
}

// Reply sends a received frame back to its sender, from the address that it was
// sent to: SendFrame for whoever answers.
func (s *Stack) Reply(now umem.Time, h socket.Handle, f *umem.Frame) error {
	local := destination(f).IP
	if local.IsMulticast() || s.isBroadcast(local) {
		local = ip.Addr{}
	}
	return s.sendFrame(now, h, f, source(f), local).Err()
}

func (s *Stack) sendFrame(now umem.Time, h socket.Handle, f *umem.Frame, dst socket.Addr, from ip.Addr) socket.Errno {
	if h.IsStream() {
		return s.sendStream(h, socket.Handle{}, f)
	}
	so := s.sockets.Get(h)
	if so == nil {
		s.Release(f)
		return socket.EBADF
	}
	if e := so.TakeErr(); e != 0 {
		s.Release(f)
		return e
	}
	n := f.TotalLen()
	d, to, e := s.destine(now, so, dst, from, s.byPort[f.In])
	if e == 0 {
		e = s.fits(so, d, n)
	}
	if e != 0 {
		s.Release(f)
		return e
	}
	f = s.takeOver(f, int(d.Size)+wire.UDPLen)
	if f == nil {
		return socket.ENOBUFS
	}
	if so.Family == socket.Raw {
		return s.sendRaw(now, f, so, d)
	}
	return s.sendUDP(now, f, so, d, to.Port, s.payloadSum(f))
}

// takeOver turns a borrowed frame into one to send, with a HoldTx and room for
// headers: the same frame, or a copy of its data. Nil: there was no frame for it.
func (s *Stack) takeOver(f *umem.Frame, headers int) *umem.Frame {
	if f.Next() == nil && f.Headroom() >= headers && sole(f) {
		s.borrowed--
		s.pool.Pass(f, umem.HoldApp, umem.HoldTx)
		return f
	}
	s.counters.Copied++
	g := s.pool.Get(umem.ClassSend)
	if g == nil {
		s.counters.NoSendFrame++
		s.Release(f)
		return nil
	}
	s.pool.Hold(g, umem.HoldTx)
	f.CopyTo(g.Put(f.TotalLen()))
	s.Release(f)
	return g
}

// sole reports whether one loan is all that holds f.
func sole(f *umem.Frame) bool {
	return f.Holds(umem.HoldApp) == 1 && !f.Held(umem.HoldTx) && !f.Held(umem.HoldRetransmit) && !f.Held(umem.HoldReceive)
}

// payloadSum is the partial sum of f's data: that from its reception, if the data
// is still the whole payload that was received, else a new one.
func (s *Stack) payloadSum(f *umem.Frame) uint32 {
	if f.Flags&umem.FlagSum != 0 {
		if t := f.Transport(); len(t)-f.Len() == wire.UDPLen && wire.UDP(t[:wire.UDPLen]).PayloadLen() == f.Len() {
			s.counters.SumReused++
			return uint32(f.Sum)
		}
	}
	return udp.PayloadSum(f)
}
