package packetdrill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Family is one that a script runs in.
type Family struct {
	Name       string // as --ip_version has it
	us, peer   netip.Addr
	prefix     netip.Prefix
	mtu        int
	network    uint16
	header     int    // of IP
	local, far uint32 // initial sequence numbers: ours, the remote's
}

// Families are both, each with the numbers of another side about to wrap.
var Families = []Family{
	{"ipv4", netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2"), netip.MustParsePrefix("198.18.0.1/24"),
		1500, wire.EtherTypeIPv4, wire.IPv4Len, 0xfffffc00, 5000},
	{"ipv6", netip.MustParseAddr("2001:2::1"), netip.MustParseAddr("2001:2::2"), netip.MustParsePrefix("2001:2::1/64"),
		1520, wire.EtherTypeIPv6, wire.IPv6Len, 70000, 0xfffffffe},
}

var (
	ourMAC  = wire.MAC{2, 0, 0, 0, 0, 1}
	peerMAC = wire.MAC{2, 0, 0, 0, 0, 2}
)

const (
	frames = 2048
	chunk  = 2048
	epoch  = 1000 * umem.Second // the clock when a script begins
)

// sent is a frame that the stack sent.
type sent struct {
	at umem.Time
	b  []byte
}

// rig is a stack with a device, a clock and a remote host's neighbour discovery.
type rig struct {
	family *Family
	s      *stack.Stack
	pool   *umem.Pool
	now    umem.Time
	sent   []sent
	ready  map[socket.Handle]stack.Ready
	errno  map[socket.Handle]socket.Errno
}

func newRig(f *Family, options map[string]string) (*rig, error) {
	region, err := umem.NewRegion(make([]byte, frames*chunk), chunk)
	if err != nil {
		return nil, err
	}
	r := &rig{family: f, now: epoch, ready: map[socket.Handle]stack.Ready{}, errno: map[socket.Handle]socket.Errno{}}
	r.pool, err = umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: frames, SendQuota: frames, ReceiveQuota: frames})
	if err != nil {
		return nil, err
	}
	value := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(options[name]); err == nil {
			return n
		}
		return otherwise
	}
	r.s, err = stack.New(stack.Config{
		Pool: r.pool, Rand: rand.New(rand.NewPCG(1, 2)),
		Ifaces: []stack.Iface{{Name: "tun0", MAC: ourMAC, MTU: value("mtu", f.mtu), Addrs: []netip.Prefix{f.prefix}}},
		ISN:    func(umem.Time, socket.Addr, socket.Addr) uint32 { return f.local },
		Limits: stack.Limits{
			Streams: value("streams", 64), SynBacklog: value("syn_backlog", 16), StreamRecvBytes: 1 << 18, StreamSendBytes: 1 << 18,
		},
	})
	if err != nil {
		return nil, err
	}
	r.s.Expire(r.now, 64)
	return r, nil
}

// settle runs the stack until it has nothing to do now.
func (r *rig) settle() error {
	var events [16]stack.Event
	var out [16]*umem.Frame
	for range 1000 {
		r.s.Expire(r.now, 64)
		n := r.s.Events(events[:])
		for _, e := range events[:n] {
			if e.Kind == stack.Stream {
				r.ready[e.Socket] |= e.Ready
				if e.Ready&stack.ReadyClosed != 0 {
					r.errno[e.Socket] = e.Errno
				}
			}
		}
		m := r.s.Output(r.now, out[:])
		for _, f := range out[:m] {
			if err := r.transmit(f); err != nil {
				return err
			}
		}
		if n == 0 && m == 0 && r.s.Deadline() > r.now {
			return nil
		}
	}
	return errors.New("the stack does not come to rest")
}

// transmit takes a frame from the device: segments are kept, questions for our address answered.
func (r *rig) transmit(f *umem.Frame) error {
	b := append([]byte(nil), f.Bytes()...)
	addr, _ := f.ToTx()
	r.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
	g, ok := r.pool.Region().Reaped(addr)
	if !ok || g != f {
		return errors.New("a completion names another frame")
	}
	r.pool.Moved(umem.PlaceTx, umem.PlaceStack, 1)
	r.s.Completed(r.now, []*umem.Frame{g})
	if answer := r.neighbour(b); answer != nil {
		return r.receive(answer)
	}
	at := wire.EthernetLen + r.family.header
	if len(b) >= at+wire.TCPLen && binary.BigEndian.Uint16(b[12:14]) == r.family.network && proto(b) == wire.ProtoTCP {
		r.sent = append(r.sent, sent{r.now, b})
	}
	return nil
}

