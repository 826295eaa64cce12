package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// tcpTests are all benchmarks over TCP, and the ports that they ask.
var tcpTests = []struct {
	name    string
	run     func(context.Context, TCPConfig) (TCPResult, error)
	receive bool
	port    uint16
}{
	{"tcp-rr", TCPRR, false, EchoPort},
	{"tcp-stream", TCPStream, false, DiscardPort},
	{"tcp-stream", TCPStream, true, ChargenPort},
	{"tcp-crr", TCPCRR, false, EchoPort},
}

// tcpServerOn runs the kernel's server in a host until the test ends.
func tcpServerOn(t *testing.T, h *lab.Host, cfg TCPServerConfig) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	ready, ended := make(chan bool, 1), make(chan error, 1)
	cfg.Ready = func() { ready <- true }
	go func() { ended <- h.Do(func() error { return TCPServer(ctx, cfg) }) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
}

// askTCP runs a client in a host until something has passed and there were three intervals.
func askTCP(t *testing.T, h *lab.Host, run func(context.Context, TCPConfig) (TCPResult, error), cfg TCPConfig) (TCPResult, []TCPInterval) {
	t.Helper()
	return askOn(t, func(ctx context.Context, cfg TCPConfig) (res TCPResult, err error) {
		err = h.Do(func() (err error) {
			res, err = run(ctx, cfg)
			return err
		})
		return res, err
	}, cfg)
}

// askOn is askTCP for a client that needs no namespace.
func askOn(t *testing.T, run func(context.Context, TCPConfig) (TCPResult, error), cfg TCPConfig) (res TCPResult, intervals []TCPInterval) {
	t.Helper()
	ctx, cancel := context.WithCancel(bounded(t))
	passed := uint64(0)
	cfg.Interval, cfg.Timeout = 20*time.Millisecond, patience
	cfg.Report = func(i TCPInterval) {
		intervals = append(intervals, i)
		if passed += i.Octets + i.Transactions; passed > 0 && len(intervals) >= 3 {
			cancel()
		}
	}
	res, err := run(ctx, cfg)
	if err != nil || passed == 0 {
		t.Fatalf("%v, %+v", err, res)
	}
	return res, intervals
}

// checkTCP holds a result to what every result must hold to.
func checkTCP(t *testing.T, r *TCPResult, intervals []TCPInterval) {
	t.Helper()
	if r.Interrupted || r.Seconds <= 0 || r.Distance.Tag == "" {
		t.Errorf("%+v", r)
	}
	var transactions, octets uint64
	for _, i := range intervals {
		transactions, octets = transactions+i.Transactions, octets+i.Octets
	}
	if transactions > r.Transactions || octets > r.Octets || r.Seconds < intervals[len(intervals)-1].End {
		t.Errorf("%d transactions and %d octets in intervals, in all %+v", transactions, octets, r)
	}
	if c := &r.Cost; c.CountersMissing == "" && r.Octets > 0 && *c.CyclesPerOctet <= 0 {
		t.Errorf("cost: %+v", c)
	}
	if r.Stream() {
		return
	}
	if l := &r.Latency; r.Transactions == 0 || l.Min <= 0 || l.Min > l.P50 || l.P50 > l.P99 || l.P99 > l.Max {
		t.Errorf("%+v", r)
	}
	if r.Octets != r.Transactions*2*uint64(r.Size) {
		t.Errorf("%d octets in %d transactions of %d each way", r.Octets, r.Transactions, r.Size)
	}
}

