package bench

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// slow is a rate that a kernel's socket takes without loss.
const slow = 20000

// TestTxOnlyArrives: what is sent is what the kernel of the other end delivers to a socket, each flow's
// share, checksums and lengths right.
func TestTxOnlyArrives(t *testing.T) {
	for _, family := range families {
		t.Run(familyName(family), func(t *testing.T) {
			l := tidyLab(t, lab.Config{Queues: 2})
			a, b := l.Host("a"), l.Host("b")
			to := b.Interface().KernelAddr(family)
			p := Packets{Size: 101, Flows: 7, From: a.Interface().StackAddr(family), To: to, DstMAC: [6]byte(b.Interface().MAC)}
			got := newCountUDP(t, b, netip.AddrPortFrom(to, DefaultDstPort), p.Size-p.headers())
			var intervals []Interval
			res, err := on(a, TxOnly, bounded(t), Config{
				Packets: p, Rate: slow, Duration: short, Interval: short / 3,
				Report: func(i Interval) { intervals = append(intervals, i) },
			})
			if err != nil {
				t.Fatal(err)
			}
			until(t, "all arrived", func() bool { return got.total.Load() >= res.Whole.Sent })
			got.stop()
			consistent(t, &res, short)
			if n := got.total.Load(); n != res.Whole.Sent || res.Whole.Completed != res.Whole.Sent || got.wrong > 0 {
				t.Errorf("sent %d, completed %d, arrived %d, of them %d of another length", res.Whole.Sent, res.Whole.Completed, n, got.wrong)
			}
			for flow := range p.Flows {
				if n := got.flows[uint16(DefaultSrcPort+flow)]; n < int(res.Whole.Sent)/p.Flows-2 || n > int(res.Whole.Sent)/p.Flows+2 {
					t.Errorf("flow %d of %d packets: %d arrived", flow, res.Whole.Sent, n)
				}
			}
			if pps := res.Sum.PacketsPerSecond; pps > 1.1*slow || len(res.Parts) != 2 || res.Sum.Bytes != res.Sum.Packets*uint64(p.Size) {
				t.Errorf("%g packets per second by %d workers, %d bytes", pps, len(res.Parts), res.Sum.Bytes)
			}
			if len(intervals) != 3 || intervals[2].End != short.Seconds() || intervals[1].Start != intervals[0].End {
				t.Errorf("intervals: %+v", intervals)
			}
		})
	}
}

// TestTxOnlyAtFullSpeed: the kernel's count is ours.
func TestTxOnlyAtFullSpeed(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	res, err := on(l.Host("a"), TxOnly, bounded(t), Config{Duration: short, Poll: engine.Busy})
	if err != nil {
		t.Fatal(err)
	}
	consistent(t, &res, short)
	d := &res.Devices[0]
	if res.Sum.Packets == 0 || res.Cost.TxBatch < 16 || res.Cost.Calls <= 0 || res.Cost.Calls > 0.1 || d.Mode != "copy" || d.Attached != "native" {
		t.Errorf("%+v, %+v, %+v", res.Sum, res.Cost, d)
	}
	// The kernel's count was taken a moment before and after ours.
	if low, high := float64(res.Sum.Packets)*0.9, float64(res.Whole.Sent+noise); float64(d.TxPackets) < low || float64(d.TxPackets) > high {
		t.Errorf("measured %d, in all %d, the kernel counted %d", res.Sum.Packets, res.Whole.Sent, d.TxPackets)
	}
}

// fed runs a benchmark in host a, fed by packets of host b at a rate that nothing is lost at. The
// source begins when the benchmark measures, and ends before it.
func fed(t *testing.T, l *lab.Lab, run func(context.Context, Config) (Result, error), cfg Config, p Packets) (res, source Result) {
	t.Helper()
	a, b := l.Host("a"), l.Host("b")
	ctx, end := context.WithCancel(bounded(t))
	began, ended := make(chan bool, 1), make(chan error, 1)
	cfg.Interval = 10 * time.Millisecond
	cfg.Report = func(Interval) {
		select {
		case began <- true:
		default:
		}
	}
	go func() {
		var err error
		res, err = on(a, run, ctx, cfg)
		ended <- err
	}()
	select {
	case <-began:
	case err := <-ended:
		t.Fatal("ended before it began: ", err)
	}
	source, err := on(b, Pktgen, ctx, Config{Packets: p, Rate: slow, Duration: short})
	if err != nil {
		t.Error(err)
	}
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return res, source
}

