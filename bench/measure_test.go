package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
)

func TestConfigsThatCannotBe(t *testing.T) {
	good := func(change func(*Config)) Config {
		c := Config{Interfaces: []string{"eth1"}}
		change(&c)
		return c
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "-i eth1"},
		{good(func(c *Config) { c.Interfaces = []string{"a", "b", "c"} }), "3 interfaces"},
		{good(func(c *Config) { c.Interfaces = []string{"a", "a"} }), "named twice"},
		{good(func(c *Config) { c.Duration = -1 }), "duration"},
		{good(func(c *Config) { c.Omit = 25 * time.Hour }), "duration"},
		{good(func(c *Config) { c.Interval = time.Millisecond }), "10 ms"},
		{good(func(c *Config) { c.Batch = engine.MaxBatch + 1 }), "1 to 1024"},
		{good(func(c *Config) { c.Batch = -1 }), "1 to 1024"},
		{good(func(c *Config) { c.Rate = -1 }), "rate"},
		{good(func(c *Config) { c.Port, c.Mode = Asavie, afxdp.Copy }), "auto"},
		{good(func(c *Config) { c.Port, c.Queues = Asavie, []int{0, 1} }), "one queue"},
		{good(func(c *Config) { c.Port, c.Interfaces = Asavie, []string{"a", "b"} }), "one interface"},
		{good(func(c *Config) { c.Port, c.Take = Asavie, []netip.Addr{netip.IPv6Loopback()} }), "no addresses"},
		{good(func(c *Config) { c.Packets.Size = 10 }), "10 bytes"},
	} {
		err := c.cfg.complete(2)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
	if err := new(Config{Interfaces: []string{"a", "b"}}).complete(1); !errors.Is(err, ErrConfig) {
		t.Errorf("two interfaces of one: %v", err)
	}
}

func TestWords(t *testing.T) {
	for _, p := range []PortKind{AFXDP, Asavie} {
		if got, err := ParsePort(p.String()); got != p || err != nil {
			t.Errorf("%s: %v, %v", p, got, err)
		}
	}
	for _, v := range []Via{Sockets, Live} {
		if got, err := ParseVia(v.String()); got != v || err != nil {
			t.Errorf("%s: %v, %v", v, got, err)
		}
	}
	_, portErr := ParsePort("dpdk")
	_, viaErr := ParseVia("dpdk")
	if !errors.Is(portErr, ErrConfig) || !errors.Is(viaErr, ErrConfig) {
		t.Errorf("%v, %v", portErr, viaErr)
	}
}

func TestWorkersBeginAtTheLastCPU(t *testing.T) {
	usable := usableCPUs()
	cpus, err := new(Config).workerCPUs(len(usable) + 1)
	if err != nil || cpus[0] != usable[len(usable)-1] || cpus[len(usable)-1] != usable[0] || cpus[len(usable)] != cpus[0] {
		t.Errorf("%v of %v, %v", cpus, usable, err)
	}
	if cpus, err := new(Config{CPUs: []int{5, 3}}).workerCPUs(2); err != nil || fmt.Sprint(cpus) != "[5 3]" {
		t.Errorf("%v, %v", cpus, err)
	}
	if cpus, err := new(Config{Shared: true}).workerCPUs(2); err != nil || fmt.Sprint(cpus) != "[-1 -1]" {
		t.Errorf("%v, %v", cpus, err)
	}
	if _, err := new(Config{CPUs: []int{0}}).workerCPUs(2); !errors.Is(err, ErrConfig) {
		t.Errorf("one CPU for two workers: %v", err)
	}
}

func TestCountersCount(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := openCounters()
	if err != nil {
		t.Skipf("left out: no counters: %v", err)
	}
	defer c.close()
	before, err := c.read()
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 10_000_000
	x := uint64(1)
	for range rounds {
		x = x*6364136223846793005 + 1
	}
	after, err := c.read()
	if err != nil || x == 0 {
		t.Fatal(err)
	}
	got := after.since(before)
	if got.userInstructions < rounds || got.instructions < got.userInstructions || got.cycles < got.userCycles || got.userCycles == 0 {
		t.Errorf("%d rounds: %+v", rounds, got)
	}
}

