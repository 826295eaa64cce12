package ringport_test

import (
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/ringport"
	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
	"github.com/xdpstack/xdpstack/umem"
)

const chunk = 2048

// bedConfig says how a bed is made.
type bedConfig struct {
	slots  uint32 // of each ring
	frames int
	start  uint32 // of the rings' indices
	offset int    // into ringtest.Layouts
	fault  ringtest.Faults
	write  func(mem []byte) int // makes a received packet; nil: 64 bytes of whatever
	read   func(packet []byte)  // sees each packet sent
	floor  int
}

// bed is a port on rings whose other side is a faked kernel.
type bed struct {
	mem    []byte
	pool   *umem.Pool
	sock   ringtest.Socket
	kernel *ringtest.Kernel
	port   *ringport.Port
}

func newBed(t testing.TB, c bedConfig) *bed {
	t.Helper()
	b := &bed{mem: make([]byte, c.frames*chunk)}
	region, err := umem.NewRegion(b.mem, chunk)
	if err != nil {
		t.Fatal(err)
	}
	b.pool, err = umem.NewPool(region, umem.PoolConfig{
		Workers: 1, Frames: c.frames, FillFloor: c.floor, SendQuota: c.frames, ReceiveQuota: c.frames,
	})
	if err != nil {
		t.Fatal(err)
	}
	ring := ringtest.Config{Size: c.slots, Start: c.start, Offsets: ringtest.Layouts[c.offset]}
	cfg := ringtest.SocketConfig{
		Fill: ring, RX: ring, TX: ring, Completion: ring,
		ChunkSize: chunk, Headroom: umem.Headroom, Length: 64, Faults: c.fault,
	}
	if c.write != nil {
		cfg.Write = func(addr uint64) uint32 { return uint32(c.write(b.mem[addr : addr|(chunk-1)])) }
	}
	if c.read != nil {
		cfg.Read = func(d rings.Desc) { c.read(b.mem[d.Addr : d.Addr+uint64(d.Len)]) }
	}
	b.sock, b.kernel = ringtest.NewKernel(cfg)
	b.port = ringport.New(ringport.Rings{RX: b.sock.RX, TX: b.sock.TX, Fill: b.sock.Fill, Comp: b.sock.Completion}, b.pool, 0)
	b.port.Refill()
	return b
}

// worker drives the bed's port.
func (b *bed) worker(t testing.TB, p engine.Program, change ...func(*engine.WorkerConfig)) *engine.Worker {
	t.Helper()
	cfg := engine.WorkerConfig{Ports: []engine.Port{faked{b.port}}, Pool: b.pool, Program: p, LedgerEvery: 1024}
	for _, c := range change {
		c(&cfg)
	}
	w, err := engine.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// faked makes a ringport.Port an engine.Port: a socket without system calls.
type faked struct{ *ringport.Port }

func (faked) Kick() error  { return nil }
func (faked) FD() int      { return -1 }
func (faked) Close() error { return nil }