// TestRxDropCountsWhatWasSent: nothing lost, nothing invented, and the XDP program's count is ours.
func TestRxDropCountsWhatWasSent(t *testing.T) {
	for _, family := range families {
		t.Run(familyName(family), func(t *testing.T) {
			l := tidyLab(t, lab.Config{Queues: 2})
			to := l.Host("a").Interface().StackAddr(family)
			res, source := fed(t, l, RxDrop, Config{Take: []netip.Addr{to}}, Packets{To: to, Flows: 16})
			consistent(t, &source, short)
			if source.Whole.Sent == 0 || res.Whole.Received != source.Whole.Sent || res.Dropped != 0 || res.Interrupted {
				t.Errorf("sent %d, received %d, dropped %v", source.Whole.Sent, res.Whole.Received, res.Drops)
			}
			taken := uint64(0)
			for _, v := range res.Devices[0].Verdicts {
				if strings.HasPrefix(v.Verdict, "taken-ipv") {
					taken += v.Packets
				}
			}
			if taken != res.Sum.Packets || res.Sum.Packets != res.Whole.Received {
				t.Errorf("the program took %d, measured %d, received %d", taken, res.Sum.Packets, res.Whole.Received)
			}
			for _, p := range res.Parts {
				if p.Rate.Packets == 0 {
					t.Errorf("worker %d received nothing of two queues' packets", p.Worker)
				}
			}
		})
	}
}

// TestL2FwdSendsBack: what comes in goes out, and comes back to where it was sent.
func TestL2FwdSendsBack(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	to := l.Host("a").Interface().StackAddr(4)
	res, source := fed(t, l, L2Fwd, Config{Take: []netip.Addr{to}}, Packets{To: to})
	if n := source.Whole.Sent; n == 0 || res.Whole.Received != n || res.Whole.Sent != n || res.Whole.Completed != n || res.Sum.Packets != n {
		t.Errorf("sent %d, forwarded %+v, measured %d, dropped %v", n, res.Whole, res.Sum.Packets, res.Drops)
	}
	if back := res.Devices[0].TxPackets; back < res.Sum.Packets || back > res.Sum.Packets+noise {
		t.Errorf("forwarded %d, the kernel counted %d", res.Sum.Packets, back)
	}
}

// TestAsaviePortCountsTheSame: the other library behind the same benchmarks.
func TestAsaviePortCountsTheSame(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	for name, run := range map[string]func(context.Context, Config) (Result, error){"rxdrop": RxDrop, "l2fwd": L2Fwd} {
		res, source := fed(t, l, run, Config{Port: Asavie}, Packets{To: a.Interface().StackAddr(4)})
		if n := source.Whole.Sent; n == 0 || res.Whole.Received < n || res.Whole.Received > n+noise || res.Port != "asavie" {
			t.Errorf("%s: sent %d, received %+v, dropped %v", name, n, res.Whole, res.Drops)
		}
	}
	to := b.Interface().KernelAddr(4)
	p := Packets{From: a.Interface().StackAddr(4), To: to, DstMAC: [6]byte(b.Interface().MAC)}
	if err := p.complete(); err != nil {
		t.Fatal(err)
	}
	got := newCountUDP(t, b, netip.AddrPortFrom(to, DefaultDstPort), p.Size-p.headers())
	res, err := on(a, TxOnly, bounded(t), Config{Port: Asavie, Packets: p, Rate: slow, Duration: short})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "all arrived", func() bool { return got.total.Load() >= res.Whole.Sent })
	got.stop()
	consistent(t, &res, short)
	if n := got.total.Load(); n == 0 || n != res.Whole.Sent || res.Whole.Completed != n {
		t.Errorf("sent %+v, arrived %d", res.Whole, n)
	}
}