func TestDistanceTags(t *testing.T) {
	cpus := usableCPUs()
	if ns := Probe(cpus[0], cpus[0]); ns != 0 {
		t.Errorf("a core is %g ns from itself", ns)
	}
	d := probeBefore(-1)
	d.probeAfter()
	t.Log(d)
	if len(cpus) == 1 && d.Tag != Unknown {
		t.Errorf("one core: %+v", d)
	}
	if d.Tag != Unknown && (d.BeforeNs <= 1 || d.BeforeNs > busyNs || d.AfterNs <= 1 || d.AfterNs > busyNs) {
		t.Errorf("%+v", d)
	}
	for _, c := range []struct {
		before, after float64
		want          string
	}{{55, 60, Near}, {330, 220, Far}, {55, 330, Mixed}, {330, 55, Mixed}, {0, 55, Unknown}, {55, 0, Unknown}} {
		if got := tagOf(c.before, c.after); got != c.want {
			t.Errorf("%g, %g: %s, want %s", c.before, c.after, got, c.want)
		}
	}
}

func TestDropsAreSummedByReason(t *testing.T) {
	full := func(n uint64, stack ...xdpstack.Drop) (s sample) {
		s.ports.RxRingFull, s.stack = n, stack
		return s
	}
	from := []sample{full(5), full(7, xdpstack.Drop{Reason: "ttl", Packets: 3})}
	to := []sample{full(6, xdpstack.Drop{Reason: "ttl", Meaning: "m", Packets: 2}), full(9, xdpstack.Drop{Reason: "ttl", Meaning: "m", Packets: 4}, xdpstack.Drop{Reason: "x", Packets: 1})}
	list, total := drops(from, to)
	want := fmt.Sprint([]Drop{{"kernel", "RX ring full (rx_ring_full)", 3}, {"stack", "ttl: m", 3}, {"stack", "x: ", 1}})
	if fmt.Sprint(list) != want || total != 7 {
		t.Errorf("%v, %d, want %s", list, total, want)
	}
	devices := []Device{{RxDropped: 10, TxDropped: 2}}
	if got := interfaceDrops(devices, list); len(got) != 2 || got[0].Packets != 7 || got[1].Packets != 2 {
		t.Errorf("%v", got)
	}
	if got := interfaceDrops(nil, list); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// fakeTable has pairs of rxdrop, given as tag and rate of each.
func fakeTable(pairs ...[2]Result) *table { return &table{cfg: &TableConfig{Rounds: 5}, pairs: pairs} }

func ran(tag string, mpps float64) Result {
	return Result{Bench: "rxdrop", Distance: Distance{Tag: tag}, Sum: Rate{PacketsPerSecond: mpps * 1e6}, Cost: Cost{Ns: 1e3 / mpps, Cycles: at(100 * mpps)}}
}

func TestTableComparesEqualTagsOnly(t *testing.T) {
	if len(usableCPUs()) < 2 {
		t.Skip("needs two cores: on one there are no tags to compare")
	}
	tb := fakeTable(
		[2]Result{ran(Near, 12), ran(Near, 10)},
		[2]Result{ran(Near, 30), ran(Far, 1)},
		[2]Result{ran(Far, 6), ran(Far, 4)},
		[2]Result{ran(Mixed, 70), ran(Mixed, 1)},
		[2]Result{ran(Unknown, 90), ran(Unknown, 1)}, // the cores were busy
		[2]Result{ran(Near, 14), ran(Near, 10)},
	)
	if got := tb.ratio("rxdrop"); got.Pairs != 3 || got.Ratio != 1.4 {
		t.Errorf("%+v, want the median of 1.2, 1.4 and 1.5", got)
	}
	rows := tb.rows("rxdrop")
	if len(rows) != 4 || rows[0].Runs != 3 || rows[0].PacketsPerSecond != 14e6 || rows[0].Cycles != 1400 || rows[1].Tag != Far || rows[1].Runs != 1 || rows[2].Port != "asavie" || rows[3].Runs != 2 {
		t.Errorf("%+v", rows)
	}
	if got := tb.ratio("txonly"); got.Pairs != 0 || got.Ratio != 0 {
		t.Errorf("%+v", got)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.of); got != c.want {
			t.Errorf("%v: %g, want %g", c.of, got, c.want)
		}
	}
}

func TestEchoConfigsThatCannotBe(t *testing.T) {
	to := netip.MustParseAddrPort("198.18.0.1:7")
	for _, c := range []EchoConfig{
		{}, {To: netip.MustParseAddrPort("198.18.0.1:0")}, {To: netip.MustParseAddrPort("0.0.0.0:7")}, {To: to, Outstanding: -1}, {To: to, Outstanding: MaxOutstanding + 1},
		{To: to, Size: 15}, {To: to, Size: MaxEchoSize + 1}, {To: to, Timeout: 1}, {To: to, Interval: 1}, {To: to, Duration: -1}, {To: to, Omit: -1},
	} {
		if err := c.complete(); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
