package ringport_test

import (
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
)

// The benchmarks are the engine alone: a worker's whole turns, with the faked kernel's work in
// the figures (BenchmarkKernel: what that is).

func BenchmarkRxDrop(b *testing.B) {
	s := newBed(b, bedConfig{slots: 2048, frames: 8192})
	run(b, s.receive, s.worker(b, bare.NewDrop(s.pool)))
}

func BenchmarkL2fwd(b *testing.B) {
	s := newBed(b, bedConfig{slots: 2048, frames: 8192})
	run(b, s.forward, s.worker(b, bare.NewForward(s.pool, 256, nil)))
}

func BenchmarkTxOnly(b *testing.B) {
	s := newBed(b, bedConfig{slots: 2048, frames: 8192})
	run(b, s.send, s.worker(b, bare.NewGenerate(s.pool, make([]byte, 64), 0, 1<<62)))
}

// BenchmarkKernel is what of the figures of L2fwd is the faked kernel's, with the cursors of
// our side but no frames.
func BenchmarkKernel(b *testing.B) {
	s := newBed(b, bedConfig{slots: 2048, frames: 8192})
	for b.Loop() {
		s.sock.Fill.Submit(s.sock.Fill.Reserve(64))
		s.sock.TX.Submit(s.sock.TX.Reserve(64))
		s.forward()
		s.sock.RX.Release(s.sock.RX.Peek(64))
		s.sock.Completion.Release(s.sock.Completion.Peek(64))
	}
	perPacket(b)
}

func (b *bed) receive() { b.kernel.Receive(64) }

func (b *bed) send() {
	b.kernel.Transmit(64)
	b.kernel.Complete(64)
}

func (b *bed) forward() {
	b.kernel.Receive(64)
	b.kernel.Transmit(64)
	b.kernel.Complete(64)
}

// run turns a worker, and the kernel between two turns, 64 packets each.
func run(b *testing.B, kernel func(), w *engine.Worker) {
	for b.Loop() {
		kernel()
		w.Turn(engine.Now())
	}
	perPacket(b)
}

func perPacket(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/packet")
}
