package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/xdpstack/xdpstack"
)

// TCPConfig says which TCP server to drive, and how.
type TCPConfig struct {
	// Host is the stack that connects; nil for the kernel's sockets, in the network namespace of the calling
	// thread.
	Host *xdpstack.Host
	// Shared says that the Host's workers have no threads of their own, whose cycles could be counted.
	Shared bool
	// To is the server: of echo (RFC 862) for TCPRR and TCPCRR, of discard (RFC 863) or chargen (RFC 864) for TCPStream.
	To netip.AddrPort
	// Connections are how many are open at a time; 0 is 1.
	Connections int
	// Size is that of each request, and of the answer to it, in octets: for TCPRR 0 is 64; TCPCRR with 0 asks
	// nothing. For TCPStream it is what each write or read takes; 0 is 64 KiB.
	Size int
	// Receive has TCPStream take what the server sends, instead of sending.
	Receive bool
	// CPUs are the cores of the threads that use the kernel's sockets, in turns; nil does not pin them.
	CPUs []int
	// Busy has those threads look again and again instead of sleeping in the kernel.
	Busy bool
	// Reset has TCPCRR end connections by RST: the client's ports are free again at once.
	Reset bool
	// Timeout is how long an answer, or a change of any kind, is waited for; 0 is 5 seconds.
	Timeout time.Duration
	// Duration is how long to measure; 0 until the context ends.
	Duration time.Duration
	// Omit is how long to run before measuring.
	Omit time.Duration
	// Interval is the time between reports; 0 is one second.
	Interval time.Duration
	// Report is called after each interval; may be nil.
	Report func(TCPInterval)
}

// Limits and defaults of a TCPConfig.
const (
	MaxConnections    = 1024
	MaxRequest        = 64 << 10 // of TCPRR and TCPCRR: a server may not read on before its answer is out
	MaxTCPSize        = 1 << 20
	DefaultStreamSize = 64 << 10
	defaultTCPTimeout = 5 * time.Second
)

// tcpTest is one of the benchmarks over TCP.
type tcpTest struct {
	name        string
	defaultSize int
	least, most int // size
	server      string
	acked       bool                        // octets count that the kernel says are acknowledged
	kernel      func(k *kernelThread) error // runs until the run stops
}

// TCPRR measures transactions: a request, and an answer of the same size, over connections that stay open, one at a time on each.
func TCPRR(ctx context.Context, cfg TCPConfig) (TCPResult, error) {
	return runTCP(ctx, &cfg, tcpTest{name: "tcp-rr", defaultSize: DefaultSize, least: 1, most: MaxRequest, server: "an echo server", kernel: (*kernelThread).requests})
}

// TCPStream measures how many octets a second pass in one direction.
func TCPStream(ctx context.Context, cfg TCPConfig) (TCPResult, error) {
	t := tcpTest{name: "tcp-stream", defaultSize: DefaultStreamSize, least: 1, most: MaxTCPSize, server: "a discard server", acked: !cfg.Receive, kernel: (*kernelThread).send}
	if cfg.Receive {
		t.server, t.kernel = "a chargen server", (*kernelThread).receive
	}
	return runTCP(ctx, &cfg, t)
}

// TCPCRR measures connections: each is opened, has one transaction if there is a size, and is closed, in order, before the next.
func TCPCRR(ctx context.Context, cfg TCPConfig) (TCPResult, error) {
	return runTCP(ctx, &cfg, tcpTest{name: "tcp-crr", most: MaxRequest, server: "an echo server", kernel: (*kernelThread).connections})
}