// TestTCPKernel: the kernel's client and server, in all ways that they can be told to work.
func TestTCPKernel(t *testing.T) {
	for _, family := range families {
		for _, threads := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/threads %v", familyName(family), threads), func(t *testing.T) {
				l := tidyLab(t, lab.Config{Queues: 1})
				a, b := l.Host("a"), l.Host("b")
				if err := b.Setting("ipv4/tcp_max_tw_buckets", "0"); err != nil {
					t.Fatal(err)
				}
				tcpServerOn(t, a, TCPServerConfig{Threads: threads, Busy: family == 6, CPUs: []int{0}})
				for _, c := range tcpTests {
					for _, connections := range []int{1, 3} {
						res, intervals := askTCP(t, b, c.run, TCPConfig{
							To: addrOf(a, family, c.port), Connections: connections, Receive: c.receive, Busy: connections == 1 && family == 4, CPUs: []int{0},
						})
						checkTCP(t, &res, intervals)
						if res.Bench != c.name || res.Via != "kernel" || res.Connections != connections || res.Stream() != (c.name == "tcp-stream") {
							t.Errorf("%+v", res)
						}
					}
				}
			})
		}
	}
}

// TestTCPSizes: requests of all sizes come back whole, and connections end in both ways.
func TestTCPSizes(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	tcpServerOn(t, a, TCPServerConfig{Addr: a.Interface().KernelAddr(4)})
	for _, size := range []int{1, 1461, MaxRequest} {
		for _, connections := range []int{1, 2} {
			res, intervals := askTCP(t, b, TCPRR, TCPConfig{To: addrOf(a, 4, EchoPort), Size: size, Connections: connections})
			checkTCP(t, &res, intervals)
		}
		res, intervals := askTCP(t, b, TCPCRR, TCPConfig{To: addrOf(a, 4, EchoPort), Size: size, Reset: true})
		checkTCP(t, &res, intervals)
	}
}

