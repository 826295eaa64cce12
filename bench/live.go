package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
)

const (
	// liveRepeat is how many packets one call makes, if it is not interrupted: each
	// call begins with some 20 ms of setting up, so few of them are better.
	liveRepeat = 1 << 30
	// liveBatch is how many the kernel redirects at a time (TEST_XDP_MAX_BATCH is 256,
	// net/bpf/test_run.c, Linux 6.18).
	liveBatch = 64
	// liveRoom is what the kernel leaves of a page for the packet: 4096 bytes less XDP's headroom and
	// struct skb_shared_info.
	liveRoom = 4096 - 256 - 320
)

// liveSource sends live frames, a thread on each of its cores.
type liveSource struct {
	cfg     *Config
	rig     *rig // without workers: the interface, its counters, the packet
	home    netns.NsHandle
	threads []*liveThread
	stopped atomic.Bool
}

// liveThread sends from one core, with a program of its own so that no counter is shared.
type liveThread struct {
	cpu      int
	program  *liveProgram
	counters *counters
	missing  string
	tid      int
	err      error
	done     chan struct{}
}

// live is Pktgen by live frames.
func live(ctx context.Context, cfg Config) (res Result, err error) {
	if err := cfg.complete(1); err != nil {
		return res, err
	}
	if cfg.Rate != 0 || len(cfg.Queues) > 0 {
		return res, fmt.Errorf("bench: %w: live frames go as fast as they can, to the queue that the CPU's number stands for; leave out rate and queues, or send via afxdp", ErrConfig)
	}
	s := &liveSource{cfg: &cfg, rig: &rig{cfg: &cfg, failed: make(chan struct{})}, home: netns.None()}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(); err != nil {
		return res, err
	}
	res = newResult(&cfg, &job{name: "pktgen", sends: true})
	res.Port, res.Scheduling, res.Batch, res.Poll = Live.String(), "dedicated", liveBatch, "busy"
	res.Distance = probeBefore(s.threads[0].cpu)
	err = s.measure(ctx, &res)
	res.Distance.probeAfter()
	return res, err
}

// open makes ready what sends, in the namespace of the calling thread.
func (s *liveSource) open() (err error) {
	r := s.rig
	if r.net, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("bench: opening a routing socket: %w", err)
	}
	if s.home, err = netns.GetFromPath("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("bench: the network namespace: %w", err)
	}
	itf, err := afxdp.Lookup(s.cfg.Interfaces[0])
	if err != nil {
		return err
	}
	if !itf.Up {
		return fmt.Errorf("bench: %s: %w; \"ip link set dev %s up\" brings it up", itf.Name, engine.ErrDown, itf.Name)
	}
	r.itfs = []afxdp.Interface{itf}
	if err := r.fillTemplate(&itf); err != nil {
		return err
	}
	if len(r.template.bytes) > liveRoom {
		return fmt.Errorf("bench: %w: live frames of %d bytes; the kernel takes %d", ErrConfig, len(r.template.bytes), liveRoom)
	}
	cpus := s.cfg.CPUs
	if cpus == nil {
		cpus = usableCPUs()[:1]
	}
	for _, cpu := range cpus {
		p, err := loadLive(itf.Index, &r.template)
		if err != nil {
			return err
		}
		s.threads = append(s.threads, &liveThread{cpu: cpu, program: p, done: make(chan struct{})})
	}
	return nil
}

// measure sends for the time that was asked for.
func (s *liveSource) measure(ctx context.Context, res *Result) error {
	before, err := s.rig.links()
	if err != nil {
		return err
	}
	m := &meter{cfg: s.cfg, rig: s.rig, sample: s.samples, counted: sent}
	for i, t := range s.threads {
		m.parts = append(m.parts, Part{Worker: i, CPU: t.cpu, Queue: -1})
		ready := make(chan struct{})
		go s.send(t, ready)
		<-ready
	}
	err = m.measure(ctx, res)
	err = errors.Join(err, s.stop())
	after, linkErr := s.rig.links()
	s.whole(res, s.rig.describe(before, after)[0])
	return errors.Join(err, linkErr)
}

// whole fills in what was sent in all, and what of it the interface lost. A veth counts what the other
// end took.
func (s *liveSource) whole(res *Result, d Device) {
	for _, t := range s.threads {
		res.Whole.Sent += t.sample().ports.TxPackets
	}
	res.Whole.Completed = gain(d.TxDropped, res.Whole.Sent)
	if refused := gain(d.TxPackets, res.Whole.Completed); d.Driver == "veth" && refused > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%d packets were refused: the other end of a veth takes redirected frames only while it has an XDP program", refused))
		res.Whole.Completed = d.TxPackets
	}
}