func (c *TCPConfig) complete(t *tcpTest) error {
	if c.Connections == 0 {
		c.Connections = 1
	}
	if c.Size == 0 {
		c.Size = t.defaultSize
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTCPTimeout
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	switch {
	case !c.To.IsValid() || c.To.Port() == 0 || c.To.Addr().IsUnspecified():
		return fmt.Errorf("bench: %w: no server; name one, such as 198.18.0.2:7", ErrConfig)
	case c.Connections < 1 || c.Connections > MaxConnections:
		return fmt.Errorf("bench: %w: %d connections; take 1 to %d", ErrConfig, c.Connections, MaxConnections)
	case c.Size < t.least || c.Size > t.most:
		return fmt.Errorf("bench: %w: a size of %d octets; take %d to %d", ErrConfig, c.Size, t.least, t.most)
	case c.Timeout < 10*time.Millisecond || c.Interval < 10*time.Millisecond:
		return fmt.Errorf("bench: %w: timeout %v, interval %v; 10 ms is the least", ErrConfig, c.Timeout, c.Interval)
	case c.Duration < 0 || c.Duration > maxDuration || c.Omit < 0 || c.Omit > maxDuration:
		return fmt.Errorf("bench: %w: a duration must be from 0 to %v", ErrConfig, maxDuration)
	case c.Host != nil && (c.Busy || c.CPUs != nil):
		return fmt.Errorf("bench: %w: cores and busy polling of a stack are its Host's", ErrConfig)
	}
	return nil
}

// via is the name of what the client goes through.
func (c *TCPConfig) via() string {
	if c.Host != nil {
		return "xdpstack"
	}
	return "kernel"
}

// tcpLane is what one thread or worker counted.
type tcpLane struct {
	mu          sync.Mutex // guards what follows: the lane's, and the reporter's once an interval
	trips       *hdrhistogram.Histogram
	octets      uint64
	retransmits uint64 // since the beginning
	// ask says what the kernel knows of open sockets; nil if there are none. It is called with mu held.
	ask     func() (acked, retransmits uint64)
	acked   uint64    // when it was asked last
	threads *counters // of its thread; nil if there are none
	missing string    // why
}

// tcpRun is a run of a client.
type tcpRun struct {
	cfg      *TCPConfig
	test     tcpTest
	lanes    []*tcpLane
	running  sync.WaitGroup
	stopping atomic.Bool
	failed   chan struct{} // closed when a lane cannot go on
	failOnce sync.Once
	err      error // why
	total    *hdrhistogram.Histogram
}

// fail ends the run for a reason.
func (r *tcpRun) fail(err error) {
	if err != nil {
		r.failOnce.Do(func() {
			r.err = err
			close(r.failed)
		})
	}
}

// newLane is a lane that is not counted by the processor yet.
func (r *tcpRun) newLane() *tcpLane {
	l := &tcpLane{trips: newHistogram(), missing: "its thread has not begun"}
	r.lanes = append(r.lanes, l)
	return l
}

// note notes a transaction or a connection.
func (l *tcpLane) note(trip time.Duration, octets int) {
	l.mu.Lock()
	_ = l.trips.RecordValue(int64(min(max(trip, 1), maxTrip))) // in range
	l.octets += uint64(octets)
	l.mu.Unlock()
}

// passed notes octets of a stream.
func (l *tcpLane) passed(octets int) {
	l.mu.Lock()
	l.octets += uint64(octets)
	l.mu.Unlock()
}

// count has the processor count the calling thread.
func (l *tcpLane) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, err := openCounters()
	if l.missing = ""; err != nil {
		l.missing = err.Error()
	}
	l.threads = set
}

// runTCP runs a benchmark.
func runTCP(ctx context.Context, cfg *TCPConfig, test tcpTest) (res TCPResult, err error) {
	if err := cfg.complete(&test); err != nil {
		return res, err
	}
	res = TCPResult{
		Bench: test.name, Via: cfg.via(), To: cfg.To.String(), Connections: cfg.Connections, Size: cfg.Size, Began: time.Now(),
	}
	if test.name == "tcp-stream" {
		res.Direction = map[bool]string{false: "out", true: "in"}[cfg.Receive]
	}
	res.Distance = probeBefore(-1)
	r := &tcpRun{cfg: cfg, test: test, failed: make(chan struct{}), total: newHistogram()}
	defer r.close()
	stop, err := r.start()
	if err != nil {
		return res, err
	}
	r.measure(ctx, &res)
	r.stopping.Store(true)
	err = stop()
	r.running.Wait()
	err = errors.Join(r.err, err)
	res.Distance.probeAfter()
	if err == nil && res.Transactions == 0 && res.Octets == 0 && !res.Interrupted {
		err = fmt.Errorf("bench: nothing passed to or from %s in %v; does %s run there?", cfg.To, cfg.Duration, test.server)
	}
	return res, err
}

