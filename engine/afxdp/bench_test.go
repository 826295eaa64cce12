package afxdp

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/umem"
)

// These say what a port does with a kernel on the other side, source on core 0, port on core 1:
// for comparing changes on one machine, runs in pairs. They leave out the worker.

// benchPort opens host a's only queue, taking everything.
func benchPort(b *testing.B, l *lab.Lab) *Port {
	b.Helper()
	cfg := configFor(l)
	cfg.Filter = xdp.Filter{All: true}
	return open(b, l, cfg).Ports()[0]
}

// pinned keeps the benchmark on the last core, and returns the time that the core has spent on it:
// on a machine with other work that tells more than the rate.
func pinned(b *testing.B) (began int64) {
	b.Helper()
	runtime.LockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	set.Set(runtime.NumCPU() - 1)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	})
	b.ResetTimer()
	return cpuTime(b)
}

// cpuTime is the thread's, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		b.Fatal(err)
	}
	return now.Nano()
}

// reap lets go of what is complete, a batch.
func reap(p *Port, batch []*umem.Frame) {
	n := p.Reap(batch)
	p.Pool().ReleaseBatch(batch[:n], umem.HoldTx)
}

func BenchmarkTxOnly(b *testing.B) {
	l := newLab(b, 1)
	sink(b, l)
	p := benchPort(b, l)
	began := pinned(b)
	var batch, out [64]*umem.Frame
	sent := 0
	for sent < b.N {
		reap(p, batch[:])
		n := 0
		for room := min(len(out), p.TxRoom()); n < room; n++ {
			f := p.Pool().Get(umem.ClassSend)
			if f == nil {
				break
			}
			f.Put(60)
			p.Pool().Hold(f, umem.HoldTx)
			out[n] = f
		}
		sent += p.Transmit(out[:n])
		if err := p.Kick(); err != nil {
			b.Fatal(err)
		}
	}
	report(b, p, sent, began)
}

func BenchmarkRxDrop(b *testing.B) {
	l := newLab(b, 1)
	p := benchPort(b, l)
	defer source(b, l)()
	began := pinned(b)
	var batch [64]*umem.Frame
	received := 0
	for received < b.N {
		n := p.Receive(0, batch[:])
		p.Pool().FreeBatch(batch[:n])
		p.Refill()
		if err := p.Kick(); err != nil {
			b.Fatal(err)
		}
		received += n
	}
	report(b, p, received, began)
}

func BenchmarkL2Fwd(b *testing.B) {
	l := newLab(b, 1)
	sink(b, l)
	p := benchPort(b, l)
	defer source(b, l)()
	began := pinned(b)
	var batch [64]*umem.Frame
	forwarded := 0
	for forwarded < b.N {
		reap(p, batch[:])
		n := p.Receive(0, batch[:min(len(batch), p.TxRoom())])
		for _, f := range batch[:n] {
			mac := (*[12]byte)(f.Bytes())
			var to [6]byte
			copy(to[:], mac[:6])
			copy(mac[:6], mac[6:])
			copy(mac[6:], to[:])
		}
		p.Pool().HoldBatch(batch[:n], umem.HoldTx)
		forwarded += p.Transmit(batch[:n])
		p.Refill()
		if err := p.Kick(); err != nil {
			b.Fatal(err)
		}
	}
	report(b, p, forwarded, began)
}

func report(b *testing.B, p *Port, packets int, began int64) {
	b.Helper()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-began)/float64(packets), "cpu-ns/packet")
	var s engine.PortStats
	p.Stats(&s)
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds()/1e6, "Mpps")
	b.ReportMetric(float64(s.Kicks+s.Wakes)/float64(packets), "syscalls/packet")
	b.ReportMetric(float64(s.RxPackets)/float64(max(s.RxBatches, 1)), "packets/batch")
}

// answers is an XDP program of one helper or none.
func answers(b *testing.B, instructions asm.Instructions) *ebpf.Program {
	b.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: instructions})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// sink drops in the driver what arrives in host b.
func sink(b *testing.B, l *lab.Lab) {
	b.Helper()
	drop := answers(b, asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}) // XDP_DROP
	within(b, l.Host("b"), func() error {
		at, err := link.AttachXDP(link.XDPOptions{Program: drop, Interface: l.Host("b").Interface().Index, Flags: link.XDPDriverMode})
		if err == nil {
			b.Cleanup(func() { _ = at.Close() })
		}
		return err
	})
}

// source sends from host b, on core 0, as fast as the kernel can: live frames of BPF_PROG_RUN, by
// a program that redirects them into the veth. Each run sleeps for 20 ms in the
// end, so it repeats itself often. The function returned ends it.
func source(b *testing.B, l *lab.Lab) (stop func()) {
	b.Helper()
	redirect := answers(b, asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(l.Host("b").Interface().Index)),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
	})
	frame := make([]byte, 60)
	copy(frame, l.Host("a").Interface().MAC)
	copy(frame[6:], l.Host("b").Interface().MAC)
	var ended atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- l.Host("b").Do(func() error {
			var before, set unix.CPUSet
			_ = unix.SchedGetaffinity(0, &before)
			set.Set(0)
			_ = unix.SchedSetaffinity(0, &set)
			defer func() { _ = unix.SchedSetaffinity(0, &before) }()
			for !ended.Load() {
				_, err := redirect.Run(&ebpf.RunOptions{Data: frame, Repeat: 8 << 20, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES})
				if err != nil && !errors.Is(err, unix.EINTR) {
					return err
				}
			}
			return nil
		})
	}()
	return func() {
		ended.Store(true)
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}
