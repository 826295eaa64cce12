package stack

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// duo is two stacks joined by a wire that copies, as mem's port does: what one
// sends is copied into frames that the other gave to its fill ring.
type duo struct {
	now  umem.Time
	ends [2]duoEnd
}

type duoEnd struct {
	s    *Stack
	pool *umem.Pool
	out  [maxBatch]*umem.Frame
	in   [maxBatch]*umem.Frame
	fill [maxBatch]uint64
	rx   [maxBatch]umem.Extent
	tx   [maxBatch]umem.Extent
	done [maxBatch]uint64
	ev   [maxBatch]Event
}

// newDuo makes the stacks; each has address 1 or 2 of the families' prefixes.
func newDuo(tb testing.TB) *duo {
	d := &duo{now: umem.Second}
	for i := range d.ends {
		region, err := umem.NewRegion(make([]byte, 1024*testChunk), testChunk)
		if err != nil {
			tb.Fatal(err)
		}
		e := &d.ends[i]
		e.pool, err = umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: 1024, SendQuota: 1024, ReceiveQuota: 1024})
		if err != nil {
			tb.Fatal(err)
		}
		mac := [2]wire.MAC{ourMAC, peerMAC}[i]
		e.s, err = New(Config{
			Pool: e.pool, Rand: rand.New(rand.NewPCG(1, uint64(i))),
			Ifaces: []Iface{{Name: "wire0", MAC: mac, MTU: 1500, Addrs: []netip.Prefix{
				netip.PrefixFrom([2]netip.Addr{families[0].us, families[0].peer}[i], 24),
				netip.PrefixFrom([2]netip.Addr{families[1].us, families[1].peer}[i], 64),
			}}},
		})
		if err != nil {
			tb.Fatal(err)
		}
		e.s.Expire(d.now, 1)
	}
	return d
}

// carry takes what one end has to send to the other.
func (d *duo) carry(from, to *duoEnd) int {
	n := from.s.Output(d.now, from.out[:])
	if n == 0 {
		return 0
	}
	to.pool.ToFill(0, to.fill[:n])
	from.pool.Sent(from.out[:n], 0, from.tx[:n])
	a, b := from.pool.Region().Mem(), to.pool.Region().Mem()
	for i, x := range from.tx[:n] {
		at := to.fill[i] + umem.Headroom
		copy(b[at:at+uint64(x.Len)], a[x.Addr:])
		to.rx[i] = umem.Extent{Addr: at, Len: x.Len}
		from.done[i] = x.Addr
	}
	from.pool.Reaped(from.done[:n], from.out[:])
	from.s.Completed(d.now, from.out[:n])
	n, _ = to.pool.Received(d.now, 0, to.rx[:n], to.in[:])
	to.s.Input(d.now, to.in[:n])
	return n
}

// settle carries until nothing moves: addresses are resolved then.
func (d *duo) settle() {
	for d.carry(&d.ends[0], &d.ends[1])+d.carry(&d.ends[1], &d.ends[0]) > 0 {
	}
}

// echo makes a duo of a client and an echo server that know each other.
func echoDuo(tb testing.TB, f *family) (d *duo, client, server socket.Handle, m *socket.Msg) {
	d = newDuo(tb)
	open := func(e *duoEnd) socket.Handle {
		h, err := e.s.Open(socket.Datagram, 0, socket.Owner{})
		if err == nil {
			err = e.s.SetOptions(h, socket.Options{Events: true})
		}
		if err != nil {
			tb.Fatal(err)
		}
		return h
	}
	client, server = open(&d.ends[0]), open(&d.ends[1])
	if err := d.ends[1].s.Bind(server, netip.AddrPortFrom(f.peer, 7)); err != nil {
		tb.Fatal(err)
	}
	if err := d.ends[0].s.Connect(client, netip.AddrPortFrom(f.peer, 7)); err != nil {
		tb.Fatal(err)
	}
	m = &socket.Msg{Data: make([]byte, 64)}
	d.echo(tb, client, server, m, 1)
	d.echo(tb, client, server, m, 1)
	return d, client, server, m
}

// echo sends n datagrams from end 0 and has end 1 answer them.
func (d *duo) echo(tb testing.TB, client, server socket.Handle, m *socket.Msg, n int) {
	a, b := &d.ends[0], &d.ends[1]
	for range n {
		if _, err := a.s.SendMsg(d.now, client, m); err != nil {
			tb.Fatal(err)
		}
	}
	d.settle()
	k := b.s.Events(b.ev[:])
	for i := range b.ev[:k] {
		if err := b.s.Reply(d.now, server, b.ev[i].Frame); err != nil {
			tb.Fatal(err)
		}
	}
	d.settle()
	if got := a.s.Events(a.ev[:]); got != n || k != n {
		tb.Fatalf("%d of %d datagrams arrived, %d answers", k, n, got)
	}
	for i := range a.ev[:n] {
		a.s.Release(a.ev[i].Frame)
	}
}

// BenchmarkUDPEcho is a request of 64 octets and its answer through both stacks:
// copied in, summed, sent, copied by the wire, verified, answered in place, sent
// back, verified. Batches of 32.
func BenchmarkUDPEcho(b *testing.B) {
	for i := range families {
		f := &families[i]
		b.Run("IPv"+f.name, func(b *testing.B) {
			d, client, server, m := echoDuo(b, f)
			const batch = 32
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N/batch + 1 {
				d.echo(b, client, server, m, batch)
			}
		})
	}
}
