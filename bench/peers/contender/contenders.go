package contender

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// Test is what a contender does.
type Test string

// The tests.
const (
	RxDrop Test = "rxdrop" // take frames and drop them
	L2Fwd  Test = "l2fwd"  // send them back, Ethernet addresses swapped
	TxOnly Test = "txonly" // send
)

// Size is that of each frame in octets, without FCS; Batch is how many a program takes at a time.
const (
	Size  = 64
	Batch = 64
)

const testpmdName = "testpmd"

// Contender is a program that can be measured.
type Contender struct {
	Name string
	// Start starts it in host h, on interface name and core cpu.
	Start func(ctx context.Context, h *lab.Host, test Test, name string, cpu int) (*Process, error)
}

// The contenders.
var (
	XDPStack = Contender{"xdpstack", again("xdpstack")}
	Asavie   = Contender{"asavie", again("asavie")}
	Testpmd  = Contender{testpmdName, testpmd}
)

// Source starts a source of frames.
func Source(ctx context.Context, h *lab.Host, name string, cpu int) (*Process, error) {
	return again("source")(ctx, h, "live", name, cpu)
}

// again starts this program anew, for Main to run.
func again(what string) func(ctx context.Context, h *lab.Host, test Test, name string, cpu int) (*Process, error) {
	return func(ctx context.Context, h *lab.Host, test Test, name string, cpu int) (*Process, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("contender: %w", err)
		}
		return start(ctx, h, what, self, childWord, what, string(test), name, strconv.Itoa(cpu))
	}
}

// testpmd starts DPDK's. Its main thread, which only waits for a line, is on core 0. Busy polling
// of the kernel is off: with its default budget of 64, on a veth, it takes half as many
// packets, and sends as many.
func testpmd(ctx context.Context, h *lab.Host, test Test, name string, cpu int) (*Process, error) {
	mode, ok := map[Test]string{RxDrop: "rxonly", L2Fwd: "macswap", TxOnly: "txonly"}[test]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUsage, test)
	}
	path, err := exec.LookPath("dpdk-testpmd")
	if err != nil {
		return nil, fmt.Errorf("contender: %w", missing(err))
	}
	return start(ctx, h, testpmdName, path,
		"--no-huge", "-m", "512", "--no-pci", "--no-telemetry", "--no-shconf",
		"-l", fmt.Sprintf("0,%d", cpu), "--main-lcore", "0",
		"--vdev", "net_af_xdp0,iface="+name+",busy_budget=0",
		"--",
		"--forward-mode="+mode, "--total-num-mbufs=16384",
		"--txpkts="+strconv.Itoa(Size), "--burst="+strconv.Itoa(Batch))
}
