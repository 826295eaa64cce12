package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// streams are a client on one end of a duo and a server on the other.
type streams struct {
	*duo
	t        testing.TB
	listener socket.Handle
	ready    [2]map[socket.Handle]Ready // what was told since it was looked at
	errno    [2]map[socket.Handle]socket.Errno
}

func newStreams(t testing.TB, f *family) *streams {
	t.Helper()
	s := &streams{duo: newDuo(t), t: t}
	for i := range s.ready {
		s.ready[i], s.errno[i] = map[socket.Handle]Ready{}, map[socket.Handle]socket.Errno{}
	}
	s.listener = s.open(1)
	s.must(s.ends[1].s.Bind(s.listener, netip.AddrPortFrom(f.peer, 80)))
	s.must(s.ends[1].s.Listen(s.listener, 0))
	t.Cleanup(s.check)
	return s
}

func (s *streams) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *streams) open(end int) socket.Handle {
	s.t.Helper()
	h, err := s.ends[end].s.Open(socket.Stream, 0, socket.Owner{UID: 7})
	s.must(err)
	return h
}

// check holds the ledgers.
func (s *streams) check() {
	s.t.Helper()
	for i := range s.ends {
		e := &s.ends[i]
		var held umem.Holders
		e.s.Holders(&held)
		if err := e.pool.Balance(&held); err != nil {
			s.t.Error(err)
		}
		if err := e.pool.Audit(); err != nil {
			s.t.Error(err)
		}
	}
}

// settle carries until neither end has anything to send.
func (s *streams) settle() {
	s.t.Helper()
	for range 10000 {
		n := 0
		for i := range s.ends {
			e := &s.ends[i]
			e.s.Expire(s.now, 64)
			n += s.hear(i)
			n += s.carry(e, &s.ends[1-i])
		}
		if n == 0 {
			s.check()
			return
		}
		s.now += 10 * umem.Microsecond
	}
	s.t.Fatal("the ends never come to rest")
}

func (s *streams) hear(i int) int {
	e := &s.ends[i]
	n := e.s.Events(e.ev[:])
	for _, v := range e.ev[:n] {
		if v.Kind == Stream {
			s.ready[i][v.Socket] |= v.Ready
			if v.Ready&ReadyClosed != 0 {
				s.errno[i][v.Socket] = v.Errno
			}
		}
	}
	return n
}

// pass lets time pass at both ends.
func (s *streams) pass(d umem.Time) {
	s.t.Helper()
	end := s.now + d
	for s.now < end {
		s.settle()
		s.now = min(end, max(s.now, min(s.ends[0].s.Deadline(), s.ends[1].s.Deadline())))
	}
	s.settle()
}

// connect opens a connection, and gives both ends of it.
func (s *streams) connect(f *family) (client, server socket.Handle) {
	s.t.Helper()
	client = s.open(0)
	s.must(s.ends[0].s.Connect(client, netip.AddrPortFrom(f.peer, 80)))
	s.settle()
	server, err := s.ends[1].s.Accept(s.listener)
	s.must(err)
	if s.ready[0][client]&ReadyConnected == 0 {
		s.t.Fatal("the client did not hear that it is connected")
	}
	return client, server
}

func (s *streams) recv(end int, h socket.Handle, n int) ([]byte, error) {
	b := make([]byte, n)
	n, err := s.ends[end].s.RecvMsg(s.now, h, &socket.Msg{Data: b})
	return b[:n], err
}

// transfer sends data from one end and reads it at the other.
func (s *streams) transfer(from int, a, b socket.Handle, data []byte) {
	s.t.Helper()
	var got []byte
	sent := 0
	for range 100000 {
		if sent < len(data) {
			n, err := s.ends[from].s.Send(a, data[sent:], false)
			if err != nil && !errors.Is(err, socket.EAGAIN) {
				s.t.Fatal(err)
			}
			sent += n
		}
		s.settle()
		p, err := s.recv(1-from, b, 1<<16)
		if err != nil && !errors.Is(err, socket.EAGAIN) {
			s.t.Fatal(err)
		}
		if got = append(got, p...); len(got) == len(data) {
			break
		}
	}
	if !bytes.Equal(got, data) {
		s.t.Fatalf("%d octets arrived of %d, or others", len(got), len(data))
	}
}

func TestStreamOpensCarriesAndCloses(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		s := newStreams(t, f)
		client, server := s.connect(f)
		data := make([]byte, 300000)
		for i := range data {
			data[i] = byte(i * 7 >> 3)
		}
		s.transfer(0, client, server, []byte("hello"))
		s.transfer(1, server, client, data)
		s.transfer(0, client, server, data)
		s.must(s.ends[0].s.Shutdown(client))
		s.settle()
		if s.ready[1][server]&ReadyEOF == 0 {
			t.Error("the server did not hear the end")
		}
		s.transfer(1, server, client, data[:1000]) // half-closed
		s.must(s.ends[1].s.Close(server))
		s.settle()
		if s.ready[0][client]&(ReadyEOF|ReadyClosed) != ReadyEOF|ReadyClosed || s.errno[0][client] != 0 {
			t.Errorf("the client heard %b, %v", s.ready[0][client], s.errno[0][client])
		}
		s.must(s.ends[0].s.Close(client))
		s.pass(61 * umem.Second)
		if n := s.ends[0].s.tcp.Len() + s.ends[1].s.tcp.Len(); n != 1 {
			t.Errorf("%d slots are in use, not the listener's alone", n)
		}
	})
}
