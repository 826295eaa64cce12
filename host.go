package xdpstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/impair"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/umem"
)

// Host is a device's queues, a worker and a stack for each, as one thing to
// listen and dial on.
type Host struct {
	cfg    Config
	dev    Device
	owner  Owner
	shards []*shard
	mesh   *engine.Mesh
	wires  []*impair.Port // bad wires before the device's ports, if any

	ready    chan struct{} // closed once every address is usable
	failed   chan error    // the first thing that made the host unusable
	ended    chan struct{} // closed once every worker has ended
	running  sync.WaitGroup
	closing  chan struct{}
	closeErr error
	once     sync.Once

	mu      sync.Mutex
	open    map[io.Closer]struct{} // sockets, to be closed with the host
	waiting map[netip.Addr]struct{}
	dialled int // worker of the next dialled socket
}

// New opens the device and starts its workers. It returns once every address
// has passed conflict detection. Errors say what to do, and leave nothing
// attached.
//
// The device is looked up in the network namespace of the calling thread; from
// there on it does not matter.
func New(ctx context.Context, cfg Config) (*Host, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	dev, err := openDevice(&cfg)
	if err != nil {
		return nil, err
	}
	return newHost(ctx, cfg, dev)
}

// NewOn is New on a device that is open. It takes dev over, and closes it also
// when it fails. Of the configuration Interface is a name to speak of; Queues,
// Mode, MTU, Frames and HugePages were the device's to use.
func NewOn(ctx context.Context, cfg Config, dev Device) (*Host, error) {
	if err := cfg.complete(); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return newHost(ctx, cfg, dev)
}

