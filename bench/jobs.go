package bench

import (
	"context"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
)

// job is one benchmark: what its workers run, and which packets count.
type job struct {
	name       string
	interfaces int  // most of them
	takes      bool // packets off the interfaces
	sends      bool // Config.Packets
	program    func(r *rig, w *worker) (p engine.Program, dropped func() uint64)
	counted    func(s *spent) (packets, bytes uint64)
}

func received(s *spent) (packets, bytes uint64) { return s.rx, s.rxBytes }
func sent(s *spent) (packets, bytes uint64)     { return s.tx, s.txBytes }

// RxDrop takes packets and drops them.
func RxDrop(ctx context.Context, cfg Config) (Result, error) {
	return run(ctx, cfg, job{
		name: "rxdrop", interfaces: 1, takes: true, counted: received,
		program: func(_ *rig, w *worker) (engine.Program, func() uint64) { return bare.NewDrop(w.pool), nil },
	})
}

// TxOnly sends packets, as fast as they go.
func TxOnly(ctx context.Context, cfg Config) (Result, error) { return transmit(ctx, cfg, "txonly") }

func transmit(ctx context.Context, cfg Config, name string) (Result, error) {
	return run(ctx, cfg, job{
		name: name, interfaces: 1, sends: true, counted: sent,
		program: func(r *rig, w *worker) (engine.Program, func() uint64) {
			return newGenerate(w.pool, r.template, r.cfg.Rate/float64(len(r.workers))), nil
		},
	})
}

// forwardQueue is how many frames a worker of L2Fwd keeps while its TX ring is full.
const forwardQueue = 1024

// L2Fwd sends packets back where they came from, or between two interfaces, with the Ethernet
// addresses swapped.
func L2Fwd(ctx context.Context, cfg Config) (Result, error) {
	return run(ctx, cfg, job{
		name: "l2fwd", interfaces: 2, takes: true, counted: sent,
		program: func(r *rig, w *worker) (engine.Program, func() uint64) {
			var out func(in uint8) uint8
			if len(r.cfg.Interfaces) == 2 {
				out = func(in uint8) uint8 { return 1 - in }
			}
			f := bare.NewForward(w.pool, forwardQueue, out)
			return f, func() uint64 { return f.Drops }
		},
	})
}
