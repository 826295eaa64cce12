package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/bench/peers/meter"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestMain is the program itself in the processes that tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == echoWord || os.Args[1] == memoryWord || os.Args[1] == "child") {
		main()
		return
	}
	os.Exit(m.Run())
}

// Every contender does every test: packets pass, and it ends when it is told to.
func TestContenders(t *testing.T) {
	testenv.Root(t)
	for _, test := range []contender.Test{contender.RxDrop, contender.L2Fwd, contender.TxOnly} {
		for _, c := range contenders {
			t.Run(string(test)+"/"+c.Name, func(t *testing.T) {
				if _, err := exec.LookPath("dpdk-testpmd"); err != nil && c.Name == contender.Testpmd.Name {
					t.Skip("left out: no dpdk-testpmd; \"scripts/setup peers\" installs it")
				}
				l := labtest.New(t, lab.Config{Queues: 1})
				ctx, cancel := context.WithTimeout(t.Context(), runTime)
				defer cancel()
				counted, err := inLab(ctx, l, c, test)
				if err != nil && !errors.Is(err, errDisturbed) { // packets passed, on a busy machine
					t.Fatal(err)
				}
				t.Logf("%+v", counted)
				if err == nil && (counted.packets == 0 || counted.worker.Instructions == 0) {
					t.Errorf("%+v", counted)
				}
			})
		}
	}
}

// A contender that does not start is said at once.
func TestContenderThatEnds(t *testing.T) {
	l := labtest.New(t, lab.Config{Queues: 1})
	broken := contender.Contender{Name: "broken", Start: func(ctx context.Context, h *lab.Host, test contender.Test, _ string, cpu int) (*contender.Process, error) {
		return contender.XDPStack.Start(ctx, h, test, "nothing0", cpu)
	}}
	_, err := inLab(t.Context(), l, broken, contender.TxOnly)
	if !errors.Is(err, contender.ErrEnded) || !strings.Contains(err.Error(), "nothing0") {
		t.Error(err)
	}
}

