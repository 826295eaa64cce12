package afxdp

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// newLab makes a lab whose kernel in host b knows the stack's addresses.
func newLab(t testing.TB, queues int) *lab.Lab {
	t.Helper()
	testenv.Root(t)
	l := labtest.New(t, lab.Config{Queues: queues})
	near, far := l.Host("a").Interface(), l.Host("b").Interface()
	within(t, l.Host("b"), func() error {
		for _, family := range []int{4, 6} {
			err := netlink.NeighSet(&netlink.Neigh{
				LinkIndex: far.Index, State: netlink.NUD_PERMANENT,
				IP: near.StackAddr(family).AsSlice(), HardwareAddr: near.MAC,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return l
}

func within(t testing.TB, h *lab.Host, fn func() error) {
	t.Helper()
	if err := h.Do(fn); err != nil {
		t.Fatal(err)
	}
}

// ours is the filter that takes the stack's addresses.
func ours(l *lab.Lab) xdp.Filter {
	near := l.Host("a").Interface()
	return xdp.Filter{Addrs: []xdp.Addr{
		{Addr: near.StackAddr(4), Exclusive: true},
		{Addr: near.StackAddr(6), Exclusive: true},
	}}
}

func configFor(l *lab.Lab) Config {
	return Config{Interface: l.Host("a").Interface().Name, Filter: ours(l), Log: quiet()}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// try opens a device in host a.
func try(l *lab.Lab, cfg Config) (d *Device, err error) {
	err = l.Host("a").Do(func() (err error) {
		d, err = Open(cfg)
		return err
	})
	return d, err
}

// open opens a device in host a, and checks at the end of the test that all came back.
func open(t testing.TB, l *lab.Lab, cfg Config) *Device {
	t.Helper()
	d, err := try(l, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAndAudit(t, d) })
	return d
}

func closeAndAudit(t testing.TB, d *Device) {
	t.Helper()
	mem := d.Memory()
	if !d.owns {
		mem = nil // closed before
	}
	if err := closePorts(t, d); err != nil {
		t.Error(err)
	}
	for i := 0; mem != nil && i < mem.Workers(); i++ {
		auditEmpty(t, mem.Pool(i))
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func closePorts(t testing.TB, d *Device) error {
	t.Helper()
	for _, p := range d.Ports() {
		if err := p.Close(); err != nil {
			return err
		}
		if p.InFill() != 0 || p.InTx() != 0 {
			t.Errorf("closed port: %d in fill, %d in tx", p.InFill(), p.InTx())
		}
	}
	return nil
}

// auditEmpty checks that all frames of a pool are free.
func auditEmpty(t testing.TB, p *umem.Pool) {
	t.Helper()
	if b := p.Books(); b.Free != p.Config().Frames {
		t.Errorf("frames are missing from worker %d's pool: %+v", p.Config().Worker, b)
	}
	if err := p.Balance(&umem.Holders{}); err != nil {
		t.Error(err)
	}
	if err := p.Audit(); err != nil {
		t.Error(err)
	}
}

// balance checks the books of a port's pool while it is open, and nothing is held outside of
// the rings.
func balance(t testing.TB, p *Port) {
	t.Helper()
	h := umem.Holders{Fill: p.InFill(), Tx: p.InTx()}
	h.Holds[umem.HoldTx] = p.InTx()
	if err := p.Pool().Balance(&h); err != nil {
		t.Error(err)
	}
}

// turn is a worker's turn in a few lines: what use does not take away is freed.
func turn(t testing.TB, p *Port, use func(*umem.Frame) (send bool)) int {
	t.Helper()
	var batch, out [64]*umem.Frame
	n := p.Reap(batch[:])
	p.Pool().ReleaseBatch(batch[:n], umem.HoldTx)
	got := p.Receive(umem.Time(time.Now().UnixNano()), batch[:min(len(batch), p.TxRoom())])
	sends := 0
	for _, f := range batch[:got] {
		if !use(f) {
			p.Pool().Free(f)
			continue
		}
		p.Pool().Hold(f, umem.HoldTx)
		out[sends] = f
		sends++
	}
	if took := p.Transmit(out[:sends]); took != sends {
		t.Fatalf("room for %d, took %d", sends, took)
	}
	p.Refill()
	if err := p.Kick(); err != nil {
		t.Fatal(err)
	}
	return got
}

// Offsets in an Ethernet frame with IPv4 or IPv6 and UDP.
const (
	ethernet = 14
	ipv4UDP  = ethernet + 20
	ipv6UDP  = ethernet + 40
)

// payload is what a UDP packet carries, and the port it came from.
func payload(b []byte) (data []byte, from uint16, ok bool) {
	at := ipv4UDP
	if binary.BigEndian.Uint16(b[12:]) == 0x86dd {
		at = ipv6UDP
	}
	if len(b) < at+8 {
		return nil, 0, false
	}
	n := int(binary.BigEndian.Uint16(b[at+4:]))
	if n < 8 || at+n > len(b) {
		return nil, 0, false
	}
	return b[at+8 : at+n], binary.BigEndian.Uint16(b[at:]), true
}

// turnRound makes an answer of a UDP packet. Swapping leaves every checksum as it is.
func turnRound(b []byte) {
	swap := func(at, n int) {
		for i := range n {
			b[at+i], b[at+n+i] = b[at+n+i], b[at+i]
		}
	}
	swap(0, 6)
	if binary.BigEndian.Uint16(b[12:]) == 0x86dd {
		swap(ethernet+8, 16)
		swap(ipv6UDP, 2)
		return
	}
	swap(ethernet+12, 4)
	swap(ipv4UDP, 2)
}

func stackUDP(l *lab.Lab, family int, port uint16) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.Host("a").Interface().StackAddr(family), port))
}

// udpFlows are sockets in host b, connected to the stack's address: a flow each.
func udpFlows(t testing.TB, l *lab.Lab, family, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		within(t, l.Host("b"), func() (err error) {
			conns[i], err = net.DialUDP("udp", nil, stackUDP(l, family, 7))
			return err
		})
		t.Cleanup(func() { _ = conns[i].Close() })
	}
	return conns
}

func portOf(c net.Conn) uint16 { return c.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// attached is the XDP program on host a's interface, 0 for none.
func attached(t testing.TB, l *lab.Lab) (id uint32) {
	t.Helper()
	within(t, l.Host("a"), func() error {
		link, err := netlink.LinkByName(l.Host("a").Interface().Name)
		if err == nil && link.Attrs().Xdp != nil {
			id = link.Attrs().Xdp.ProgId
		}
		return err
	})
	return id
}

// descriptors counts the open ones.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// floodVar tells a child process the stack's address.
const floodVar = "AFXDP_TEST_ADDR"

func floodFilter() xdp.Filter {
	addr, _ := netip.ParseAddr(os.Getenv(floodVar))
	return xdp.Filter{Addrs: []xdp.Addr{{Addr: addr, Exclusive: true}}}
}
