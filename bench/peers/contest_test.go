package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// tagged is a run of two figures.
func tagged(tag string, a, b float64, err error) trial {
	before := map[string]float64{bench.Near: 50, bench.Far: 230, bench.Mixed: 50}[tag]
	after := map[string]float64{bench.Near: 51, bench.Far: 231, bench.Mixed: 230}[tag]
	t := trial{distance: bench.Distance{BeforeNs: before, AfterNs: after, Tag: tag}, err: err}
	if err == nil {
		t.figures = []float64{a, b}
	}
	return t
}

// inventedContest is one of five good rounds, one of unequal tags, and one with an error.
func inventedContest() *contest {
	c := &contest{
		name: "made up", head: []string{"Nothing", "was measured."}, twoCores: true,
		columns:  []column{{"µs", "%.1f"}, {"Gbit/s", "%.2f"}},
		entrants: []entrant{{name: "ours"}, {name: "theirs"}},
		wants: []want{
			{what: "time", column: 0, theirs: 1, most: 1.1},
			{what: "rate", column: 1, theirs: 1, least: 0.8},
			{what: "rate itself", column: 1, theirs: none, least: 9},
			{what: "told, not asked for", column: 1, theirs: 1},
			{what: "both", theirs: 1, least: 2, ratio: func(ours, theirs *trial) float64 { return ours.figures[0] / theirs.figures[1] }},
		},
	}
	for i := range 5 {
		c.rounds = append(c.rounds, []trial{tagged(bench.Near, 10+float64(i), 9, nil), tagged(bench.Near, 10, 10, nil)})
	}
	c.rounds = append(c.rounds,
		[]trial{tagged(bench.Near, 1, 1, nil), tagged(bench.Far, 1, 1, nil)},
		[]trial{tagged(bench.Near, 0, 0, errDisturbed), tagged(bench.Near, 1, 1, nil)})
	return c
}