// send is a thread's life. It ends with its goroutine, so that nobody else gets to run in the namespace.
func (s *liveSource) send(t *liveThread, ready chan<- struct{}) {
	runtime.LockOSThread()
	defer close(t.done)
	t.tid = unix.Gettid()
	var set unix.CPUSet
	set.Set(t.cpu)
	if t.err = unix.SchedSetaffinity(0, &set); t.err != nil {
		t.err = fmt.Errorf("bench: CPU %d: %w", t.cpu, t.err)
	} else if t.err = netns.Set(s.home); t.err != nil {
		t.err = fmt.Errorf("bench: entering the namespace: %w", t.err)
	}
	var err error
	if t.counters, err = openCounters(); err != nil {
		t.missing = err.Error()
	}
	close(ready)
	for t.err == nil && !s.stopped.Load() {
		t.err = t.program.run(s.rig.template.bytes)
	}
	if t.err != nil {
		s.rig.fail()
	}
}

// stop ends the threads: a signal ends the call that each is in. SIGURG is what Go itself
// interrupts threads with, and ignores otherwise.
func (s *liveSource) stop() (err error) {
	s.stopped.Store(true)
	for _, t := range s.threads {
		if t.tid == 0 {
			continue // did not begin
		}
		for ended := false; !ended; {
			_ = unix.Tgkill(unix.Getpid(), t.tid, unix.SIGURG) // fails once the thread has ended
			select {
			case <-t.done:
				ended = true
			case <-time.After(time.Millisecond):
			}
		}
		err = errors.Join(err, t.err)
		t.err = nil // is told once
	}
	return err
}

func (s *liveSource) close() error {
	err := s.stop()
	for _, t := range s.threads {
		err = errors.Join(err, t.program.close())
		if t.counters != nil {
			t.counters.close()
		}
	}
	if s.home.IsOpen() {
		err = errors.Join(err, s.home.Close())
	}
	if s.rig.net != nil {
		s.rig.net.Close()
	}
	return err
}

func (s *liveSource) samples() []sample {
	list := make([]sample, len(s.threads))
	for i, t := range s.threads {
		list[i] = t.sample()
	}
	return list
}

// sample has what a thread sent as the TX counters of a port.
func (t *liveThread) sample() (s sample) {
	var err error
	s.at = engine.Now()
	if s.ports.TxPackets, err = t.program.sent(); err != nil {
		t.missing = err.Error()
	}
	s.ports.TxBytes = s.ports.TxPackets * uint64(t.program.size)
	s.ports.TxBatches = s.ports.TxPackets / liveBatch
	if t.counters != nil {
		if s.counters, err = t.counters.read(); err != nil {
			t.missing = err.Error()
		}
	}
	s.missing = t.missing
	return s
}

// testRun is the part of union bpf_attr that BPF_PROG_TEST_RUN reads (uapi/linux/bpf.h).
type testRun struct {
	progFD, retval          uint32
	dataSizeIn, dataSizeOut uint32
	dataIn, dataOut         uint64
	repeat, duration        uint32
	ctxSizeIn, ctxSizeOut   uint32
	ctxIn, ctxOut           uint64
	flags, cpu, batchSize   uint32
	_                       uint32
}

// testRunCommand is BPF_PROG_TEST_RUN of enum bpf_cmd.
const testRunCommand = 10

// run sends until liveRepeat packets are through or a signal comes. It does not go by the
// BPF library, which begins a run anew that a signal ended.
func (p *liveProgram) run(packet []byte) error {
	attr := testRun{
		progFD: uint32(p.prog.FD()), dataSizeIn: uint32(len(packet)),
		dataIn: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(packet)))),
		repeat: liveRepeat, flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, batchSize: liveBatch,
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF, testRunCommand, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(packet)
	switch errno {
	case 0, unix.EINTR, unix.EAGAIN:
		return nil
	case unix.EINVAL, unix.EOPNOTSUPP, unix.ENOSYS:
		return fmt.Errorf("bench: live frames are %w: Linux 5.18 or later is needed (%w); send via afxdp", engine.ErrNotSupported, errno)
	case unix.EPERM, unix.EACCES:
		return fmt.Errorf("bench: live frames are %w: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW (%w)", engine.ErrPermission, errno)
	}
	return fmt.Errorf("bench: sending live frames: %w", errno)
}
