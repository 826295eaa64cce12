package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// ErrLost means that no answer came in time.
var ErrLost = errors.New("no answer")

// Pinger sends echo requests from a host of a lab.
type Pinger struct {
	conn *icmp.PacketConn
	to   net.Addr
	id   int
	seq  int
	ask  icmp.Type
	told icmp.Type
	num  int // protocol, for icmp.ParseMessage
	buf  []byte
}

// NewPinger opens a raw socket in the namespace of h.
func NewPinger(h *lab.Host, to netip.Addr) (*Pinger, error) {
	p := &Pinger{
		to: &net.IPAddr{IP: to.AsSlice()}, id: os.Getpid() & 0xffff, buf: make([]byte, 65536),
		ask: ipv4.ICMPTypeEcho, told: ipv4.ICMPTypeEchoReply, num: 1,
	}
	network, any := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, any = "ip6:ipv6-icmp", "::"
		p.ask, p.told, p.num = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	err := h.Do(func() (err error) {
		p.conn, err = icmp.ListenPacket(network, any)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("probe: raw socket on host %s: %w", h.Name(), err)
	}
	return p, nil
}

// Close closes the socket.
func (p *Pinger) Close() error { return p.conn.Close() }

// Echo sends a request with size octets of data and waits for its reply, whose
// data must be the same. It returns ErrLost when none came within the timeout.
func (p *Pinger) Echo(size int, timeout time.Duration) (time.Duration, error) {
	p.seq++
	data := pattern(size, p.seq)
	m := icmp.Message{Type: p.ask, Body: &icmp.Echo{ID: p.id, Seq: p.seq & 0xffff, Data: data}}
	packet, err := m.Marshal(nil)
	if err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	start := time.Now()
	if err := p.conn.SetReadDeadline(start.Add(timeout)); err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	if _, err := p.conn.WriteTo(packet, p.to); err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	for {
		n, _, err := p.conn.ReadFrom(p.buf)
		took := time.Since(start)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, fmt.Errorf("probe: echo request %d of %d octets to %s: %w", p.seq, size, p.to, ErrLost)
		}
		if err != nil {
			return 0, fmt.Errorf("probe: %w", err)
		}
		if p.answers(p.buf[:n], data) {
			return took, nil
		}
	}
}

// answers reports whether packet is the reply to the last request. Replies to
// others, and to requests given up, come to this socket too.
func (p *Pinger) answers(packet, data []byte) bool {
	m, err := icmp.ParseMessage(p.num, packet)
	if err != nil || m.Type != p.told {
		return false
	}
	e, ok := m.Body.(*icmp.Echo)
	return ok && e.ID == p.id && e.Seq == p.seq&0xffff && bytes.Equal(e.Data, data)
}

// pattern is data that no other request carries.
func pattern(size, seq int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + seq*13 + i>>8)
	}
	return b
}