// close ends the counting; all threads have ended.
func (r *tcpRun) close() {
	for _, l := range r.lanes {
		if l.threads != nil {
			l.threads.close()
		}
	}
}

// start starts what the configuration says. stop is called once stopping is set.
func (r *tcpRun) start() (stop func() error, err error) {
	if r.cfg.Host != nil {
		return r.startHost()
	}
	return r.startKernel()
}

// measure reports until the time is over, the context ends or a lane fails, and fills res in.
func (r *tcpRun) measure(ctx context.Context, res *TCPResult) {
	waitFor(ctx, r.cfg.Omit, r.failed)
	if r.cfg.Omit > 0 {
		r.collect() // also when interrupted: it is not measured
	}
	r.total.Reset()
	first := r.spent()
	began, lastAt := time.Now(), time.Duration(0)
	for on := true; on; {
		next := lastAt + r.cfg.Interval
		if r.cfg.Duration > 0 {
			next = min(next, r.cfg.Duration)
		}
		on = waitFor(ctx, next-time.Since(began), r.failed)
		whole := on
		if !on {
			next = min(next, time.Since(began))
		}
		i := r.collect()
		res.Octets += i.Octets
		if whole && r.cfg.Report != nil {
			i.Start, i.End = lastAt.Seconds(), next.Seconds()
			i.rate()
			r.cfg.Report(i)
		}
		lastAt = next
		on = on && lastAt != r.cfg.Duration
	}
	res.Interrupted = lastAt < r.cfg.Duration
	res.Seconds = time.Since(began).Seconds()
	res.Transactions = uint64(r.total.TotalCount())
	res.PerSecond, res.BitsPerSecond = per(float64(res.Transactions), res.Seconds), per(8*float64(res.Octets), res.Seconds)
	res.Latency = latencyOf(r.total)
	last := r.spent()
	res.Retransmits = last.retransmits - first.retransmits
	res.Cost = last.cost(&first, float64(res.Transactions), float64(res.Octets))
}

// collect takes what the lanes noted since it was called last.
func (r *tcpRun) collect() (i TCPInterval) {
	trips := newHistogram()
	for _, l := range r.lanes {
		l.mu.Lock()
		trips.Merge(l.trips)
		l.trips.Reset()
		if l.ask != nil && r.test.acked {
			acked, _ := l.ask()
			l.octets, l.acked = l.octets+acked-l.acked, acked
		}
		i.Octets += l.octets
		l.octets = 0
		l.mu.Unlock()
	}
	r.total.Merge(trips)
	i.Transactions, i.Latency = uint64(trips.TotalCount()), latencyOf(trips)
	return i
}

// tcpSpent is what all lanes spent since the beginning.
type tcpSpent struct {
	counts      counts
	missing     string
	retransmits uint64
}

func (r *tcpRun) spent() (s tcpSpent) {
	if r.cfg.Host != nil {
		s.retransmits = r.retransmitted()
	}
	for _, l := range r.lanes {
		l.mu.Lock()
		s.retransmits += l.retransmits
		if l.ask != nil {
			_, again := l.ask()
			s.retransmits += again
		}
		switch {
		case l.threads == nil:
			s.missing = l.missing
		default:
			c, err := l.threads.read()
			if err != nil {
				s.missing = err.Error()
			}
			s.counts.add(c)
		}
		l.mu.Unlock()
	}
	return s
}
