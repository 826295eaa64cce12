package afxdp

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/mmap"
	"github.com/xdpstack/xdpstack/umem"
)

// What a MemoryConfig leaves at zero, in frames per worker: full fill and RX rings, and three times as
// many to send and to hold, since windows of streams are promises of frames.
const (
	DefaultFrames = 8 * DefaultRing

	ringsFloor = 2 * DefaultRing

	controlShare = 32 // one in so many is kept for control
)

// MemoryConfig says how much packet memory there is.
type MemoryConfig struct {
	// Workers is how many pools there are; worker i has one queue of each device.
	Workers int
	// Frames is the number of each worker's frames; 0 is DefaultFrames.
	Frames int
	// ChunkSize is the size of each in bytes; 0 is CopyChunk. Interface.ChunkSize says
	// what suits a device.
	ChunkSize int
	// HugePages asks for huge pages; without enough of them normal ones will do.
	HugePages bool
	// Floors bounds the pools: floors and quotas as in umem.PoolConfig, whose other
	// fields are filled in. The zero value keeps half of the frames, no more than two default
	// rings, for receiving and one in 32 for control, and lets all others be sent and half of all be held.
	Floors umem.PoolConfig
	// Log hears what was not possible and why; nil for slog.Default.
	Log *slog.Logger
}

// Memory is the packet memory of a host, shared by its devices. It outlives
// them.
type Memory struct {
	mapped *mmap.Memory
	region *umem.Region
	pools  []*umem.Pool

	mu        sync.Mutex
	devices   int        // open
	registrar *registrar // whose registration others share
}

// A registrar is a bound socket that has registered the memory.
type registrar struct {
	sock *socket
	mode Mode // shared with the registration (xp_assign_dev_shared)
}

// NewMemory maps packet memory and cuts it into a pool for each worker.
func NewMemory(cfg MemoryConfig) (*Memory, error) {
	if cfg.Frames == 0 {
		cfg.Frames = DefaultFrames
	}
	if cfg.ChunkSize == 0 {
		cfg.ChunkSize = CopyChunk
	}
	if cfg.Workers < 1 || cfg.Workers > umem.MaxWorkers || cfg.Frames < 1 || cfg.ChunkSize < umem.MinChunk || cfg.ChunkSize > umem.MaxChunk {
		return nil, fmt.Errorf("afxdp: %w: %w: %d workers (1 to %d), %d frames each, chunks of %d bytes (%d to %d)",
			ErrMemory, ErrConfig, cfg.Workers, umem.MaxWorkers, cfg.Frames, cfg.ChunkSize, umem.MinChunk, umem.MaxChunk)
	}
	pages := mmap.Normal
	if cfg.HugePages {
		pages = mmap.Huge
	}
	size := cfg.Workers * cfg.Frames * cfg.ChunkSize
	if err := bounded(cfg, size); err != nil {
		return nil, err
	}
	mapped, err := mmap.New("xdpstack", size, pages)
	if err != nil {
		return nil, fmt.Errorf("afxdp: %w: %w", ErrMemory, err)
	}
	m := &Memory{mapped: mapped}
	if err := m.cut(cfg, mapped.Bytes()[:size]); err != nil {
		return nil, errors.Join(err, mapped.Close())
	}
	if reason := mapped.Reason(); reason != nil {
		log := cfg.Log
		if log == nil {
			log = slog.Default()
		}
		log.Warn("packet memory is on normal pages", "reason", reason)
	}
	return m, nil
}

// bounded refuses what the machine would be killed by: packet memory is all resident.
func bounded(cfg MemoryConfig, size int) error {
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		return fmt.Errorf("afxdp: %w: %w", ErrMemory, err)
	}
	most := int(machine.Totalram * uint64(machine.Unit) / 2)
	if perFrame := cfg.Workers * cfg.ChunkSize; size/perFrame != cfg.Frames || size > most {
		return fmt.Errorf("afxdp: %w: %w: %d frames for each of %d workers are more than half of the machine's memory; take at most %d",
			ErrMemory, ErrConfig, cfg.Frames, cfg.Workers, most/perFrame)
	}
	return nil
}

// cut makes the region and its pools.
func (m *Memory) cut(cfg MemoryConfig, mem []byte) (err error) {
	if m.region, err = umem.NewRegion(mem, cfg.ChunkSize); err != nil {
		return err
	}
	pool := cfg.Floors
	if pool == (umem.PoolConfig{}) {
		pool.FillFloor = min(cfg.Frames/2, ringsFloor)
		pool.ControlFloor = cfg.Frames / controlShare
		pool.SendQuota = cfg.Frames
		pool.ReceiveQuota = cfg.Frames / 2
	}
	pool.Workers, pool.Frames = cfg.Workers, cfg.Frames
	for i := range cfg.Workers {
		pool.Worker, pool.First = i, i*cfg.Frames
		p, err := umem.NewPool(m.region, pool)
		if err != nil {
			return err
		}
		m.pools = append(m.pools, p)
	}
	return nil
}

// Region is the region of all frames.
func (m *Memory) Region() *umem.Region { return m.region }

// Workers is the number of pools.
func (m *Memory) Workers() int { return len(m.pools) }

// Pool is worker i's.
func (m *Memory) Pool(i int) *umem.Pool { return m.pools[i] }

// Huge reports whether the memory consists of huge pages.
func (m *Memory) Huge() bool { return m.mapped.Huge() }

// Close unmaps the memory. It fails with ErrMemory while a device is open; after it no
// frame may be touched.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.devices > 0 {
		return fmt.Errorf("afxdp: %w is in use by %d open devices; close them first", ErrMemory, m.devices)
	}
	return m.mapped.Close()
}

func (m *Memory) registration() unix.XDPUmemReg {
	mem := m.region.Mem()
	return unix.XDPUmemReg{
		Addr: addressOf(mem),
		Len:  uint64(len(mem)),
		Size: uint32(m.region.ChunkSize()),
	}
}

// opened and closed count the devices.
func (m *Memory) opened() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices++
}

func (m *Memory) closed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices--
}

// shareFor is the descriptor whose registration a socket in mode can share, or -1.
func (m *Memory) shareFor(mode Mode) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	// Copy and SKB are one to a socket: they differ in the program.
	if r := m.registrar; r != nil && (r.mode == ZeroCopy) == (mode == ZeroCopy) {
		return r.sock.fd
	}
	return -1
}

// offer makes a bound socket the registrar, if there is none.
func (m *Memory) offer(s *socket, mode Mode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.registrar == nil {
		m.registrar = &registrar{s, mode}
	}
}

// withdraw forgets a registrar that is about to close. Sockets that share its
// registration keep it alive; the next one to open registers anew.
func (m *Memory) withdraw(s *socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.registrar != nil && m.registrar.sock == s {
		m.registrar = nil
	}
}
