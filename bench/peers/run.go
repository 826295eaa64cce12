package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/bench/peers/meter"
	"github.com/xdpstack/xdpstack/internal/lab"
)

// The cores.
const (
	sourceCPU = 0
	workerCPU = 1
)

// runTime bounds a run, all processes and the lab included.
const runTime = 60 * time.Second

// run is one contender doing one test.
type run struct {
	contender string
	distance  bench.Distance
	total     total
	err       error
}

// mpps is millions of packets per second.
func (r *run) mpps() float64 { return per(float64(r.total.packets), r.total.took.Seconds()) / 1e6 }

func (r *run) cycles() float64 {
	return per(float64(r.total.worker.Cycles), float64(r.total.packets))
}

func (r *run) userCycles() float64 {
	return per(float64(r.total.worker.UserCycles), float64(r.total.packets))
}

func (r *run) instructions() float64 {
	return per(float64(r.total.worker.Instructions), float64(r.total.packets))
}

func per(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// measure makes a lab, has c do test in it, and removes it.
func measure(ctx context.Context, c contender.Contender, test contender.Test) (r run) {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	r.contender = c.Name
	r.distance.CPUs = [2]int{sourceCPU, workerCPU}
	l, err := lab.Up(lab.Config{Name: fmt.Sprintf("peers%d", os.Getpid()), Queues: 1})
	if err != nil {
		r.err = err
		return r
	}
	defer func() { r.err = errors.Join(r.err, l.Down()) }()
	r.distance.BeforeNs = bench.Probe(sourceCPU, workerCPU)
	r.total, r.err = inLab(ctx, l, c, test)
	r.distance.AfterNs = bench.Probe(sourceCPU, workerCPU)
	r.distance.Tag = tagOf(r.distance)
	return r
}

// tagOf is the tag of two probes, as package bench has it.
func tagOf(d bench.Distance) string {
	switch before, after := d.BeforeNs >= bench.FarNs, d.AfterNs >= bench.FarNs; {
	case d.BeforeNs == 0 || d.AfterNs == 0:
		return bench.Unknown
	case before != after:
		return bench.Mixed
	case before:
		return bench.Far
	}
	return bench.Near
}

// inLab starts what is measured, and its source; measures; and ends them.
func inLab(ctx context.Context, l *lab.Lab, c contender.Contender, test contender.Test) (t total, err error) {
	near, far := l.Host("a"), l.Host("b")
	if err := errors.Join(silence(near), silence(far)); err != nil {
		return t, err
	}
	p := probe{packets: redirected(near)}
	if test != contender.RxDrop {
		unsink, err := sink(far)
		if err != nil {
			return t, err
		}
		defer func() { err = errors.Join(err, unsink()) }()
		p.packets = arrived(far)
	}
	worker, err := c.Start(ctx, near, test, near.Interface().Name, workerCPU)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, worker.End()) }()
	p.running = worker.Running
	if test != contender.TxOnly {
		source, err := contender.Source(ctx, far, far.Interface().Name, sourceCPU)
		if err != nil {
			return t, err
		}
		defer func() { err = errors.Join(err, source.End()) }()
		p.running = func() error { return errors.Join(worker.Running(), source.Running()) }
		return p.through(ctx, worker.PID(), source.PID())
	}
	return p.through(ctx, worker.PID(), 0)
}

// silence keeps the kernel of a host from sending of its own accord: NAPI of a veth runs on the
// core that sent first, and stays there while packets keep coming.
func silence(h *lab.Host) error {
	return h.Setting("ipv6/conf/"+h.Interface().Name+"/disable_ipv6", "1")
}

// through waits until packets pass, then counts them. source is 0 when there is none.
func (p *probe) through(ctx context.Context, worker, source int) (t total, err error) {
	if err := flow(ctx, p.packets, p.running); err != nil {
		return t, err
	}
	if p.worker, err = meter.Open(worker, workerCPU); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, p.worker.Close()) }()
	defer func() {
		for _, w := range p.waits {
			err = errors.Join(err, w.Close())
		}
	}()
	for _, who := range []struct{ pid, cpu int }{{worker, workerCPU}, {source, sourceCPU}} {
		if who.pid == 0 {
			continue
		}
		w, err := meter.OpenWaits(who.pid, who.cpu)
		if err != nil {
			return t, err
		}
		p.waits = append(p.waits, w)
	}
	return p.measure(ctx)
}

// redirected is how many packets a socket on the host's interface took.
func redirected(h *lab.Host) func() (uint64, error) {
	return func() (uint64, error) {
		p, err := meter.Read(h, h.Interface().Name)
		return p.Redirected, err
	}
}

// arrived is how many packets the sink on the host's interface saw.
func arrived(h *lab.Host) func() (uint64, error) {
	return func() (uint64, error) {
		p, err := meter.Read(h, h.Interface().Name)
		return p.Packets, err
	}
}

// xdpDrop is XDP_DROP of enum xdp_action (uapi/linux/bpf.h).
const xdpDrop = 1

// sink drops in the driver what arrives at host h.
func sink(h *lab.Host) (remove func() error, err error) {
	drop, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("the far end's program: %w", err)
	}
	var at link.Link
	err = h.Do(func() (err error) {
		at, err = link.AttachXDP(link.XDPOptions{Program: drop, Interface: h.Interface().Index, Flags: link.XDPDriverMode})
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the far end's program: %w", err), drop.Close())
	}
	return func() error { return errors.Join(at.Close(), drop.Close()) }, nil
}
