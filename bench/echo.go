package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// EchoConfig says whom to ask for echoes, and how.
type EchoConfig struct {
	// Dial connects to the server: that of a net.Dialer for the kernel's sockets, or of an
	// xdpstack.Host.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Via is the name of what Dial goes through, for the result.
	Via string
	// To is the server (RFC 862).
	To netip.AddrPort
	// Outstanding is how many datagrams are on their way at a time, each of a socket and goroutine of its
	// own, so a flow each; 0 is 1.
	Outstanding int
	// Size is the payload of each in bytes, from 16 on; 0 is 64.
	Size int
	// Timeout is how long an answer is waited for at least, and at most twice that; 0 is 200 ms.
	Timeout time.Duration
	// Duration is how long to measure; 0 until the context ends.
	Duration time.Duration
	// Omit is how long to run before measuring.
	Omit time.Duration
	// Interval is the time between reports; 0 is one second.
	Interval time.Duration
	// Report is called after each interval; may be nil.
	Report func(EchoInterval)
}

// Limits of an EchoConfig.
const (
	MaxOutstanding = 1024
	MinEchoSize    = 16
	MaxEchoSize    = 65507 // what UDP over IPv4 takes
)

// Latency is a distribution of round-trip times in nanoseconds, to within one percent. It is all
// zero when there was none.
type Latency struct {
	Min  int64 `json:"min_ns"`
	Mean int64 `json:"mean_ns"`
	P50  int64 `json:"p50_ns"`
	P90  int64 `json:"p90_ns"`
	P99  int64 `json:"p99_ns"`
	P999 int64 `json:"p99_9_ns"`
	Max  int64 `json:"max_ns"`
}

// EchoInterval is what came back since the interval before.
type EchoInterval struct {
	Start     float64 `json:"start"` // seconds since measuring began
	End       float64 `json:"end"`
	Trips     uint64  `json:"round_trips"`
	PerSecond float64 `json:"round_trips_per_second"`
	Lost      uint64  `json:"lost"` // no answer within the time
	Latency   Latency `json:"latency"`
}

// EchoResult is a run of EchoClient. Encoded as JSON its names and units stay; fields may be added.
type EchoResult struct {
	Bench       string    `json:"bench"` // udp-echo
	Via         string    `json:"via"`
	To          string    `json:"to"`
	Outstanding int       `json:"outstanding"`
	Size        int       `json:"size"` // payload, in bytes
	Seconds     float64   `json:"seconds"`
	Trips       uint64    `json:"round_trips"`
	PerSecond   float64   `json:"round_trips_per_second"`
	Lost        uint64    `json:"lost"`
	Wrong       uint64    `json:"wrong"` // answers that are not what was sent
	Latency     Latency   `json:"latency"`
	Distance    Distance  `json:"distance"`
	Interrupted bool      `json:"interrupted"`
	Began       time.Time `json:"began"`
}