// newHost builds a host on dev, and closes dev when that fails.
func newHost(ctx context.Context, cfg Config, dev Device) (*Host, error) {
	h := &Host{
		cfg: cfg, dev: dev,
		owner: Owner{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: uint32(os.Getpid())},
		ready: make(chan struct{}), failed: make(chan error, 1),
		ended: make(chan struct{}), closing: make(chan struct{}),
		open: make(map[io.Closer]struct{}), waiting: make(map[netip.Addr]struct{}),
	}
	if err := h.build(); err != nil {
		return nil, errors.Join(err, h.dismantle(), dev.Close())
	}
	h.start()
	if err := h.await(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// build makes the shards: stack, worker and waker of each.
func (h *Host) build() error {
	n := len(h.dev.Ports())
	var err error
	if h.mesh, err = engine.NewMesh(engine.MeshConfig{Workers: n}); err != nil {
		return err
	}
	for _, p := range h.cfg.Addresses {
		h.waiting[p.Addr()] = struct{}{}
	}
	cpus, err := workerCPUs(h.cfg.CPUs, n)
	if err != nil {
		return err
	}
	ports, err := h.impaired()
	if err != nil {
		return err
	}
	cfgs := make([]engine.WorkerConfig, n)
	for i := range n {
		s := &shard{host: h, id: i}
		s.self.shard = s
		h.shards = append(h.shards, s)
		if s.waker, err = newWaker(h.cfg.Scheduling == engine.Shared); err != nil {
			return err
		}
		if s.stack, err = stack.New(h.stackConfig(i, n)); err != nil {
			return err
		}
		cfgs[i] = engine.WorkerConfig{
			ID: i, CPU: cpus[i],
			Mode: h.cfg.Scheduling, Poll: h.cfg.Poll,
			Ports: []engine.Port{ports[i]}, Pool: h.dev.Pool(i),
			Program: s, Mesh: h.mesh, LedgerEvery: h.cfg.LedgerEvery,
		}
	}
	return h.makeWorkers(cfgs)
}

// impaired are the device's ports, behind bad wires if the configuration wants them.
func (h *Host) impaired() ([]engine.Port, error) {
	ports, cfg := h.dev.Ports(), h.cfg.Impair
	if cfg == (impair.Config{}) {
		return ports, nil
	}
	h.cfg.Log.Warn("packets are impaired on purpose", "loss", cfg.Loss, "reorder", cfg.Reorder,
		"duplicate", cfg.Duplicate, "corrupt", cfg.Corrupt, "seed", cfg.Seed)
	for i := range ports {
		p, err := impair.New(ports[i], h.dev.Pool(i), cfg)
		if err != nil {
			return nil, fmt.Errorf("xdpstack: %w: %w", ErrConfig, err)
		}
		cfg.Seed++ // each worker's packets fare differently
		h.wires = append(h.wires, p)
		ports[i] = p
	}
	return ports, nil
}

// makeWorkers makes the workers, if the machine has the cores for them.
func (h *Host) makeWorkers(cfgs []engine.WorkerConfig) error {
	warnings, err := engine.CheckCores(cfgs)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		h.cfg.Log.Warn(w)
	}
	for i, s := range h.shards {
		if s.worker, err = engine.NewWorker(cfgs[i]); err != nil {
			return err
		}
		if d, ok := h.dev.(Announcer); ok {
			d.OnArrival(i, s.worker.Wake)
		}
	}
	return nil
}

func (h *Host) stackConfig(worker, workers int) stack.Config {
	return stack.Config{
		Worker: worker, Workers: workers,
		Pool: h.dev.Pool(worker), Rand: systemRandom{},
		Ifaces: []stack.Iface{{
			Name: h.cfg.Interface, MAC: h.dev.MAC(), MTU: h.dev.MTU(),
			Addrs: h.cfg.Addresses, Checksum: h.cfg.Checksums,
		}},
		Routes: h.cfg.routes(),
		Limits: h.cfg.Limits,
		DAD:    h.cfg.DAD,
	}
}

func (h *Host) start() {
	h.running.Add(len(h.shards))
	for _, s := range h.shards {
		go func() {
			defer h.running.Done()
			if err := s.worker.Run(); err != nil {
				h.fail(fmt.Errorf("xdpstack: worker %d: %w", s.id, err))
			}
		}()
	}
	go func() {
		h.running.Wait()
		close(h.ended)
	}()
	if h.cfg.DAD == 0 {
		close(h.ready)
	}
}

// await waits until the addresses are usable.
func (h *Host) await(ctx context.Context) error {
	select {
	case <-h.ready:
	case err := <-h.failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("xdpstack: waiting for addresses to be usable: %w", context.Cause(ctx))
	}
	for range 2 { // worker 0 knows; in the turn after the first call all others have heard
		if err := h.onAll(func(*shard) {}); err != nil {
			select {
			case err = <-h.failed:
			default:
			}
			return err
		}
	}
	return nil
}

// fail notes the first thing that made the host unusable; Wait returns it.
func (h *Host) fail(err error) {
	select {
	case h.failed <- err:
	default:
	}
}

// Wait blocks until the host is closed (nil) or cannot go on: the device is
// gone, a ledger does not balance.
func (h *Host) Wait(ctx context.Context) error {
	select {
	case err := <-h.failed:
		return err
	case <-h.closing:
		return nil
	case <-ctx.Done():
		return nil
	}
}

// Close closes every socket, ends the workers, and gives the device back. Connections are
// reset, those too that were closed and have something left to send: nobody would send it. The
// ledger is checked once more; an error says what did not come back, or which frames a handler
// retained and did not release.
func (h *Host) Close() error {
	h.once.Do(func() { h.closeErr = h.shut() })
	return h.closeErr
}

func (h *Host) shut() error {
	close(h.closing) // first: who remembers a socket after the look below sees that, and closes it
	h.mu.Lock()
	sockets := make([]io.Closer, 0, len(h.open))
	for c := range h.open {
		sockets = append(sockets, c)
	}
	h.mu.Unlock()
	for _, c := range sockets {
		_ = c.Close() // it was closed already, or is of a worker that has ended
	}
	h.linger()
	_ = h.onAll((*shard).closeStreams) // it ended already, or never began
	err := h.dev.Detach()              // the kernel has the traffic back from here on
	for _, s := range h.shards {
		s.worker.Stop()
	}
	<-h.ended
	for _, p := range h.wires {
		p.Drop()
	}
	h.mesh.Settle() // what was on its way between workers is its owner's again
	err = errors.Join(err, h.unreleased(), h.dismantle(), h.dev.Close())
	for i := range h.shards {
		err = errors.Join(err, h.dev.Pool(i).Audit())
	}
	return err
}

// unreleased is an error when the application still holds frames: nobody is left to release them.
func (h *Host) unreleased() (err error) {
	for i := range h.shards {
		b := h.dev.Pool(i).Books()
		without := umem.Holders{Fill: b.Fill, Tx: b.Tx, Holds: b.Holds}
		without.Holds[umem.HoldApp] = 0
		if e := h.dev.Pool(i).Balance(&without); e != nil {
			err = errors.Join(err, fmt.Errorf("xdpstack: worker %d: frames that a handler retained and did not release: %w", i, e))
		}
	}
	return err
}

// dismantle frees what the workers have of the operating system.
func (h *Host) dismantle() (err error) {
	for _, s := range h.shards {
		if s.waker != nil {
			err = errors.Join(err, s.waker.close())
		}
		if s.worker != nil {
			err = errors.Join(err, s.worker.Close())
		}
	}
	return err
}

// post gives a node to a worker; false when the host is closed.
func (h *Host) post(worker int, n *engine.Node) bool {
	select {
	case <-h.ended:
		return false
	default:
		h.shards[worker].worker.Post(n)
		return true
	}
}

func (h *Host) remember(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[c] = struct{}{}
}

func (h *Host) forget(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, c)
}

