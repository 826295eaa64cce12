package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/umem"
)

// EchoPort is where EchoServer listens (RFC 862).
const EchoPort = 7

// wellKnown ports are not answered: two services that answer each other would never end
// (CERT CA-1996-01).
const wellKnown = 1024

// EchoServer answers on UDP port 7 of all addresses of h, which is on cfg.Interfaces[0], each datagram in
// the frame that it came in, and counts the packets that h sends. Of cfg, Duration, Omit, Interval and Report
// mean something besides. Cost.Cycles are those of the workers' threads since their first
// datagram, if h is dedicated. The host stays open.
func EchoServer(ctx context.Context, h *xdpstack.Host, cfg Config) (res Result, err error) {
	if err := cfg.complete(1); err != nil {
		return res, err
	}
	s := &echoServer{host: h, rig: &rig{cfg: &cfg, failed: make(chan struct{})}}
	defer s.close()
	if err := s.open(); err != nil {
		return res, err
	}
	res = newResult(&cfg, &job{name: "udp-echo"})
	res.Distance = probeBefore(-1)
	m := &meter{cfg: &cfg, rig: s.rig, sample: s.samples, counted: sent}
	for i := range h.Workers() {
		m.parts = append(m.parts, Part{Worker: i, CPU: -1, Queue: -1})
	}
	ended := make(chan error, 1)
	watch, stop := context.WithCancel(ctx)
	go func() {
		err := h.Wait(watch)
		if watch.Err() == nil {
			s.rig.fail()
		}
		ended <- err
	}()
	err = m.measure(ctx, &res)
	stop()
	err = errors.Join(err, <-ended, s.server.Close(), s.err)
	s.describe(&res)
	res.Distance.probeAfter()
	return res, err
}

// echoServer is a run of EchoServer.
type echoServer struct {
	host    *xdpstack.Host
	rig     *rig // without workers: the interface and its counters
	server  *xdpstack.DatagramServer
	threads [umem.MaxWorkers]echoThread
	err     error // of reading counters
}

// echoThread is a worker's thread: the worker fills it in at its first datagram.
type echoThread struct {
	opened bool // the worker's own
	mu     sync.Mutex
	set    *counters
	reason string
	cpu    unix.CPUSet // that it may run on
}

func (s *echoServer) open() (err error) {
	r := s.rig
	itf, err := afxdp.Lookup(r.cfg.Interfaces[0])
	if err != nil {
		return err
	}
	r.itfs = []afxdp.Interface{itf}
	if r.net, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("bench: opening a routing socket: %w", err)
	}
	for i := range s.threads {
		s.threads[i].reason = "no datagram yet"
		if r.cfg.Shared {
			s.threads[i] = echoThread{opened: true, reason: "a shared worker has no thread of its own"}
		}
	}
	s.server, err = s.host.HandleDatagram("udp", net.JoinHostPort("", fmt.Sprint(EchoPort)), s.handle)
	return err
}

// describe tells what is in force on the host.
func (s *echoServer) describe(res *Result) {
	st, err := s.host.Stats()
	if err != nil || st.Device == nil {
		return // the host is closed: measure has said so
	}
	d := &res.Devices[0]
	d.Mode, d.Attached = st.Device.Mode, st.Device.Attached
	d.Reasons = append(d.Reasons, st.Device.Reasons...)
	for i := range res.Parts {
		res.Parts[i].Queue = st.Device.Queues[i].Queue
		res.Parts[i].CPU = s.threads[i].pinned()
	}
}

// handle runs on the workers.
func (s *echoServer) handle(d *xdpstack.Datagram) {
	if t := &s.threads[d.Worker()]; !t.opened {
		t.open()
	}
	if d.From().Port() >= wellKnown {
		_ = d.Reply() // what the stack cannot send it counts
	}
}

func (t *echoThread) open() {
	t.opened = true
	t.mu.Lock()
	defer t.mu.Unlock()
	set, err := openCounters()
	if err != nil {
		t.reason = err.Error()
		return
	}
	t.set, t.reason = set, ""
	_ = unix.SchedGetaffinity(0, &t.cpu) // of the calling thread: allowed
}

// pinned is the one core that the thread may run on, or -1.
func (t *echoThread) pinned() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cpu.Count() != 1 {
		return -1
	}
	cpu := 0
	for !t.cpu.IsSet(cpu) {
		cpu++
	}
	return cpu
}

func (t *echoThread) read() (c counts, missing string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set == nil {
		return c, t.reason
	}
	c, err := t.set.read()
	if err != nil {
		missing = err.Error()
	}
	return c, missing
}

func (s *echoServer) samples() []sample {
	list := make([]sample, s.host.Workers())
	st, err := s.host.Stats()
	if err != nil {
		s.err = err
		return list
	}
	for i := range list {
		list[i] = sample{at: engine.Now(), ports: st.Workers[i].Port, stack: st.Workers[i].Drops}
		list[i].counters, list[i].missing = s.threads[i].read()
	}
	return list
}

func (s *echoServer) close() {
	for i := range s.threads {
		if set := s.threads[i].set; set != nil {
			set.close()
		}
	}
	if s.rig.net != nil {
		s.rig.net.Close()
	}
}