func (c *EchoConfig) complete() error {
	if c.Outstanding == 0 {
		c.Outstanding = 1
	}
	if c.Size == 0 {
		c.Size = DefaultSize
	}
	if c.Timeout == 0 {
		c.Timeout = 200 * time.Millisecond
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	switch {
	case !c.To.IsValid() || c.To.Port() == 0 || c.To.Addr().IsUnspecified():
		return fmt.Errorf("bench: %w: no server; name one, such as 198.18.0.2:7", ErrConfig)
	case c.Outstanding < 1 || c.Outstanding > MaxOutstanding:
		return fmt.Errorf("bench: %w: %d datagrams outstanding; take 1 to %d", ErrConfig, c.Outstanding, MaxOutstanding)
	case c.Size < MinEchoSize || c.Size > MaxEchoSize:
		return fmt.Errorf("bench: %w: a payload of %d bytes; take %d to %d", ErrConfig, c.Size, MinEchoSize, MaxEchoSize)
	case c.Timeout < time.Millisecond || c.Interval < 10*time.Millisecond:
		return fmt.Errorf("bench: %w: timeout %v, interval %v; 1 ms and 10 ms are the least", ErrConfig, c.Timeout, c.Interval)
	case c.Duration < 0 || c.Duration > maxDuration || c.Omit < 0 || c.Omit > maxDuration:
		return fmt.Errorf("bench: %w: a duration must be from 0 to %v", ErrConfig, maxDuration)
	}
	return nil
}

// EchoClient measures round trips to an echo server in a closed loop: each answer sends the next
// datagram. An answer counts that has the number of the datagram that is out, and
// its very bytes.
func EchoClient(ctx context.Context, cfg EchoConfig) (res EchoResult, err error) {
	if err := cfg.complete(); err != nil {
		return res, err
	}
	res = EchoResult{
		Bench: "udp-echo", Via: cfg.Via, To: cfg.To.String(), Outstanding: cfg.Outstanding, Size: cfg.Size, Began: time.Now(),
	}
	res.Distance = probeBefore(-1)
	e := &echo{cfg: &cfg, failed: make(chan struct{}), total: newHistogram()}
	if err := e.dial(ctx); err != nil {
		return res, errors.Join(err, e.stop())
	}
	e.start()
	e.measure(ctx, &res)
	err = e.stop()
	res.Distance.probeAfter()
	if err == nil && res.Trips == 0 && !res.Interrupted {
		err = fmt.Errorf("bench: no answer from %s; does an echo server run there?", cfg.To)
	}
	return res, err
}

// echo is a run of the client.
type echo struct {
	cfg      *EchoConfig
	clients  []*echoClient
	running  sync.WaitGroup
	stopping atomic.Bool
	failed   chan struct{} // closed when a client cannot go on
	failOnce sync.Once
	total    *hdrhistogram.Histogram // of the intervals that were reported
}

// echoClient is one socket with one datagram on its way.
type echoClient struct {
	conn net.Conn
	err  error // that ended it

	mu          sync.Mutex // guards what follows: the client's, and the reporter's once an interval
	trips       *hdrhistogram.Histogram
	lost, wrong uint64
}

// newHistogram takes round trips from a nanosecond to ten seconds.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(10*time.Second), 2) }

func (e *echo) dial(ctx context.Context) error {
	for range e.cfg.Outstanding {
		conn, err := e.cfg.Dial(ctx, "udp", e.cfg.To.String())
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		e.clients = append(e.clients, &echoClient{conn: conn, trips: newHistogram()})
	}
	return nil
}

func (e *echo) start() {
	for i, c := range e.clients {
		e.running.Add(1)
		go func() {
			defer e.running.Done()
			if c.err = c.loop(e, uint64(i)<<48); c.err != nil {
				e.failOnce.Do(func() { close(e.failed) })
			}
		}()
	}
}

// stop ends all clients and returns what made one end by itself.
func (e *echo) stop() (err error) {
	e.stopping.Store(true)
	for _, c := range e.clients {
		_ = c.conn.SetDeadline(time.Now()) // ends its wait
	}
	e.running.Wait()
	for _, c := range e.clients {
		if err == nil {
			err = c.err
		}
		_ = c.conn.Close()
	}
	return err
}

// loop asks for echoes, numbered from first on.
func (c *echoClient) loop(e *echo, first uint64) error {
	out, in := make([]byte, e.cfg.Size), make([]byte, e.cfg.Size+1)
	for i := range out {
		out[i] = byte(i)
	}
	var again time.Time // when to set the deadline anew: not for each datagram
	for n := first; !e.stopping.Load(); n++ {
		binary.BigEndian.PutUint64(out, n)
		sent := time.Now()
		if sent.After(again) {
			again = sent.Add(e.cfg.Timeout)
			if err := c.conn.SetReadDeadline(again.Add(e.cfg.Timeout)); err != nil {
				return e.explain(err)
			}
		}
		if _, err := c.conn.Write(out); err != nil && !passing(err) {
			return e.explain(err)
		}
		answered, err := c.await(n, out, in)
		switch {
		case answered:
			c.note(time.Since(sent))
		case errors.Is(err, os.ErrDeadlineExceeded):
			again = time.Time{}
			c.mu.Lock()
			c.lost++
			c.mu.Unlock()
		case err != nil:
			return e.explain(err)
		}
	}
	return nil
}

// passing errors of a write are those of a full queue: the datagram is lost.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded)
}

// await reads until the answer to datagram n is there. Answers that come too late are passed over.
func (c *echoClient) await(n uint64, out, in []byte) (answered bool, err error) {
	for {
		size, err := c.conn.Read(in)
		if err != nil {
			return false, err
		}
		if size >= 8 && binary.BigEndian.Uint64(in) < n {
			continue
		}
		if string(in[:size]) == string(out) {
			return true, nil
		}
		c.mu.Lock()
		c.wrong++
		c.mu.Unlock()
	}
}

func (c *echoClient) note(trip time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A trip beyond the histogram's end has run into the timeout before.
	_ = c.trips.RecordValue(int64(max(trip, 1)))
}

