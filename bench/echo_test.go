package bench

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/lab"
)

// dialIn dials in the namespace of a host.
func dialIn(h *lab.Host) func(context.Context, string, string) (net.Conn, error) {
	return h.Dial
}

func addrOf(h *lab.Host, family int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(h.Interface().KernelAddr(family), port)
}

func checkEcho(t *testing.T, r *EchoResult, intervals []EchoInterval) {
	t.Helper()
	l := &r.Latency
	if r.Trips == 0 || l.Min <= 0 || l.Min > l.P50 || l.P50 > l.P99 || l.P99 > l.Max || l.Mean < l.Min || r.Interrupted {
		t.Errorf("%+v", r)
	}
	sum := uint64(0)
	for _, i := range intervals {
		sum += i.Trips
	}
	if last := intervals[len(intervals)-1]; sum == 0 || sum > r.Trips || r.Seconds < last.End {
		t.Errorf("%d intervals of %d round trips, in all %d in %g s", len(intervals), sum, r.Trips, r.Seconds)
	}
}

// ask runs the client until it has had answers and three intervals, however long that takes on a machine that is
// busy with other tests.
func ask(t *testing.T, cfg EchoConfig) (res EchoResult, intervals []EchoInterval) {
	t.Helper()
	ctx, cancel := context.WithCancel(bounded(t))
	answers := uint64(0)
	cfg.Interval = short / 3
	cfg.Report = func(i EchoInterval) {
		intervals = append(intervals, i)
		if answers += i.Trips; answers > 0 && len(intervals) >= 3 {
			cancel()
		}
	}
	res, err := EchoClient(ctx, cfg)
	if err != nil || answers == 0 {
		t.Fatalf("%v, %+v", err, res)
	}
	return res, intervals
}

func TestEchoClientAsksTheKernel(t *testing.T) {
	for _, family := range families {
		t.Run(familyName(family), func(t *testing.T) {
			l := tidyLab(t, lab.Config{Queues: 1})
			a, b := l.Host("a"), l.Host("b")
			to := addrOf(b, family, EchoPort)
			kernelEcho(t, b, to.String(), asItIs)
			res, intervals := ask(t, EchoConfig{Dial: dialIn(a), Via: "kernel", To: to, Outstanding: 4, Timeout: patience, Omit: 20 * time.Millisecond})
			checkEcho(t, &res, intervals)
			if res.Lost != 0 || res.Wrong != 0 {
				t.Errorf("%+v", res)
			}
		})
	}
}