// addressReady runs on worker 0: an address passed detection.
func (h *Host) addressReady(s *shard, e *stack.Event) {
	h.announce(s, e, link.Reachable)
	h.mu.Lock()
	defer h.mu.Unlock()
	before := len(h.waiting)
	delete(h.waiting, e.Peer.IP.Netip())
	if before > 0 && len(h.waiting) == 0 {
		close(h.ready)
	}
}

// conflict runs on a worker: another host has an address of ours.
func (h *Host) conflict(s *shard, e *stack.Event) {
	addr, mac := e.Peer.IP.Netip(), net.HardwareAddr(e.MAC[:])
	h.mu.Lock()
	_, starting := h.waiting[addr]
	h.mu.Unlock()
	if starting {
		h.announce(s, e, link.None)
		h.fail(fmt.Errorf("xdpstack: %w: host %s on the link of %s has %s; choose another address", ErrAddressInUse, mac, h.cfg.Interface, addr))
		return
	}
	h.cfg.Log.Warn("another host uses an address of ours", "address", addr, "mac", mac, "interface", h.cfg.Interface)
}

// announce tells the other workers what became of an address.
func (h *Host) announce(s *shard, e *stack.Event, state link.State) {
	s.tellOthers(noteAddress, &link.Neighbour{Addr: e.Peer.IP, Iface: e.Iface, State: state})
}

// maxDatagram is the largest payload of a datagram to a.
func (h *Host) maxDatagram(a netip.Addr) int {
	if a.Unmap().Is4() {
		return h.dev.MTU() - 20 - 8
	}
	return h.dev.MTU() - 40 - 8
}

// Workers is how many workers the host has.
func (h *Host) Workers() int { return len(h.shards) }

// Addresses are the host's addresses.
func (h *Host) Addresses() []netip.Prefix { return h.cfg.Addresses }

// on runs do on a worker, between two of its turns, and returns when it is done.
func (h *Host) on(worker int, do func(s *shard)) error {
	select {
	case <-h.ended:
		return ErrClosed
	default:
	}
	s := h.shards[worker]
	s.worker.Do(func() {
		s.now = engine.Now()
		do(s)
		s.settle()
	})
	return nil
}

// onAll runs do on every worker, one after the other.
func (h *Host) onAll(do func(s *shard)) error {
	for i := range h.shards {
		if err := h.on(i, do); err != nil {
			return err
		}
	}
	return nil
}