// explain says what an error of a socket means here.
func (e *echo) explain(err error) error {
	if e.stopping.Load() {
		return nil
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("bench: nobody listens at %s; start an echo server there: %w", e.cfg.To, err)
	}
	return fmt.Errorf("bench: asking %s for an echo: %w", e.cfg.To, err)
}

// measure reports until the time is over, the context ends or a client fails, and fills res in.
func (e *echo) measure(ctx context.Context, res *EchoResult) {
	if e.wait(ctx, e.cfg.Omit) && e.cfg.Omit > 0 {
		e.collect()
	}
	e.total.Reset()
	began, lastAt := time.Now(), time.Duration(0)
	for on := true; on; {
		next := lastAt + e.cfg.Interval
		if e.cfg.Duration > 0 {
			next = min(next, e.cfg.Duration)
		}
		on = e.wait(ctx, next-time.Since(began))
		whole := on
		if !on {
			next = min(next, time.Since(began))
		}
		trips, lost, wrong := e.collect()
		res.Lost, res.Wrong = res.Lost+lost, res.Wrong+wrong
		if whole && e.cfg.Report != nil {
			e.cfg.Report(EchoInterval{
				Start: lastAt.Seconds(), End: next.Seconds(), Trips: uint64(trips.TotalCount()), Lost: lost,
				PerSecond: per(float64(trips.TotalCount()), (next - lastAt).Seconds()), Latency: latencyOf(trips),
			})
		}
		lastAt = next
		on = on && lastAt != e.cfg.Duration
	}
	res.Interrupted = lastAt < e.cfg.Duration
	res.Seconds = time.Since(began).Seconds()
	res.Trips = uint64(e.total.TotalCount())
	res.PerSecond = per(float64(res.Trips), res.Seconds)
	res.Latency = latencyOf(e.total)
}

func (e *echo) wait(ctx context.Context, d time.Duration) bool {
	return waitFor(ctx, d, e.failed)
}

// collect takes what the clients noted since it was called last.
func (e *echo) collect() (trips *hdrhistogram.Histogram, lost, wrong uint64) {
	trips = newHistogram()
	for _, c := range e.clients {
		c.mu.Lock()
		trips.Merge(c.trips)
		c.trips.Reset()
		lost, wrong = lost+c.lost, wrong+c.wrong
		c.lost, c.wrong = 0, 0
		c.mu.Unlock()
	}
	e.total.Merge(trips)
	return trips, lost, wrong
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		Min: h.Min(), Mean: int64(h.Mean()), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90),
		P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), Max: h.Max(),
	}
}

// EchoHeader is the line above those of EchoInterval.Text.
func EchoHeader() string {
	return fmt.Sprintf("%-20s %12s %12s %9s %9s %9s %9s %9s %8s", "Interval", "Round trips", "per second", "p50 µs", "p90", "p99", "p99.9", "max", "Lost")
}

// Text writes a line.
func (i *EchoInterval) Text(w io.Writer) {
	fmt.Fprintf(w, "%6.2f-%-6.2f sec    %12d %12.0f %s %8d\n", i.Start, i.End, i.Trips, i.PerSecond, i.Latency.columns(), i.Lost)
}

func (l *Latency) columns() string {
	µs := func(ns int64) float64 { return float64(ns) / 1e3 }
	return fmt.Sprintf("%9.1f %9.1f %9.1f %9.1f %9.1f", µs(l.P50), µs(l.P90), µs(l.P99), µs(l.P999), µs(l.Max))
}

// Text writes the summary.
func (r *EchoResult) Text(w io.Writer) {
	µs := func(ns int64) float64 { return float64(ns) / 1e3 }
	row := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-11s %s\n", what, fmt.Sprintf(format, args...))
	}
	row(r.Bench, "to %s via %s, %d outstanding, payload of %d bytes", r.To, r.Via, r.Outstanding, r.Size)
	row("rate", "%d round trips in %.2f s: %.0f per second, %d lost, %d wrong", r.Trips, r.Seconds, r.PerSecond, r.Lost, r.Wrong)
	l := &r.Latency
	row("latency", "p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f µs (min %.1f, mean %.1f)",
		µs(l.P50), µs(l.P90), µs(l.P99), µs(l.P999), µs(l.Max), µs(l.Min), µs(l.Mean))
	row("cores", "%s", r.Distance)
	if r.Interrupted {
		row("interrupted", "before the time was over")
	}
}
