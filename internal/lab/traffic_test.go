package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const patience = 30 * time.Second

var families = []int{4, 6}

// echo pings to from the host's address, once, and checks what comes back.
func echo(h *Host, from, to netip.Addr, size int) error {
	network, request, reply, protocol := "ip4:icmp", icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply), 1
	if to.Is6() {
		network, request, reply, protocol = "ip6:ipv6-icmp", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	conn, err := h.ListenPacket(network, from.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	sent := &icmp.Echo{ID: 7, Seq: size, Data: bytes.Repeat([]byte{0xa5}, size)}
	b, err := (&icmp.Message{Type: request, Body: sent}).Marshal(nil) // the kernel fills ICMPv6's checksum in
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return err
	}
	buf := make([]byte, 65536)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || m.Type != reply || peer.String() != to.String() {
			continue
		}
		if got, ok := m.Body.(*icmp.Echo); !ok || got.Seq != sent.Seq || !bytes.Equal(got.Data, sent.Data) {
			return fmt.Errorf("reply %+v to %+v", m.Body, sent)
		}
		return nil
	}
}

func TestPing(t *testing.T) {
	l := testLab(t, Config{})
	a, b := l.Host("a"), l.Host("b")
	for _, family := range families {
		for _, size := range []int{0, 56, 1452} {
			from, to := a.Interface().KernelAddr(family), b.Interface().KernelAddr(family)
			if err := echo(b, to, from, size); err != nil {
				t.Errorf("b to a, IPv%d, %d bytes: %v", family, size, err)
			}
			if err := echo(a, from, to, size); err != nil {
				t.Errorf("a to b, IPv%d, %d bytes: %v", family, size, err)
			}
		}
	}
}

// TestChecksumsOnTheWire looks at what b's kernel sends as a receiver on a sees it: with real checksums, or, partial, with
// the sum of the pseudo-header only.
func TestChecksumsOnTheWire(t *testing.T) {
	for _, partial := range []bool{false, true} {
		l := testLab(t, Config{Partial: partial})
		for _, family := range families {
			datagram, src, dst := seen(t, l, family)
			pseudo := pseudoSum(src, dst, len(datagram))
			whole := fold(pseudo + sum(datagram))
			field := binary.BigEndian.Uint16(datagram[6:])
			if real := whole == 0xffff; real == partial {
				t.Errorf("partial %v, IPv%d: checksum %#04x is real: %v", partial, family, field, real)
			}
			if partial && field != fold(pseudo) {
				t.Errorf("IPv%d: partial checksum %#04x, want the pseudo-header's sum %#04x", family, field, fold(pseudo))
			}
		}
	}
}

const discard = 9 // the port (RFC 863)

// seen sends a datagram from b to a's kernel and returns it, from the UDP header on, as a packet socket on a shows it.
func seen(t *testing.T, l *Lab, family int) (datagram []byte, src, dst netip.Addr) {
	t.Helper()
	a, b := l.Host("a").Interface(), l.Host("b").Interface()
	src, dst = b.KernelAddr(family), a.KernelAddr(family)
	fd := packetSocket(t, l.Host("a"), a)
	defer unix.Close(fd)
	c, err := l.Host("b").Dial(t.Context(), "udp", netip.AddrPortFrom(dst, discard).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("an odd number of bytes.")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65536)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			t.Fatal(err)
		}
		if datagram, ok := udpTo(buf[:n], discard); ok {
			return datagram, src, dst
		}
	}
}

func packetSocket(t *testing.T, h *Host, i *Interface) (fd int) {
	t.Helper()
	err := h.Do(func() (err error) {
		all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
		if err != nil {
			return err
		}
		tv := unix.NsecToTimeval(patience.Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// udpTo returns the UDP header and payload of an Ethernet frame without IP options, if it is for the port.
func udpTo(frame []byte, port uint16) (datagram []byte, ok bool) {
	at := 0
	switch {
	case len(frame) > 42 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == unix.IPPROTO_UDP:
		at = 34
	case len(frame) > 62 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == unix.IPPROTO_UDP:
		at = 54
	default:
		return nil, false
	}
	return frame[at:], binary.BigEndian.Uint16(frame[at+2:]) == port
}

func pseudoSum(src, dst netip.Addr, length int) uint32 {
	return sum(src.AsSlice()) + sum(dst.AsSlice()) + unix.IPPROTO_UDP + uint32(length)
}

// sum and fold are RFC 1071, slow and plain.
func sum(b []byte) (s uint32) {
	for i, c := range b {
		if i%2 == 0 {
			s += uint32(c) << 8
		} else {
			s += uint32(c)
		}
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// TestKernelVerifiesOurChecksums sends b's kernel what a stack on a might send: a datagram with a wrong checksum, which must
// not arrive, and a right one, which must.
func TestKernelVerifiesOurChecksums(t *testing.T) {
	l := testLab(t, Config{})
	a, b := l.Host("a").Interface(), l.Host("b").Interface()
	server, err := l.Host("b").ListenPacket("udp4", b.Kernel4.Addr().String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetDeadline(time.Now().Add(patience))
	port := server.LocalAddr().(*net.UDPAddr).Port
	fd := packetSocket(t, l.Host("a"), a)
	defer unix.Close(fd)
	for _, payload := range []string{"wrong", "right"} {
		frame := udpFrame(a, b, uint16(port), payload)
		if payload == "wrong" {
			frame[40] ^= 1
		}
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: a.Index}); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 100)
	n, _, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "right" {
		t.Errorf("got %q, %v; want \"right\"", buf[:n], err)
	}
}

func udpFrame(from, to *Interface, port uint16, payload string) []byte {
	src, dst := from.StackAddr(4), to.KernelAddr(4)
	length := uint16(8 + len(payload))
	u := binary.BigEndian.AppendUint16(nil, 1000)
	u = binary.BigEndian.AppendUint16(u, port)
	u = binary.BigEndian.AppendUint16(u, length)
	u = append(u, 0, 0)
	u = append(u, payload...)
	binary.BigEndian.PutUint16(u[6:], ^fold(pseudoSum(src, dst, len(u))+sum(u)))
	ip := []byte{0x45, 0, 0, byte(20 + length), 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip)))
	frame := append(append([]byte{}, to.MAC...), from.MAC...)
	return append(append(append(frame, 0x08, 0x00), ip...), u...)
}

// TestSegmentsFitTheMTU sends much over TCP from b and looks for a packet on a that no wire could carry.
func TestSegmentsFitTheMTU(t *testing.T) {
	l := testLab(t, Config{})
	a := l.Host("a")
	for _, family := range families {
		addr := netip.AddrPortFrom(a.Interface().KernelAddr(family), 0).String()
		server, err := a.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		fd := packetSocket(t, a, a.Interface())
		defer unix.Close(fd)
		c, err := l.Host("b").Dial(t.Context(), "tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		payload := []byte(strings.Repeat("x", 60000)) // less than the buffers take: nobody reads
		if _, err := c.Write(payload); err != nil {
			t.Fatal(err)
		}
		const limit = 14 + DefaultMTU
		buf := make([]byte, 65536)
		for total := 0; total < len(payload); {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				t.Fatalf("IPv%d: %d bytes seen: %v", family, total, err)
			}
			if n > limit {
				t.Fatalf("IPv%d: a frame of %d bytes, want at most %d", family, n, limit)
			}
			if n > 200 {
				total += n
			}
		}
	}
}
