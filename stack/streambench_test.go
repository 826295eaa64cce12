package stack

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// turn is a turn of both ends: events are thrown away.
func (s *streams) turn() int {
	n := 0
	for i := range s.ends {
		e := &s.ends[i]
		n += s.carry(e, &s.ends[1-i])
		e.s.Expire(s.now, 64)
		e.s.Events(e.ev[:])
	}
	s.now += umem.Microsecond
	return n
}

// BenchmarkTCPRequestResponse is a request of 64 octets and its answer through both stacks, one after the other.
func BenchmarkTCPRequestResponse(b *testing.B) {
	for i := range families {
		f := &families[i]
		b.Run("IPv"+f.name, func(b *testing.B) {
			s := newStreams(b, f)
			client, server := s.connect(f)
			data := make([]byte, 64)
			var frames [8]*umem.Frame
			pass := func(from int, a, c socket.Handle) {
				x, y := &s.ends[from], &s.ends[1-from]
				if n, err := x.s.Send(a, data, false); n != len(data) {
					b.Fatal(n, err)
				}
				s.carry(x, y)
				if y.s.Events(y.ev[:]) != 1 {
					b.Fatal("nothing arrived")
				}
				n, _ := y.s.Take(c, frames[:])
				for _, f := range frames[:n] {
					y.s.Consume(c, f.Len())
					y.s.Release(f)
				}
				s.now += umem.Microsecond
			}
			b.ReportAllocs()
			for b.Loop() {
				pass(0, client, server)
				pass(1, server, client)
			}
		})
	}
}

// BenchmarkTCPBulk is one stream at full speed, copied in by the sender, lent to the receiver.
func BenchmarkTCPBulk(b *testing.B) {
	for i := range families {
		f := &families[i]
		b.Run("IPv"+f.name, func(b *testing.B) {
			s := newStreams(b, f)
			client, server := s.connect(f)
			data := make([]byte, 64<<10)
			var frames [64]*umem.Frame
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				for sent, got := 0, 0; got < len(data); {
					n, _ := s.ends[0].s.Send(client, data[sent:], false)
					sent += n
					s.turn()
					for n, _ := s.ends[1].s.Take(server, frames[:]); n > 0; n, _ = s.ends[1].s.Take(server, frames[:]) {
						for _, f := range frames[:n] {
							got += f.Len()
							s.ends[1].s.Consume(server, f.Len())
							s.ends[1].s.Release(f)
						}
					}
				}
			}
			b.ReportMetric(float64(b.N)*float64(len(data))*8/float64(b.Elapsed().Nanoseconds()), "Gbit/s")
		})
	}
}

// BenchmarkTCPConnectAcceptClose opens a connection, accepts it and closes both ends.
func BenchmarkTCPConnectAcceptClose(b *testing.B) {
	f := &families[0]
	s := newStreams(b, f)
	to := netip.AddrPortFrom(f.peer, 80)
	b.ReportAllocs()
	for b.Loop() {
		client, err := s.ends[0].s.Open(socket.Stream, 0, socket.Owner{})
		if err == nil {
			err = s.ends[0].s.Connect(client, to)
		}
		if err != nil {
			b.Fatal(err)
		}
		for s.turn() > 0 {
		}
		server, err := s.ends[1].s.Accept(s.listener)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.ends[0].s.Close(client)
		for s.turn() > 0 {
		}
		_ = s.ends[1].s.Close(server)
		for s.turn() > 0 {
		}
	}
}
