package contender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/asavie"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
)

// childWord is the first argument of a process that again started.
const childWord = "child"

// ErrUsage says that a program was asked for what there is not.
var ErrUsage = errors.New("contender: no such thing")

// Main is the whole life of a process that this package started, if args, without the program's
// name, say that this is one.
func Main(args []string) (isChild bool, err error) {
	if len(args) == 0 || args[0] != childWord {
		return false, nil
	}
	if len(args) != 5 {
		return true, fmt.Errorf("%w: %q", ErrUsage, args)
	}
	cpu, err := strconv.Atoi(args[4])
	if err != nil {
		return true, fmt.Errorf("%w: core %q", ErrUsage, args[4])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if serve, ok := servers[args[1]]; ok {
		return true, serve(ctx, args[2], args[3], cpu)
	}
	return true, child(ctx, args[1], Test(args[2]), args[3], cpu)
}

func child(ctx context.Context, what string, test Test, name string, cpu int) (err error) {
	cfg := bench.Config{
		Interfaces: []string{name}, CPUs: []int{cpu}, Mode: afxdp.Copy, Poll: engine.Busy, Batch: Batch,
		Packets: bench.Packets{Size: Size},
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	switch what {
	case "xdpstack":
		run, ok := map[Test]func(context.Context, bench.Config) (bench.Result, error){
			RxDrop: bench.RxDrop, L2Fwd: bench.L2Fwd, TxOnly: bench.TxOnly,
		}[test]
		if !ok {
			return fmt.Errorf("%w: test %q", ErrUsage, test)
		}
		_, err = run(ctx, cfg)
		return err
	case "source":
		cfg.Mode, cfg.Via = afxdp.Auto, bench.Live
		_, err = bench.Pktgen(ctx, cfg)
		return err
	case "asavie":
		var stopped atomic.Bool
		defer context.AfterFunc(ctx, func() { stopped.Store(true) })()
		return asavie.Run(string(test), name, cpu, make([]byte, Size), &stopped)
	}
	return fmt.Errorf("%w: %q", ErrUsage, what)
}
