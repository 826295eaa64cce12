package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-update writes it anew):\n%s", name, diff)
	}
}

func at[T any](v T) *T { return &v }

// sampleInterval is one of two workers.
func sampleInterval() Interval {
	one := Part{
		Worker: 0, CPU: 1, Queue: 0, Share: 0.75, LongestGap: 35 * time.Microsecond,
		Rate: newRate(6_300_000, 403_200_000, time.Second),
		Cost: Cost{Ns: 158.7, Calls: 0.0156, RxBatch: 63.9, TxBatch: 63.1, Idle: at(0.125), Cycles: at(560.4), Instructions: at(700.6), UserCycles: at(40.2), UserInstructions: at(80.1)},
	}
	two := Part{
		Worker: 1, CPU: 0, Queue: 1, Share: 0.25,
		Rate: newRate(2_100_000, 134_400_000, time.Second),
		Cost: Cost{Ns: 476.2, TxBatch: 12.5, CountersMissing: "not permitted"},
	}
	i := Interval{Start: 1, End: 2, Parts: []Part{one, two}, Sum: one.Rate, Cost: one.Cost, Dropped: 42}
	i.Sum.add(two.Rate)
	return i
}

func sampleResult() Result {
	i := sampleInterval()
	return Result{
		Bench: "l2fwd", Port: "afxdp", Poll: "adaptive", Scheduling: "dedicated", Batch: 64, Size: 64,
		Sum: i.Sum, Cost: i.Cost, Parts: i.Parts, Dropped: 42,
		Devices: []Device{
			{Name: "eth1", Driver: "veth", Mode: "copy", Attached: "native", Reasons: []string{"zerocopy: eth1 does not offer it"}, Verdicts: []Verdict{{"taken-all", 8_400_042}}, RxPackets: 8_400_042, RxDropped: 42},
			{Name: "eth2", Driver: "veth", Mode: "copy", Attached: "native", Reasons: []string{}, Verdicts: []Verdict{}, TxPackets: 8_400_000},
		},
		Drops: []Drop{{"kernel", "RX ring full (rx_ring_full)", 40}, {"program", "queue full while the TX ring was", 2}},
		Whole: Whole{Received: 8_400_000, Sent: 8_400_000, Completed: 8_400_000}, Distance: Distance{CPUs: [2]int{0, 1}, BeforeNs: 54.6, AfterNs: 56.2, Tag: Near},
		Warnings: []string{"GOMAXPROCS is 4 on 2 cores"}, Interrupted: true, Began: time.Unix(1_800_000_000, 0).UTC(),
	}
}

func TestIntervalText(t *testing.T) {
	var b bytes.Buffer
	i := sampleInterval()
	b.WriteString(Header() + "\n")
	i.Text(&b)
	i.Parts = i.Parts[:1]
	i.Text(&b)
	golden(t, "interval.golden", b.Bytes())
}

func TestResultText(t *testing.T) {
	var b bytes.Buffer
	r := sampleResult()
	r.Text(&b)
	r.Cost = r.Parts[1].Cost
	r.Drops, r.Warnings, r.Interrupted, r.Distance, r.Size = nil, nil, false, Distance{Tag: Unknown}, 0
	r.Devices, r.Parts = r.Devices[:1], []Part{{CPU: -1, Queue: -1}}
	r.Text(&b)
	golden(t, "result.golden", b.Bytes())
}

func sampleEcho() (EchoInterval, EchoResult) {
	l := Latency{Min: 6100, Mean: 7300, P50: 7000, P90: 7700, P99: 17000, P999: 42000, Max: 2228200}
	i := EchoInterval{Start: 0, End: 1, Trips: 142768, PerSecond: 142768, Lost: 3, Latency: l}
	return i, EchoResult{
		Bench: "udp-echo", Via: "xdpstack", To: "198.18.0.1:7", Outstanding: 32, Size: 64, Seconds: 1, Trips: 142768,
		PerSecond: 142768, Lost: 3, Wrong: 1, Latency: l, Distance: Distance{CPUs: [2]int{0, 1}, BeforeNs: 330, AfterNs: 333, Tag: Far},
		Interrupted: true, Began: time.Unix(1_800_000_000, 0).UTC(),
	}
}

func TestEchoText(t *testing.T) {
	var b bytes.Buffer
	i, r := sampleEcho()
	b.WriteString(EchoHeader() + "\n")
	i.Text(&b)
	r.Text(&b)
	golden(t, "echo.golden", b.Bytes())
}

func sampleTable() TableResult {
	return TableResult{
		Machine: Machine{CPU: "a processor", Cores: 2, Kernel: "Linux 6.18", Go: "go1.26"}, Size: 64,
		Rows:        []Row{{"rxdrop", "afxdp", Near, 5, 14.25e6, 70.2, 180, 0.0001}, {"rxdrop", "asavie", Near, 5, 13.6e6, 73.5, 0, 0}},
		Ratios:      []Ratio{{"rxdrop", 5, 1.048}},
		Interrupted: true,
	}
}

func TestTableText(t *testing.T) {
	var b bytes.Buffer
	r := sampleTable()
	r.Text(&b)
	golden(t, "table.golden", b.Bytes())
}

// TestJSONKeepsItsNames: what programs read must not change under them.
func TestJSONKeepsItsNames(t *testing.T) {
	ei, er := sampleEcho()
	text, err := json.MarshalIndent(map[string]any{
		"interval": sampleInterval(), "result": sampleResult(), "echo_interval": ei, "echo_result": er, "table": sampleTable(),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "json.golden", append(text, '\n'))
}

func TestNothingPassedIsNoInfinity(t *testing.T) {
	var s spent
	c := s.cost(0)
	r := newRate(0, 0, 0)
	if _, err := json.Marshal([]any{c, r}); err != nil {
		t.Error(err)
	}
	if c.Ns != 0 || *c.Cycles != 0 || c.Idle != nil || r.PacketsPerSecond != 0 {
		t.Errorf("%+v, %+v", c, r)
	}
}

func TestUnitPrefixes(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00 pps", 999: "999.00 pps", 1000: "1.00 kpps", 2.1e6: "2.10 Mpps", 1.488e10: "14.88 Gpps"} {
		if got := si(v, "pps"); got != want {
			t.Errorf("%g: %q, want %q", v, got, want)
		}
	}
}