func TestEchoProcess(t *testing.T) {
	for _, p := range echoPairs {
		r := runEcho(t.Context(), p.name, 32)
		if r.err != nil {
			t.Fatal(r.err)
		}
		t.Logf("%s: %+v", p.name, r)
		if r.CPUNs <= 0 || r.Trips <= 0 || p.name == "xdpstack" && r.Allocations >= wantAllocs {
			t.Errorf("%s: %+v", p.name, r)
		}
	}
	for _, args := range [][]string{nil, {"xdpstack"}, {"xdpstack", "many"}, {"nobody", "1"}} {
		if err := echoMain(args, io.Discard); !errors.Is(err, errEcho) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestOnlyWhatThereIs(t *testing.T) {
	testenv.Root(t)
	if err := command([]string{"-only", "rxdorp"}); !errors.Is(err, errTests) {
		t.Error(err)
	}
}

func TestSlicesThatCount(t *testing.T) {
	at := time.Unix(0, 0)
	var sum total
	for i, waited := range []float64{0, 0.03, 0.01, 1} {
		sum.add(reading{at: at, waited: time.Hour}, reading{
			at: at.Add(sliceTime), packets: 10, waited: time.Hour + time.Duration(waited*float64(sliceTime)),
			worker: meter.Counts{Cycles: 300, UserCycles: 100, Instructions: 200},
		})
		if want := []int{1, 1, 2, 2}[i]; sum.slices != want {
			t.Errorf("after a wait of %v of a slice %d slices count, want %d", waited, sum.slices, want)
		}
	}
	if sum.disturbed != 2 || sum.packets != 20 || sum.took != 2*sliceTime || sum.worker != (meter.Counts{Cycles: 600, UserCycles: 200, Instructions: 400}) {
		t.Errorf("%+v", sum)
	}
}

// made is a run with so many packets in a second.
func made(name, tag string, packets, cycles uint64, err error) run {
	before := map[string]float64{bench.Near: 50, bench.Far: 230, bench.Mixed: 50}[tag]
	after := map[string]float64{bench.Near: 51, bench.Far: 231, bench.Mixed: 230}[tag]
	return run{
		contender: name, err: err, distance: bench.Distance{BeforeNs: before, AfterNs: after, Tag: tag},
		total: total{slices: 20, took: time.Second, packets: packets, worker: meter.Counts{Cycles: cycles, UserCycles: cycles / 2, Instructions: 2 * cycles}},
	}
}

// invented is a result: five good rounds, one of unequal tags, one with an error.
func invented() result {
	r := result{test: contender.RxDrop}
	for i := range uint64(5) {
		r.rounds = append(r.rounds, []run{
			made("xdpstack", bench.Near, 10_000_000+i*100_000, 2_600_000_000, nil),
			made("testpmd", bench.Near, 10_000_000, 2_600_000_000, nil),
			made("asavie", bench.Near, 11_000_000, 2_600_000_000, nil),
		})
	}
	r.rounds = append(r.rounds, []run{
		made("xdpstack", bench.Mixed, 1, 1, nil), made("testpmd", bench.Mixed, 1, 1, nil), made("asavie", bench.Far, 1, 1, nil),
	}, []run{
		made("xdpstack", bench.Far, 1, 1, nil), made("testpmd", bench.Far, 1, 1, errDisturbed), made("asavie", bench.Near, 1, 1, nil),
	})
	return r
}

func TestPairs(t *testing.T) {
	r := invented()
	for i := 1; i < len(contenders); i++ {
		if n := len(r.pairs(i)); n != 5 {
			t.Errorf("%d pairs with %s, want 5", n, contenders[i].Name)
		}
	}
	if !r.enough(5) || r.enough(6) {
		t.Error("5 pairs are not 5")
	}
	if got := median(r.pairs(1), pair.rate); got != 1.02 {
		t.Errorf("median ratio %v, want 1.02", got)
	}
}

// A run is made again for its tag or its error, not for its figures.
func TestPersist(t *testing.T) {
	runs := []run{
		made("asavie", bench.Mixed, 9, 9, nil), made("asavie", bench.Near, 9, 9, errDisturbed), made("asavie", bench.Far, 1, 1, nil), made("asavie", bench.Near, 9, 9, nil),
	}
	for n, want := range []int{0, 1, 2, 3, 3} {
		made := 0
		last := persist(n, (*run).usable, func() run { made++; return runs[made-1] })
		if made != want || n > 0 && last.distance != runs[want-1].distance {
			t.Errorf("%d attempts at most: %d, the last %s", n, made, &last)
		}
	}
}

// Every target can be missed.
func TestVerdicts(t *testing.T) {
	r := invented()
	want := []bool{true, true, false, false} // testpmd's rate and cycles, asavie's
	for i, v := range r.verdicts() {
		if v.ok != want[i] {
			t.Errorf("%s", v)
		}
	}
	r.rounds = r.rounds[1:]
	for _, v := range r.verdicts() {
		if v.ok || !strings.Contains(v.what, "4 pairs") {
			t.Errorf("%s", v)
		}
	}
	for _, c := range []struct {
		ns, allocs float64
		rounds     int
		want       []bool
	}{
		{240, 0, 5, []bool{true, true}},
		{260, 0, 5, []bool{false, true}},
		{240, 1, 5, []bool{true, false}},
		{240, 0, 4, []bool{false}},
	} {
		e := echoResult{window: echoTarget}
		for range c.rounds {
			e.rounds = append(e.rounds, []echoRun{{CPUNs: c.ns, Allocations: c.allocs}, {CPUNs: 8000, Allocations: 21}})
		}
		got := e.verdicts()
		if len(got) != len(c.want) {
			t.Fatalf("%+v: %v", c, got)
		}
		for i, v := range got {
			if v.ok != c.want[i] {
				t.Errorf("%+v: %s", c, v)
			}
		}
	}
}

func TestMedian(t *testing.T) {
	same := func(f float64) float64 { return f }
	for _, c := range []struct {
		list []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.list, same); got != c.want {
			t.Errorf("%v: %v", c.list, got)
		}
	}
}

func TestReport(t *testing.T) {
	const golden = "testdata/report.txt"
	r := report{
		facts: []fact{{"date", "2026-01-02 03:04 UTC"}, {"kernel", "6.18 x86_64"}},
		tests: []result{invented()},
		echoes: []echoResult{{window: 32, rounds: [][]echoRun{
			{{CPUNs: 200, WallNs: 210}, {CPUNs: 8000, WallNs: 8100, Allocations: 21}},
			{{err: errEcho}, {CPUNs: 8000, WallNs: 8100, Allocations: 21}},
		}}},
	}
	var b bytes.Buffer
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the report differs from %s; \"go test -update .\" writes it anew:\n%s", golden, &b)
	}
}