func TestTCPDuration(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	tcpServerOn(t, a, TCPServerConfig{})
	err := b.Do(func() error {
		res, err := TCPRR(bounded(t), TCPConfig{To: addrOf(a, 4, EchoPort), Duration: short, Omit: time.Millisecond, Timeout: patience})
		if res.Seconds < short.Seconds() || res.Interrupted {
			t.Errorf("%+v", res)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTCPInterruptedBeforeItMeasures: what passed while nothing was measured is no result.
func TestTCPInterruptedBeforeItMeasures(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	tcpServerOn(t, a, TCPServerConfig{})
	ctx, cancel := context.WithTimeout(bounded(t), 4*short)
	defer cancel()
	err := b.Do(func() error {
		res, err := TCPRR(ctx, TCPConfig{To: addrOf(a, 4, EchoPort), Duration: time.Hour, Omit: time.Hour, Timeout: patience})
		if !res.Interrupted || res.Transactions > 20 {
			t.Errorf("interrupted: %v, %d transactions", res.Interrupted, res.Transactions)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTCPErrors: what can go wrong is said, with what to do.
func TestTCPErrors(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a, b := l.Host("a"), l.Host("b")
	silent, err := a.Listen("tcp", addrOf(a, 4, 7777).String()) // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	rude, err := a.Listen("tcp", addrOf(a, 4, 7778).String())
	if err != nil {
		t.Fatal(err)
	}
	hungUp := make(chan bool)
	go func() {
		defer close(hungUp)
		for {
			c, err := rude.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}()
	defer func() {
		_ = rude.Close()
		<-hungUp
	}()
	for _, c := range tcpTests {
		for _, connections := range []int{1, 2} {
			for port, want := range map[uint16][]string{c.port: {"nobody listens", "server"}, 7777: {"no answer", "50ms"}, 7778: {"bench: "}} {
				if port == 7777 && c.name == "tcp-stream" {
					continue // out, it takes what there is room for; in, nothing
				}
				err := b.Do(func() error {
					_, err := c.run(bounded(t), TCPConfig{To: addrOf(a, 4, port), Connections: connections, Receive: c.receive, Timeout: 50 * time.Millisecond})
					return err
				})
				for _, w := range want {
					if err == nil || !strings.Contains(err.Error(), w) {
						t.Errorf("%s, port %d, %d connections: %v", c.name, port, connections, err)
					}
				}
			}
		}
	}
	if err := (&tcpRun{cfg: &TCPConfig{}}).explain(unix.EADDRNOTAVAIL); !strings.Contains(err.Error(), "--reset") {
		t.Error(err)
	}
}

func TestTCPConfig(t *testing.T) {
	good := netip.MustParseAddrPort("198.18.0.2:7")
	for _, c := range []TCPConfig{
		{},
		{To: netip.MustParseAddrPort("0.0.0.0:7")},
		{To: netip.MustParseAddrPort("198.18.0.2:0")},
		{To: good, Connections: -1},
		{To: good, Connections: MaxConnections + 1},
		{To: good, Size: -1},
		{To: good, Size: MaxTCPSize + 1},
		{To: good, Timeout: time.Millisecond},
		{To: good, Interval: time.Millisecond},
		{To: good, Duration: -1},
		{To: good, Omit: 2 * maxDuration},
	} {
		for _, test := range tcpTests {
			if _, err := test.run(t.Context(), c); !errors.Is(err, ErrConfig) {
				t.Errorf("%s, %+v: %v", test.name, c, err)
			}
		}
	}
	if _, err := TCPRR(t.Context(), TCPConfig{To: good, Size: MaxRequest + 1}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}

func TestTCPServerInUse(t *testing.T) {
	l := tidyLab(t, lab.Config{Queues: 1})
	a := l.Host("a")
	tcpServerOn(t, a, TCPServerConfig{})
	err := a.Do(func() error { return TCPServer(t.Context(), TCPServerConfig{}) })
	if !errors.Is(err, unix.EADDRINUSE) {
		t.Error(err)
	}
	if err := a.Do(func() error { return TCPServer(t.Context(), TCPServerConfig{Addr: netip.MustParseAddr("198.18.9.9")}) }); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Error(err)
	}
}

func sampleTCP() (rr, stream TCPResult) {
	rr = TCPResult{
		Bench: "tcp-rr", Via: "kernel", To: "198.18.0.2:7", Connections: 1, Size: 64, Seconds: 1, Transactions: 100_000, PerSecond: 100_000,
		Octets: 12_800_000, BitsPerSecond: 102_400_000,
		Latency: Latency{Min: 8100, Mean: 10_000, P50: 9900, P90: 11_000, P99: 20_000, P999: 50_000, Max: 1_000_000}, Retransmits: 2,
		Cost: TCPCost{CyclesPerTransaction: at(23_456.7), CyclesPerOctet: at(183.26)}, Distance: Distance{CPUs: [2]int{0, 1}, BeforeNs: 50, AfterNs: 51, Tag: Near},
	}
	stream = rr
	stream.Bench, stream.Direction, stream.To, stream.Size, stream.Transactions, stream.Octets, stream.BitsPerSecond = "tcp-stream", "in", "[2001:2::2]:19", 65536, 0, 1_250_000_000, 1e10
	stream.Cost, stream.Interrupted = TCPCost{CountersMissing: "not permitted"}, true
	return rr, stream
}

func TestTCPText(t *testing.T) {
	var b bytes.Buffer
	rr, stream := sampleTCP()
	for _, r := range []TCPResult{rr, stream} {
		b.WriteString(TCPHeader(r.Stream()) + "\n")
		i := TCPInterval{Start: 1, End: 2, Transactions: r.Transactions, Octets: r.Octets, Latency: r.Latency}
		i.rate()
		i.Text(&b, r.Stream())
		r.Text(&b)
	}
	golden(t, "tcp.golden", b.Bytes())
}

// TestTCPAsJSON: names are a promise.
func TestTCPAsJSON(t *testing.T) {
	rr, stream := sampleTCP()
	b, err := json.MarshalIndent([]any{rr, stream, TCPInterval{Start: 1, End: 2, Transactions: 3, Octets: 4}}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tcpjson.golden", append(b, '\n'))
}

// TestCharacters: what passes the wire is what RFC 864 says.
func TestCharacters(t *testing.T) {
	b := string(characters(2*74 + 5))
	want := ` !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefg\r\n" +
		`!"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefgh\r\n" + `"#$%&`
	if b != want {
		t.Errorf("%q", b)
	}
}