// proto is the protocol that a packet carries.
func proto(b []byte) uint8 {
	if b[12] == 8 {
		return b[wire.EthernetLen+9]
	}
	return b[wire.EthernetLen+6]
}

// neighbour answers ARP and neighbour solicitations for the remote host.
func (r *rig) neighbour(b []byte) []byte {
	eth := wire.EthernetFields{Dst: ourMAC, Src: peerMAC, Type: wire.EtherTypeARP}
	if r.family.peer.Is4() {
		if binary.BigEndian.Uint16(b[12:14]) != wire.EtherTypeARP {
			return nil
		}
		a := make([]byte, wire.EthernetLen+wire.ARPLen)
		wire.PutEthernet(a, eth)
		wire.PutARP(a[wire.EthernetLen:], wire.ARPFields{
			Op: wire.ARPReply, SenderMAC: peerMAC, TargetMAC: ourMAC, SenderIP: r.family.peer.As4(), TargetIP: r.family.us.As4(),
		})
		return a
	}
	at := wire.EthernetLen + wire.IPv6Len
	if len(b) < at+wire.NDPLen || proto(b) != wire.ProtoICMPv6 || b[at] != wire.ICMPv6NeighborSolicitation {
		return nil
	}
	m := make([]byte, 64)
	n := wire.PutNDP(m, wire.NDPFields{
		Type: wire.ICMPv6NeighborAdvertisement, Flags: wire.NDPSolicited | wire.NDPOverride, Target: r.family.peer.As16(), LinkAddr: peerMAC,
	})
	wire.SealICMPv6(n, r.pseudo(wire.ProtoICMPv6, len(n)))
	return r.packet(wire.ProtoICMPv6, 255, n)
}

// pseudo is the sum of the pseudo-header between both hosts.
func (r *rig) pseudo(proto uint8, n int) uint32 {
	return ip.FromNetip(r.family.us).Sum() + ip.FromNetip(r.family.peer).Sum() + uint32(proto) + uint32(n)
}

// packet puts the remote host's headers before a payload.
func (r *rig) packet(proto, ttl uint8, payload []byte) []byte {
	head := wire.EthernetLen + r.family.header
	b := make([]byte, head, head+len(payload))
	wire.PutEthernet(b, wire.EthernetFields{Dst: ourMAC, Src: peerMAC, Type: r.family.network})
	r.putIP(b[wire.EthernetLen:], proto, ttl, len(payload), r.family.peer, r.family.us)
	return append(b, payload...)
}

func (r *rig) putIP(b []byte, proto, ttl uint8, n int, src, dst netip.Addr) {
	if src.Is4() {
		wire.PutIPv4(b, wire.IPv4Fields{PayloadLen: n, DF: true, TTL: ttl, Protocol: proto, Src: src.As4(), Dst: dst.As4()})
		return
	}
	wire.PutIPv6(b, wire.IPv6Fields{PayloadLen: n, NextHeader: proto, HopLimit: ttl, Src: src.As16(), Dst: dst.As16()})
}

// receive gives the stack a frame, as a device does.
func (r *rig) receive(b []byte) error {
	var addr [1]uint64
	if r.pool.ToFill(0, addr[:]) != 1 {
		return errors.New("no free frame for what arrives")
	}
	g := r.pool.Region()
	copy(g.Mem()[addr[0]+umem.Headroom:], b)
	f, ok := g.Received(addr[0]+umem.Headroom, uint32(len(b)), r.now)
	if !ok {
		return fmt.Errorf("a frame of %d octets is not possible", len(b))
	}
	r.pool.Moved(umem.PlaceFill, umem.PlaceStack, 1)
	r.s.Input(r.now, []*umem.Frame{f})
	return nil
}

// advance lets the clock go to a time; with one, only until something is sent.
func (r *rig) advance(to umem.Time, one bool) error {
	for range 1_000_000 {
		if err := r.settle(); err != nil {
			return err
		}
		d := max(r.s.Deadline(), r.now)
		if one && len(r.sent) > 0 || r.now >= to {
			return nil
		}
		r.now = min(d, to)
	}
	return errors.New("timers never come to rest")
}

// balance holds the ledger of frames.
func (r *rig) balance() error {
	var held umem.Holders
	r.s.Holders(&held)
	if err := r.pool.Balance(&held); err != nil {
		return err
	}
	return r.pool.Audit()
}
