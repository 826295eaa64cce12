package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// run is every benchmark of the engine: open, measure, give back.
func run(ctx context.Context, cfg Config, j job) (res Result, err error) {
	if err := cfg.complete(j.interfaces); err != nil {
		return res, err
	}
	r, err := openRig(&cfg, &j)
	if err != nil {
		return res, err
	}
	res = newResult(&cfg, &j)
	warnings, err := r.checkCores()
	if err != nil {
		return res, errors.Join(err, r.close())
	}
	res.Warnings = append(res.Warnings, warnings...)
	defer spareProcessor(&cfg, len(r.workers))()
	res.Distance = probeBefore(r.workers[0].cpu)
	for _, w := range r.workers {
		w.start(cfg.Shared, r.fail)
	}
	m := &meter{cfg: &cfg, rig: r, parts: r.parts(), sample: r.samples, counted: j.counted}
	err = m.measure(ctx, &res)
	err = errors.Join(err, r.stop(&res), r.close())
	res.Distance.probeAfter()
	return res, err
}

// spareProcessor sees to it that goroutines find a processor (in Go's sense) beside so many dedicated
// workers, and returns what undoes that. Without, whoever measures and ends the workers waits 10 ms, for
// Go's preemption of one, at each step: on a loaded machine ends were seen to take a minute.
func spareProcessor(cfg *Config, workers int) (undo func()) {
	had := runtime.GOMAXPROCS(0)
	if cfg.Shared || workers < had {
		return func() {}
	}
	runtime.GOMAXPROCS(workers + 1)
	return func() { runtime.GOMAXPROCS(had) }
}

func newResult(cfg *Config, j *job) Result {
	res := Result{
		Bench: j.name, Port: cfg.Port.String(), Poll: cfg.Poll.String(), Scheduling: "dedicated",
		Batch: cfg.Batch, Drops: []Drop{}, Warnings: []string{}, Began: time.Now(),
	}
	if cfg.Shared {
		res.Scheduling = "shared"
	}
	if j.sends {
		res.Size = cfg.Packets.Size
	}
	return res
}

func (r *rig) parts() (list []Part) {
	for _, w := range r.workers {
		list = append(list, Part{Worker: w.id, CPU: w.cpu, Queue: w.queue})
	}
	return list
}

func (r *rig) samples() []sample {
	list := make([]sample, len(r.workers))
	for i, w := range r.workers {
		list[i] = w.sample()
	}
	return list
}

// stop gives the traffic back to the kernel, ends the workers, and notes their last counters.
func (r *rig) stop(res *Result) error {
	err := r.detach()
	for _, w := range r.workers {
		w.engine.Stop()
	}
	for _, w := range r.workers {
		<-w.ended
		if w.err != nil {
			err = errors.Join(err, fmt.Errorf("bench: worker %d: %w", w.id, w.err))
		}
	}
	for _, s := range r.samples() {
		res.Whole.Received += s.ports.RxPackets
		res.Whole.Sent += s.ports.TxPackets
		res.Whole.Completed += s.ports.TxPackets - uint64(s.inTx)
	}
	return err
}
