package asavie

import (
	"errors"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/umem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long what must happen soon is waited for.
const patience = 20 * time.Second

// bed is the port on one end of a veth, and a packet socket on the other.
type bed struct {
	lab  *lab.Lab
	port *Port
	far  int
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{lab: labtest.New(t, lab.Config{Queues: 1})}
	near, far := b.lab.Host("a"), b.lab.Host("b")
	within(t, near, func() (err error) {
		b.port, err = Open(Config{Interface: near.Interface().Name, Frames: 1024, Slots: 256})
		return err
	})
	t.Cleanup(func() {
		within(t, near, b.port.Close)
		if err := b.port.pool.Balance(&umem.Holders{}); err != nil {
			t.Error(err)
		}
		within(t, near, func() error {
			link, err := netlink.LinkByIndex(b.port.ifindex)
			if err == nil && link.Attrs().Xdp != nil && link.Attrs().Xdp.Attached {
				t.Error("the program is attached still")
			}
			return err
		})
	})
	within(t, far, func() (err error) {
		b.far, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0x0300) // ETH_P_ALL
		if err != nil {
			return err
		}
		return unix.Bind(b.far, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: far.Interface().Index})
	})
	t.Cleanup(func() { _ = unix.Close(b.far) })
	return b
}

func within(t *testing.T, h *lab.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

// packet is one that only this test sends: of a local experimental EtherType (IEEE 802).
func packet(n byte) []byte {
	p := make([]byte, 60)
	copy(p, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, n})
	return p
}

// worker drives the bed's port with a program, the ledger checked every turn.
func (b *bed) worker(t *testing.T, p engine.Program) *engine.Worker {
	t.Helper()
	w, err := engine.NewWorker(engine.WorkerConfig{Ports: []engine.Port{b.port}, Pool: b.port.Pool(), Program: p, LedgerEvery: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Err(); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// until turns the worker until cond holds.
func until(t *testing.T, w *engine.Worker, cond func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !cond(); {
		w.Turn(engine.Now())
		if time.Now().After(late) {
			t.Fatalf("it does not come about: %+v", w.Status())
		}
	}
}

// send puts n packets on the wire from the far end.
func (b *bed) send(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := unix.Write(b.far, packet(byte(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// hear returns the next packet of this test that came to the far end, or nil.
func (b *bed) hear() []byte {
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(b.far, buf, 0)
		if err != nil {
			return nil
		}
		if a, ok := from.(*unix.SockaddrLinklayer); ok && a.Pkttype != unix.PACKET_OUTGOING && n >= 15 && buf[12] == 0x88 && buf[13] == 0xb5 {
			return buf[:n]
		}
	}
}

func TestRxDrop(t *testing.T) {
	b := newBed(t)
	drop := bare.NewDrop(b.port.Pool())
	w := b.worker(t, drop)
	for range 20 {
		before := drop.Packets
		b.send(t, 100)
		until(t, w, func() bool { return drop.Packets >= before+100 })
	}
}

// TestForward: packets come back with their addresses swapped, in order.
func TestForward(t *testing.T) {
	b := newBed(t)
	w := b.worker(t, bare.NewForward(b.port.Pool(), 256, nil))
	for range 10 {
		b.send(t, 100)
		for i := range 100 {
			var got []byte
			until(t, w, func() bool { got = b.hear(); return got != nil })
			if got[5] != 2 || got[11] != 1 || int(got[14]) != i {
				t.Fatalf("packet %d came back as % x", i, got[:15])
			}
		}
	}
	until(t, w, func() bool { return b.port.InTx() == 0 })
}

func TestTxOnly(t *testing.T) {
	b := newBed(t)
	gen := bare.NewGenerate(b.port.Pool(), packet(7), 0, 1000)
	w := b.worker(t, gen)
	heard := 0
	until(t, w, func() bool {
		for b.hear() != nil {
			heard++
		}
		return gen.Sent == 1000 && heard == 1000
	})
}

// TestErrors: a wrong device, and a foreign program that is left alone.
func TestErrors(t *testing.T) {
	b := newBed(t)
	near := b.lab.Host("a")
	within(t, near, func() error {
		if _, err := Open(Config{Interface: "nosuch0"}); !errors.Is(err, engine.ErrNoDevice) {
			t.Errorf("no such device: %v", err)
		}
		if _, err := Open(Config{Interface: near.Interface().Name}); !errors.Is(err, engine.ErrBusy) {
			t.Errorf("a device with a program: %v", err)
		}
		return nil
	})
}

// TestQueueIsFreeAfterClose: the library leaves its rings mapped, which kept the queue busy.
func TestQueueIsFreeAfterClose(t *testing.T) {
	near := labtest.New(t, lab.Config{Queues: 1}).Host("a")
	for range 5 {
		within(t, near, func() error {
			var p *Port
			var err error
			// The kernel frees a queue some milliseconds after its socket is closed.
			for deadline := time.Now().Add(patience); ; {
				if p, err = Open(Config{Interface: near.Interface().Name, Frames: 1024, Slots: 256}); !errors.Is(err, engine.ErrBusy) || time.Now().After(deadline) {
					break
				}
			}
			if err != nil {
				return err
			}
			left, err := ringMappings(p.sock.FD())
			if err != nil || len(left) != 5 { // four of the library's, one of ours
				t.Errorf("%d mappings of the socket, %v", len(left), err)
			}
			return p.Close()
		})
	}
}
