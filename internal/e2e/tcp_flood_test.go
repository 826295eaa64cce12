package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// synBacklog is how many half-open connections a listener of one worker has at most: stack.Limits.SynBacklog.
const synBacklog = 4096

// TestSYNFlood: 100,000 SYNs from random addresses, while a connection goes on, new ones are made, and nothing grows.
func TestSYNFlood(t *testing.T) {
	const syns = 100_000
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		router := l.Host("b").Interface().KernelAddr(family) // takes the answers, and drops them
		p := serve(t, l, "--gateway", router.String())
		to := at(l, family, echoPort)
		steady := dial(t, l, to)
		if err := roundTrip(steady, "before"); err != nil {
			t.Fatal(err)
		}
		before := p.stats()
		rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
		began := time.Now()
		flooded := make(chan error, 1)
		go func() { flooded <- floodSYN(l, rng, to, syns) }()
		trips, opened, refused := 0, 0, 0
		for done := false; !done || trips < 100 || opened < 20; {
			if err := roundTrip(steady, fmt.Sprintf("beside %d", trips)); err != nil {
				t.Fatalf("the connection that was there: after %d round trips: %v", trips, err)
			}
			if trips++; trips%5 == 0 {
				n, err := persistent(t.Context(), l, to)
				if err != nil {
					t.Fatalf("new connection %d: %v", opened, err)
				}
				opened++
				refused += n
			}
			select {
			case err := <-flooded:
				if done = true; err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
		st := p.stats()
		t.Logf("%d SYNs in %v, beside them %d round trips and %d new connections, after %d resets; %d half-open connections made way",
			syns, time.Since(began), trips, opened, refused, st.TCP.TCPReqQFullDrop)
		if st.TCP.TCPReqQFullDrop == 0 {
			t.Error("no half-open connection made way for another")
		}
		half := p.sockets(func(s *xdpstack.SocketInfo) bool { return s.State == tcp.SynReceived.String() })
		if most := synBacklog * len(st.Workers); len(half) > most {
			t.Errorf("%d half-open connections, more than %d", len(half), most)
		}
		for i := range st.Workers {
			if was, is := held(before.Workers[i].Frames), held(st.Workers[i].Frames); is > was+256 {
				t.Errorf("worker %d: the stack held %d frames, and holds %d", i, was, is)
			}
		}
		p.summary()
	})
}

// persistent makes a connection and uses it. In a flood its half-open one may have made way when its ACK comes, and it is
// reset: it tries again, as who wants something does.
func persistent(ctx context.Context, l *lab.Lab, to netip.AddrPort) (resets int, err error) {
	for resets = 0; resets < 20; resets++ {
		var c *net.TCPConn
		if c, err = dialed(ctx, l, to); err == nil {
			err = roundTrip(c, "a new one")
			reset(c)
		}
		if !errors.Is(err, unix.ECONNRESET) {
			return resets, err
		}
	}
	return resets, err
}

// held is how many frames are neither free nor with the device for it to fill.
func held(b umem.Books) int { return b.Stack + b.Tx }

// floodSYN sends SYNs from host b to a port of the stack, from random addresses: of 198.18.0.0/15 and 2001:2::/48, but
// for those of the lab's own links.
func floodSYN(l *lab.Lab, rng *rand.Rand, to netip.AddrPort, n int) error {
	a, b := l.Host("a").Interface(), l.Host("b").Interface()
	rest := time.NewTimer(0)
	packet := make([]byte, 0, wire.EthernetLen+wire.IPv6Len+wire.TCPLen)
	return l.Host("b").Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		link := &unix.SockaddrLinklayer{Ifindex: b.Index}
		began := time.Now()
		for i := range n {
			if i%256 == 255 { // two cores are for everybody
				took := time.Since(began)
				<-rest.C
				rest.Reset(took)
				began = time.Now()
			}
			packet = putSYN(packet[:cap(packet)], rng, to)
			wire.PutEthernet(packet, wire.EthernetFields{Dst: wire.MAC(a.MAC), Src: wire.MAC(b.MAC), Type: etherType(to.Addr())})
			if err := unix.Sendto(fd, packet, 0, link); err != nil && !errors.Is(err, unix.ENOBUFS) {
				return err
			}
		}
		return nil
	})
}

func etherType(a netip.Addr) uint16 {
	if a.Is4() {
		return wire.EtherTypeIPv4
	}
	return wire.EtherTypeIPv6
}

// putSYN writes a SYN behind room for a link header, and returns both.
func putSYN(b []byte, rng *rand.Rand, to netip.AddrPort) []byte {
	f := wire.TCPFields{SrcPort: uint16(rng.Uint32() | 1024), DstPort: to.Port(), Seq: rng.Uint32(), Flags: wire.TCPSyn, Window: 65535}
	ip := b[wire.EthernetLen:]
	var sum uint32
	var n int
	if to.Addr().Is4() {
		src, dst := [4]byte{198, 18 + byte(rng.IntN(2)), 1 + byte(rng.IntN(255)), byte(rng.Uint32())}, to.Addr().As4()
		wire.PutIPv4(ip, wire.IPv4Fields{PayloadLen: wire.TCPLen, DF: true, TTL: 64, Protocol: wire.ProtoTCP, Src: src, Dst: dst})
		sum, n = checksum.PseudoV4(&src, &dst, wire.ProtoTCP, wire.TCPLen), wire.IPv4Len
	} else {
		src, dst := [16]byte{0x20, 0x01, 0, 2, 0, 0, 1}, to.Addr().As16()
		for i := 8; i < len(src); i++ {
			src[i] = byte(rng.Uint32())
		}
		wire.PutIPv6(ip, wire.IPv6Fields{PayloadLen: wire.TCPLen, NextHeader: wire.ProtoTCP, HopLimit: 64, Src: src, Dst: dst})
		sum, n = checksum.PseudoV6(&src, &dst, wire.ProtoTCP, wire.TCPLen), wire.IPv6Len
	}
	h := wire.PutTCP(ip[n:], f)
	h.SetChecksum(checksum.Field(checksum.Sum(h, sum)))
	return b[:wire.EthernetLen+n+wire.TCPLen]
}
