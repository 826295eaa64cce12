package bench

import (
	"fmt"
	"runtime"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// worker is an engine.Worker with what measures it.
type worker struct {
	id, cpu, queue int
	pool           *umem.Pool
	ports          []engine.Port
	engine         *engine.Worker
	dropped        func() uint64 // by the program; nil: it never does

	counters *counters // of its thread; nil: none
	missing  string    // why there are none
	err      error     // that ended it; valid once ended is closed
	ended    chan struct{}
}

// makeWorkers makes one for each queue. They do not run yet.
func (r *rig) makeWorkers(j *job) error {
	cpus, err := r.cfg.workerCPUs(len(r.queues))
	if err != nil {
		return err
	}
	for i, queue := range r.queues {
		r.workers = append(r.workers, &worker{
			id: i, cpu: cpus[i], queue: queue, pool: r.pools[i], ports: r.ports[i], ended: make(chan struct{}),
		})
	}
	for _, w := range r.workers {
		var program engine.Program
		program, w.dropped = j.program(r, w)
		cfg := r.cfg.engineConfig(w.cpu)
		cfg.ID, cfg.Ports, cfg.Pool, cfg.Program = w.id, w.ports, w.pool, program
		if w.engine, err = engine.NewWorker(cfg); err != nil {
			return err
		}
	}
	return nil
}

// engineConfig is the part of a worker's configuration that is the same for all benchmarks.
func (c *Config) engineConfig(cpu int) engine.WorkerConfig {
	mode := engine.Dedicated
	if c.Shared {
		mode = engine.Shared
	}
	return engine.WorkerConfig{CPU: cpu, Mode: mode, Poll: c.Poll, Batch: c.Batch}
}

// workerCPUs are the cores of n workers: as asked, or from the last usable one down.
func (c *Config) workerCPUs(n int) ([]int, error) {
	cpus := c.CPUs
	if cpus == nil {
		usable := usableCPUs()
		for i := range n {
			cpus = append(cpus, usable[len(usable)-1-i%len(usable)])
		}
	}
	if len(cpus) != n {
		return nil, fmt.Errorf("bench: %w: %d CPUs for %d workers, one a queue; name as many", ErrConfig, len(cpus), n)
	}
	if c.Shared {
		cpus = make([]int, n)
		for i := range cpus {
			cpus[i] = -1
		}
	}
	return cpus, nil
}

// checkCores says whether the workers can run together, and what makes them slow. That they leave no
// processor for goroutines is not said: see spareProcessor.
func (r *rig) checkCores() (warnings []string, err error) {
	var cfgs []engine.WorkerConfig
	for _, w := range r.workers {
		cfg := r.cfg.engineConfig(w.cpu)
		cfg.ID, cfg.Poll = w.id, engine.Adaptive
		cfgs = append(cfgs, cfg)
	}
	return engine.CheckCores(cfgs)
}

// start runs the worker on a thread of its own, with counters. It calls failed if the worker ends
// by itself.
func (w *worker) start(shared bool, failed func()) {
	ready := make(chan struct{})
	go func() {
		if shared {
			w.missing = "a shared worker has no thread of its own"
		} else {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var err error
			if w.counters, err = openCounters(); err != nil {
				w.missing = err.Error()
			}
		}
		close(ready)
		if w.err = w.engine.Run(); w.err != nil {
			failed()
		}
		close(w.ended)
	}()
	<-ready
}

// sample reads all counters, between two turns.
func (w *worker) sample() (s sample) {
	w.engine.Do(func() {
		s.at = engine.Now()
		for _, p := range w.ports {
			p.Stats(&s.ports)
			s.inTx += p.InTx()
		}
		if w.dropped != nil {
			s.dropped = w.dropped()
		}
		if w.counters != nil {
			var err error
			if s.counters, err = w.counters.read(); err != nil {
				w.missing = err.Error()
			}
		}
	})
	s.missing = w.missing
	s.turns = w.engine.Status().WorkerStats
	return s
}

func (w *worker) close() error {
	if w.counters != nil {
		w.counters.close()
	}
	if w.engine == nil {
		return nil
	}
	return w.engine.Close()
}