// TestTableOfAQuickRound: pairs of every benchmark, and a lab that is gone afterwards.
func TestTableOfAQuickRound(t *testing.T) {
	testenv.Root(t)
	name := labtest.Name()
	var order []string
	res, err := Table(bounded(t), TableConfig{Lab: name, Rounds: 1, Duration: 50 * time.Millisecond, Log: quiet(), Report: func(r Result) {
		order = append(order, r.Bench+" "+r.Port)
		if r.Bench == "txonly" && r.Sum.Packets == 0 {
			t.Errorf("%s over %s: nothing passed", r.Bench, r.Port)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "rxdrop afxdp,rxdrop asavie,txonly afxdp,txonly asavie,l2fwd afxdp,l2fwd asavie"; !strings.HasPrefix(strings.Join(order, ","), want) {
		t.Errorf("order %q, want %q first", order, want)
	}
	if len(res.Ratios) != 3 || len(res.Runs) != len(order) || res.Machine.Kernel == "" {
		t.Errorf("%+v", res)
	}
	if _, err := lab.StatusOf(name); !errors.Is(err, lab.ErrNotFound) {
		t.Errorf("the lab afterwards: %v", err)
	}
}

// TestL2FwdBetweenTwo: what comes in by one interface goes out by the other, MACs swapped.
func TestL2FwdBetweenTwo(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1, Hosts: []string{"a", "b", "c"}})
	a, c := l.Host("a"), l.Host("c")
	to := c.Interface().KernelAddr(4)
	// Swapped, the source's address is the destination's: c takes what goes out with its own.
	p := Packets{From: a.Interfaces()[1].StackAddr(4), To: to, SrcMAC: [6]byte(c.Interface().MAC)}
	if err := p.complete(); err != nil {
		t.Fatal(err)
	}
	got := newCountUDP(t, c, netip.AddrPortFrom(to, DefaultDstPort), p.Size-p.headers())
	cfg := Config{Interfaces: []string{"xs0", "xs1"}, Take: []netip.Addr{to}}
	res, source := fed(t, l, L2Fwd, cfg, p)
	until(t, "all arrived", func() bool { return got.total.Load() >= source.Whole.Sent })
	got.stop()
	if n := got.total.Load(); n == 0 || n != source.Whole.Sent || res.Whole.Sent != n || len(res.Devices) != 2 {
		t.Errorf("sent %d, forwarded %+v, arrived %d", source.Whole.Sent, res.Whole, n)
	}
}

// TestLiveFramesFeedRxDrop: at full speed, what the XDP program took was received or is accounted for.
func TestLiveFramesFeedRxDrop(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	ctx, end := context.WithCancel(bounded(t))
	var source Result
	ended := make(chan error, 1)
	go func() {
		var err error
		source, err = on(b, Pktgen, ctx, Config{Via: Live, Packets: Packets{Flows: 3}})
		ended <- err
	}()
	res, err := on(a, RxDrop, ctx, Config{Duration: short, Omit: short})
	end()
	if err := errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
	consistent(t, &res, short)
	if res.Sum.Packets == 0 || source.Whole.Sent < source.Whole.Completed || source.Whole.Completed < res.Whole.Received || source.Port != "live" {
		t.Errorf("sent %+v, received %+v", source.Whole, res.Whole)
	}
	var took, lost float64
	for _, v := range res.Devices[0].Verdicts {
		took += float64(v.Packets)
	}
	for _, d := range res.Drops {
		if d.Layer == "kernel" {
			lost += float64(d.Packets)
		}
	}
	// All counters are read one after the other while packets flow.
	if accounted := float64(res.Sum.Packets) + lost; accounted < 0.8*took || accounted > 1.2*took {
		t.Errorf("the program took %.0f; %d received, %.0f dropped by the kernel", took, res.Sum.Packets, lost)
	}
}

// TestLiveFramesAreWhole: passed on to the kernel, they reach a socket, so that their
// checksums are right for every flow.
func TestLiveFramesAreWhole(t *testing.T) {
	for _, family := range families {
		t.Run(familyName(family), func(t *testing.T) {
			l := tidyLab(t, lab.Config{Queues: 1})
			a, b := l.Host("a"), l.Host("b")
			to := a.Interface().KernelAddr(family)
			p := Packets{Size: 90, Flows: 1000, From: b.Interface().KernelAddr(family), To: to, DstMAC: [6]byte(a.Interface().MAC)}
			got := newCountUDP(t, a, netip.AddrPortFrom(to, DefaultDstPort), p.Size-p.headers())
			ctx, end := context.WithCancel(bounded(t))
			ended := make(chan error, 1)
			go func() { // takes an address that nothing is sent to: its program passes all
				_, err := on(a, RxDrop, ctx, Config{Take: []netip.Addr{a.Interface().StackAddr(family)}})
				ended <- err
			}()
			until(t, "the program is attached", func() bool { return attached(t, a, "xs0") != 0 })
			go func() {
				_, err := on(b, Pktgen, ctx, Config{Via: Live, Packets: p})
				ended <- err
			}()
			until(t, "datagrams arrive", func() bool { return got.total.Load() > 20000 })
			end()
			if err := errors.Join(<-ended, <-ended); err != nil {
				t.Error(err)
			}
			got.stop()
			if len(got.flows) != p.Flows || got.wrong > 0 {
				t.Errorf("%d flows of %d, %d datagrams of another length", len(got.flows), p.Flows, got.wrong)
			}
		})
	}
}

// TestEndsWithItsContext: every benchmark ends when its context does, with its summary.
func TestEndsWithItsContext(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 2})
	for name, b := range map[string]struct {
		run func(context.Context, Config) (Result, error)
		cfg Config
	}{
		"rxdrop": {RxDrop, Config{}}, "txonly": {TxOnly, Config{}}, "l2fwd": {L2Fwd, Config{}},
		"pktgen": {Pktgen, Config{}}, "live": {Pktgen, Config{Via: Live}},
		"shared": {TxOnly, Config{Shared: true}}, "interrupt": {RxDrop, Config{Poll: engine.Interrupt}}, "busy": {RxDrop, Config{Poll: engine.Busy}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(bounded(t))
			b.cfg.Duration, b.cfg.Interval = time.Hour, 50*time.Millisecond
			var ended time.Time
			b.cfg.Report = func(i Interval) {
				if ended.IsZero() {
					ended = time.Now()
					cancel()
				}
			}
			res, err := on(l.Host("a"), b.run, ctx, b.cfg)
			took := time.Since(ended)
			if err != nil || !res.Interrupted || len(res.Parts) == 0 || took > patience/2 {
				t.Errorf("after %v: %v, interrupted %v, %d parts", took, err, res.Interrupted, len(res.Parts))
			}
			if b.cfg.Shared && res.Cost.CountersMissing == "" {
				t.Errorf("a shared worker has counters: %+v", res.Cost)
			}
		})
	}
}

