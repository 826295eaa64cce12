package mem

import (
	"errors"
	"sync"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// Device is one end of a cable between two hosts of a process: a port for each
// worker, and the worker's frames. Queue i of one end is joined with queue i of
// the other. It is a device as package xdpstack's NewOn takes one.
type Device struct {
	cable *cable
	ends  []*Port
	pools []*umem.Pool
	addr  [6]byte
}

// cable is what both ends share.
type cable struct {
	mu   sync.Mutex
	open int
	ends [2]*Device
}

// Defaults of CableConfig.
const (
	defaultFrames = 1024
	defaultMTU    = 1500 // what a chunk of the smallest size takes
)

// CableConfig says how long the rings are and how much memory each end has.
type CableConfig struct {
	Workers int // of each end, a port each; 1 when 0
	Frames  int // of each worker: a power of two; 1024 when 0. Half of them are for receiving
}

// Cable makes two devices that are joined. Each has a region of its own, as two
// machines have.
func Cable(cfg CableConfig) (a, b *Device, err error) {
	cfg.Workers, cfg.Frames = max(cfg.Workers, 1), max(cfg.Frames, 0)
	if cfg.Frames == 0 {
		cfg.Frames = defaultFrames
	}
	c := &cable{open: 2}
	for i := range c.ends {
		if c.ends[i], err = newDevice(c, byte(i+1), cfg); err != nil {
			return nil, nil, err
		}
	}
	a, b = c.ends[0], c.ends[1]
	for i := range cfg.Workers {
		pa, pb, err := Pair(a.pools[i], b.pools[i], Config{Slots: cfg.Frames / 2})
		if err != nil {
			return nil, nil, err
		}
		pa.Refill()
		pb.Refill()
		a.ends, b.ends = append(a.ends, pa), append(b.ends, pb)
	}
	return a, b, nil
}

func newDevice(c *cable, last byte, cfg CableConfig) (*Device, error) {
	r, err := umem.NewRegion(make([]byte, cfg.Workers*cfg.Frames*umem.MinChunk), umem.MinChunk)
	if err != nil {
		return nil, err
	}
	d := &Device{cable: c, addr: [6]byte{2, 0, 0, 0, 0, last}}
	for i := range cfg.Workers {
		p, err := umem.NewPool(r, umem.PoolConfig{
			Worker: i, Workers: cfg.Workers, First: i * cfg.Frames, Frames: cfg.Frames,
			FillFloor: cfg.Frames / 2, ControlFloor: 32, SendQuota: cfg.Frames, ReceiveQuota: cfg.Frames / 2,
		})
		if err != nil {
			return nil, err
		}
		d.pools = append(d.pools, p)
	}
	return d, nil
}

// Ports are the ports, by worker.
func (d *Device) Ports() []engine.Port {
	out := make([]engine.Port, len(d.ends))
	for i, p := range d.ends {
		out[i] = p
	}
	return out
}

// Pool is the frames of a worker.
func (d *Device) Pool(worker int) *umem.Pool { return d.pools[worker] }

// MAC is an address of the end's own.
func (d *Device) MAC() [6]byte { return d.addr }

// MTU is 1500.
func (d *Device) MTU() int { return defaultMTU }

// OnArrival sets what is called when packets have come for a worker: see Port.
func (d *Device) OnArrival(worker int, wake func()) { d.ends[worker].OnArrival(wake) }

// Detach does nothing: nobody had the traffic before.
func (d *Device) Detach() error { return nil }

// Close ends this end. The second of both ends to be closed takes the cable away,
// since until then the other may still send into it, and checks the ledgers of both: an
// error names the frames that are not back.
func (d *Device) Close() (err error) {
	c := d.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open > 0 {
		return nil
	}
	for _, end := range c.ends {
		for _, p := range end.ends {
			err = errors.Join(err, p.Close())
		}
	}
	for _, end := range c.ends {
		for _, p := range end.pools {
			err = errors.Join(err, p.Audit(), p.Balance(&umem.Holders{}))
		}
	}
	return err
}
