package ringport_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
)

// countVar tells this test binary to be a program that moves packets: "l2fwd 1000" is a
// thousand turns of a batch.
const countVar = "RINGPORT_COUNT"

const (
	goldenFile = "testdata/instructions.golden"
	// tolerated growth over the golden figure.
	tolerance = 1.05
	// short and long run, in turns of 64 packets: what the difference of the two contains is
	// the work alone, without the start of a program.
	shortRun, longRun = 2_000, 12_000
)

var update = flag.Bool("update", false, "write "+goldenFile+" anew")

// programs are what is counted.
var programs = []string{"rxdrop", "l2fwd"}

// TestInstructions holds the instructions per packet of a worker's turn, the faked
// kernel's among them, to the golden file: a counter that noise does not touch.
func TestInstructions(t *testing.T) {
	if testing.CoverMode() != "" || raceEnabled {
		t.Skip("instructions of a build with the race detector or coverage say nothing")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the golden file is of amd64")
	}
	count := counter(t)
	golden := readGolden(t)
	lines := []string{"# instructions per packet, batch 64; go version; " + strings.Join(programs, ", "), "go " + runtime.Version()}
	for _, name := range programs {
		short, long := count(name, shortRun), count(name, longRun)
		per := float64(long-short) / (64 * (longRun - shortRun))
		t.Logf("%s: %.1f instructions per packet", name, per)
		lines = append(lines, fmt.Sprintf("%s %.1f", name, per))
		if want := golden[name]; !*update && per > want*tolerance {
			t.Errorf("%s: %.1f instructions per packet, %.1f in %s: find what grew, or accept it with -update", name, per, want, goldenFile)
		}
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// count is the program.
func count(work string) {
	name, turns, _ := strings.Cut(work, " ")
	n, err := strconv.Atoi(turns)
	if err != nil {
		panic(err)
	}
	t := &testing.B{}
	b := newBed(t, bedConfig{slots: 2048, frames: 8192})
	var p engine.Program = bare.NewDrop(b.pool)
	kernel := b.receive
	if name == "l2fwd" {
		p, kernel = bare.NewForward(b.pool, 256, nil), b.forward
	}
	w := b.worker(t, p)
	for range n {
		kernel()
		w.Turn(engine.Now())
	}
}