// TestWhatCannotBeMeasured: each is an error of one line, and leaves nothing.
func TestWhatCannotBeMeasured(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 2})
	a := l.Host("a")
	for name, c := range map[string]struct {
		run  func(context.Context, Config) (Result, error)
		cfg  Config
		is   error
		want string
	}{
		"no such interface":      {RxDrop, Config{Interfaces: []string{"nix0"}}, engine.ErrNoDevice, "ip link"},
		"no such interface live": {Pktgen, Config{Interfaces: []string{"nix0"}, Via: Live}, engine.ErrNoDevice, "ip link"},
		"no such queue":          {TxOnly, Config{Queues: []int{2}}, engine.ErrNoQueue, "ethtool -L"},
		"zero-copy":              {RxDrop, Config{Mode: 1}, engine.ErrNotSupported, "zerocopy"},
		"two of one":             {RxDrop, Config{Interfaces: []string{"xs0", "lo"}}, ErrConfig, "takes 1"},
		"too long":               {TxOnly, Config{Packets: Packets{Size: 1600}}, ErrConfig, "MTU"},
		"too long live":          {Pktgen, Config{Via: Live, Packets: Packets{Size: 1600}}, ErrConfig, "MTU"},
		"rate live":              {Pktgen, Config{Via: Live, Rate: 1}, ErrConfig, "rate"},
		"CPUs":                   {RxDrop, Config{CPUs: []int{0}}, ErrConfig, "1 CPUs for 2 workers"},
		"CPU twice":              {RxDrop, Config{CPUs: []int{0, 0}}, engine.ErrCores, "CPU 0"},
		"CPU beyond live":        {Pktgen, Config{Via: Live, CPUs: []int{1000}, Duration: short}, nil, "CPU 1000"},
		"second down":            {L2Fwd, Config{Interfaces: []string{"xs0", "nix0"}}, engine.ErrNoDevice, "nix0"},
		"address":                {RxDrop, Config{Take: []netip.Addr{netip.MustParseAddr("224.0.0.1")}}, nil, "224.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := on(a, c.run, bounded(t), c.cfg)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %v with %q", err, c.is, c.want)
			}
			if id := attached(t, a, "xs0"); id != 0 {
				t.Errorf("XDP program %d is attached", id)
			}
		})
	}
}

// TestDefaultRouteIsSpared: measuring on the host's way to the world must be asked for.
func TestDefaultRouteIsSpared(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	err := a.Do(func() error {
		return netlink.RouteAdd(&netlink.Route{LinkIndex: a.Interface().Index, Gw: b.Interface().KernelAddr(4).AsSlice()})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context, Config) (Result, error){RxDrop, L2Fwd} {
		if _, err := on(a, run, bounded(t), Config{Duration: short}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "default route") {
			t.Errorf("%v", err)
		}
	}
	to := a.Interface().StackAddr(4)
	for _, cfg := range []Config{{All: true}, {Take: []netip.Addr{to}}} {
		cfg.Duration = 20 * time.Millisecond
		if _, err := on(a, RxDrop, bounded(t), cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := on(a, TxOnly, bounded(t), Config{Duration: 20 * time.Millisecond}); err != nil {
		t.Errorf("sending cuts nobody off: %v", err)
	}
}

// TestInterfaceGoesAway: the benchmark ends with an error that says so.
func TestInterfaceGoesAway(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a := l.Host("a")
	gone := false
	_, err := on(a, TxOnly, bounded(t), Config{Interval: 50 * time.Millisecond, Report: func(Interval) {
		if gone {
			return
		}
		gone = true
		if err := a.Do(func() error {
			link, err := netlink.LinkByName("xs0")
			if err != nil {
				return err
			}
			return netlink.LinkDel(link)
		}); err != nil {
			t.Error(err)
		}
	}})
	if !errors.Is(err, engine.ErrGone) {
		t.Errorf("%v, want %v", err, engine.ErrGone)
	}
}