// TestEchoClientCountsLossAndLies: every tenth datagram is not answered, every eleventh answer is another.
func TestEchoClientCountsLossAndLies(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	to := addrOf(l.Host("b"), 4, EchoPort)
	kernelEcho(t, l.Host("b"), to.String(), func(n int, b []byte) []byte {
		switch {
		case n%10 == 9:
			return nil
		case n%11 == 10:
			b[len(b)-1]++
		}
		return b
	})
	res, err := EchoClient(bounded(t), EchoConfig{Dial: dialIn(l.Host("a")), To: to, Timeout: time.Millisecond, Duration: short})
	if err != nil || res.Trips == 0 || res.Lost == 0 || res.Wrong == 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestEchoClientPassesOverSecondAnswers: an answer that comes late, or twice, is neither a round trip nor wrong.
func TestEchoClientPassesOverSecondAnswers(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	to := addrOf(l.Host("b"), 4, EchoPort)
	var before []byte
	kernelEcho(t, l.Host("b"), to.String(), func(n int, b []byte) []byte {
		if n%2 == 1 { // with the answer before this one's
			before, b = append([]byte{}, b...), before
		} else {
			before = append(before[:0], b...)
		}
		return b
	})
	res, err := EchoClient(bounded(t), EchoConfig{Dial: dialIn(l.Host("a")), To: to, Timeout: 5 * time.Millisecond, Duration: short})
	if err != nil || res.Trips == 0 || res.Lost == 0 || res.Wrong != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestEchoClientWithoutServer(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	_, err := EchoClient(bounded(t), EchoConfig{Dial: dialIn(a), To: addrOf(b, 4, EchoPort), Duration: short})
	if err == nil || !strings.Contains(err.Error(), "nobody listens at 198.18.0.1:7") {
		t.Errorf("%v", err)
	}
	kernelEcho(t, b, addrOf(b, 4, EchoPort).String(), func(int, []byte) []byte { return nil })
	_, err = EchoClient(bounded(t), EchoConfig{Dial: dialIn(a), To: addrOf(b, 4, EchoPort), Duration: short})
	if err == nil || !strings.Contains(err.Error(), "no answer from 198.18.0.1:7") {
		t.Errorf("%v", err)
	}
	broken := errors.New("no such way")
	_, err = EchoClient(bounded(t), EchoConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, broken }, To: addrOf(b, 4, EchoPort)})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestEchoClientEndsWithItsContext(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	to := addrOf(b, 4, EchoPort)
	kernelEcho(t, b, to.String(), asItIs)
	ctx, cancel := context.WithCancel(bounded(t))
	var ended time.Time
	res, err := EchoClient(ctx, EchoConfig{Dial: dialIn(a), To: to, Duration: time.Hour, Interval: 20 * time.Millisecond, Report: func(EchoInterval) {
		if ended.IsZero() {
			ended = time.Now()
			cancel()
		}
	}})
	if took := time.Since(ended); err != nil || !res.Interrupted || res.Trips == 0 || took > patience/2 {
		t.Errorf("after %v: %+v, %v", took, res, err)
	}
}

// stackOn opens the stack on a host of a lab.
func stackOn(t *testing.T, h *lab.Host) *xdpstack.Host {
	t.Helper()
	var s *xdpstack.Host
	err := h.Do(func() (err error) {
		i := h.Interface()
		s, err = xdpstack.New(t.Context(), xdpstack.Config{Interface: i.Name, Addresses: []netip.Prefix{i.Stack4, i.Stack6}, Scheduling: engine.Dedicated, DAD: -1, Log: quiet()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestEchoClientOnTheStack asks the kernel's server through the stack.
func TestEchoClientOnTheStack(t *testing.T) {
	for _, family := range families {
		t.Run(familyName(family), func(t *testing.T) {
			l := tidyLab(t, lab.Config{Queues: 2})
			b := l.Host("b")
			to := addrOf(b, family, EchoPort)
			kernelEcho(t, b, to.String(), asItIs)
			h := stackOn(t, l.Host("a"))
			res, intervals := ask(t, EchoConfig{Dial: h.DialContext, Via: "xdpstack", To: to, Outstanding: 4})
			checkEcho(t, &res, intervals)
			if res.Wrong != 0 {
				t.Errorf("%+v", res)
			}
		})
	}
}

// TestEchoServerAnswers: the stack's server and the kernel's client count the same.
func TestEchoServerAnswers(t *testing.T) {
	for _, family := range families {
		t.Run(familyName(family), func(t *testing.T) {
			l := tidyLab(t, lab.Config{Queues: 2})
			a, b := l.Host("a"), l.Host("b")
			h := stackOn(t, a)
			ctx, end := context.WithCancel(bounded(t))
			ended := make(chan error, 1)
			var served Result
			began := make(chan bool, 1000)
			go func() {
				var err error
				served, err = on(a, func(ctx context.Context, cfg Config) (Result, error) { return EchoServer(ctx, h, cfg) }, ctx, Config{
					Interval: 10 * time.Millisecond, Report: func(Interval) { began <- true },
				})
				ended <- err
			}()
			<-began // listens
			to := netip.AddrPortFrom(a.Interface().StackAddr(family), EchoPort)
			asked, _ := ask(t, EchoConfig{Dial: dialIn(b), Via: "kernel", To: to, Outstanding: 8})
			end()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			// ARP, ND and what the client asked before and after it measured come on top.
			if asked.Trips == 0 || asked.Wrong != 0 || served.Sum.Packets < asked.Trips || served.Sum.Packets > 2*asked.Trips+noise {
				t.Errorf("asked: %+v\nserved: %+v", asked, served)
			}
			if d := &served.Devices[0]; d.Mode != "copy" || len(served.Parts) != 2 || served.Parts[0].CPU == served.Parts[1].CPU {
				t.Errorf("%+v", served)
			}
		})
	}
}