func TestContestVerdicts(t *testing.T) {
	c := inventedContest()
	if !c.enough(5) || c.enough(6) {
		t.Error("5 pairs are not 5")
	}
	got := c.verdicts()
	want := []verdict{
		{"made up: time: 1.200 of theirs's, 1.1 at most", false},
		{"made up: rate: 0.900 of theirs's, 0.8 at least", true},
		{"made up: rate itself: 9.00 Gbit/s, 9 at least", true},
		{"made up: both: 1.200 of theirs's, 2 at least", false},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	c.rounds = c.rounds[1:]
	for i, v := range c.verdicts() {
		if enough := c.wants[i].theirs == none; !enough && (v.ok || !strings.Contains(v.what, "4 runs that compare")) {
			t.Errorf("%s", v)
		}
	}
}

// Entrants take turns; a run that does not compare with its round's first is made again, twice at most.
func TestContestTakesTurns(t *testing.T) {
	var order string
	failures := 4
	c := &contest{name: "turns", columns: []column{{"x", "%.0f"}}, entrants: []entrant{
		{"a", func(context.Context) ([]float64, string, error) { order += "a"; return []float64{1}, "note", nil }},
		{"b", func(context.Context) ([]float64, string, error) {
			order += "b"
			if failures--; failures >= 0 {
				return nil, "", errDisturbed
			}
			return []float64{2}, "", nil
		}},
	}}
	c.compare(t.Context(), limits{pairs: 2, rounds: 4, each: time.Hour}, io.Discard)
	if order != "abbb"+"abb"+"ab" || len(c.rounds) != 3 {
		t.Errorf("%q, %d rounds", order, len(c.rounds))
	}
	if c.compare(t.Context(), limits{pairs: 9, rounds: 4, each: time.Hour}, io.Discard); len(c.rounds) != 4 {
		t.Errorf("%d rounds where 4 are the limit", len(c.rounds))
	}
}

func TestContestReport(t *testing.T) {
	const golden = "testdata/contest.txt"
	r := report{facts: []fact{{"date", "2026-01-02 03:04 UTC"}}, sections: []section{inventedContest()}}
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

func TestMemoryProcess(t *testing.T) {
	for _, s := range tcpStacks {
		for _, test := range tcpTests {
			figures, _, err := runMemory(t.Context(), s.name, test.name)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, %s: %.0f", s.name, test.name, figures)
			if figures[0] <= 0 || test.name == streamName && figures[streamRate] <= 0 || s.name == "xdpstack" && figures[2] >= wantAllocs {
				t.Errorf("%s, %s: %v", s.name, test.name, figures)
			}
		}
	}
	for _, args := range [][]string{nil, {"xdpstack"}, {"xdpstack", "more"}, {"nobody", "rr"}} {
		if err := memoryMain(args, io.Discard); !errors.Is(err, errMemory) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Every server serves what it is asked for, and ends when it is told to.
func TestServers(t *testing.T) {
	testenv.Root(t)
	for _, test := range labTests {
		for kind := range serverNames {
			t.Run(test.test+"/"+string(kind), func(t *testing.T) {
				figures, _, err := askInLab(t.Context(), kind, test.test, kind == contender.KernelBusy, test.port, test.figures)
				if err != nil || figures[0] <= 0 {
					t.Errorf("%v, %v", figures, err)
				}
			})
		}
	}
}

func TestServersOfHTTP(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	text := bytes.Repeat([]byte("y"), fileSize)
	if err := os.WriteFile(filepath.Join(dir, fileName), text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range httpContests {
		for _, s := range c.servers {
			t.Run(s.name, func(t *testing.T) {
				if _, err := exec.LookPath("nginx"); err != nil && s.kind == contender.Nginx {
					t.Skip("left out: no nginx; \"scripts/setup\" installs it")
				}
				err := serving(t.Context(), s.kind, dir, s.port, func(far *lab.Host, _ *contender.Process, to netip.AddrPort) error {
					client := http.Client{Transport: &http.Transport{DialContext: far.Dial, DisableKeepAlives: true}}
					r, err := client.Get("http://" + to.String() + "/" + fileName)
					if err != nil {
						return err
					}
					got, err := io.ReadAll(r.Body)
					if !bytes.Equal(got, text) {
						t.Errorf("%s: %q", r.Status, got)
					}
					return errors.Join(err, r.Body.Close())
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestParseWrk(t *testing.T) {
	const good = `Running 2s test @ http://198.18.0.2:80/612.html
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   331.33us  180.00us   8.10ms   91.71%
    Req/Sec    95.80k     4.33k  101.10k    85.00%
  Latency Distribution
     50%  312.00us
     75%  378.00us
     90%  451.00us
     99%  650.00us
  190561 requests in 2.00s, 154.28MB read
Requests/sec:  95276.35
Transfer/sec:     77.14MB
`
	for text, want := range map[string]wrkSaid{
		good: {requests: 190561, rate: 95276.35, p50: 312},
		strings.Replace(good, "50%  312.00us", "50%    1.50ms", 1): {requests: 190561, rate: 95276.35, p50: 1500},
	} {
		if got, err := parseWrk(text); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, text := range []string{"", good + "  Socket errors: connect 0, read 3, write 0, timeout 0\n", good + "  Non-2xx or 3xx responses: 7\n", strings.Replace(good, "Requests/sec", "Requests", 1)} {
		if got, err := parseWrk(text); !errors.Is(err, errWrk) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// What counts is the rate, but the server's cycles where wrk has no time left.
func TestServed(t *testing.T) {
	ours := trial{figures: []float64{perSecond: 300, clientBusy: 90, cycles: 10}}
	theirs := trial{figures: []float64{perSecond: 200, clientBusy: 80, cycles: 40}}
	if got := served(&ours, &theirs); got != 1.5 {
		t.Error(got)
	}
	ours.figures[clientBusy] = 99
	if got := served(&ours, &theirs); got != 1.5 {
		t.Error(got)
	}
	theirs.figures[clientBusy] = 99
	if got := served(&ours, &theirs); math.Abs(got-4) > 1e-9 {
		t.Error(got)
	}
}
