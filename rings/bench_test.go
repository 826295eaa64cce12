package rings_test

import (
	"testing"

	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// The kernel's part in these is a Jump: one store a batch, so that the figure is ours.

const (
	benchRing  = 2048
	benchBatch = 64
)

// perEntry reports the time of an entry; the benchmark's own figure is that of a batch.
func perEntry(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/desc")
}

func BenchmarkRXPeekRelease(b *testing.B) {
	r, k := ringtest.NewRXPair(ringtest.Config{Size: benchRing})
	for b.Loop() {
		k.Jump(benchBatch)
		n := r.Peek(benchBatch)
		for i := range n {
			d := r.At(i)
			sink += d.Addr + uint64(d.Len)
		}
		r.Release(n)
	}
	perEntry(b)
}

func BenchmarkCompletionPeekRelease(b *testing.B) {
	r, k := ringtest.NewCompletionPair(ringtest.Config{Size: benchRing})
	for b.Loop() {
		k.Jump(benchBatch)
		n := r.Peek(benchBatch)
		for i := range n {
			sink += r.At(i)
		}
		r.Release(n)
	}
	perEntry(b)
}

func BenchmarkTXReserveSubmit(b *testing.B) {
	r, k := ringtest.NewTXPair(ringtest.Config{Size: benchRing})
	for b.Loop() {
		n := r.Reserve(benchBatch)
		for i := range n {
			r.Set(i, uint64(i), testLength, 0)
		}
		r.Submit(n)
		k.Jump(benchBatch)
	}
	perEntry(b)
}

func BenchmarkFillReserveSubmit(b *testing.B) {
	r, k := ringtest.NewFillPair(ringtest.Config{Size: benchRing})
	for b.Loop() {
		n := r.Reserve(benchBatch)
		for i := range n {
			r.Set(i, uint64(i))
		}
		r.Submit(n)
		k.Jump(benchBatch)
	}
	perEntry(b)
}

// A descriptor through all four rings, the kernel's work on both ways included.
func BenchmarkRoundTrip(b *testing.B) {
	sock, k := ringtest.NewKernel(socketConfig(benchRing, ringtest.Faults{}))
	for b.Loop() {
		roundTrip(sock, k, benchBatch)
	}
	perEntry(b)
}

// The kernel's side of that alone: what a benchmark of the engine pays for the fake.
func BenchmarkKernelOnly(b *testing.B) {
	sock, k := ringtest.NewKernel(socketConfig(benchRing, ringtest.Faults{}))
	for b.Loop() {
		sock.Fill.Reserve(benchBatch)
		sock.Fill.Submit(benchBatch)
		sock.TX.Reserve(benchBatch)
		sock.TX.Submit(benchBatch)
		k.Receive(benchBatch)
		k.Transmit(benchBatch)
		k.Complete(benchBatch)
		sock.RX.Release(sock.RX.Peek(benchBatch))
		sock.Completion.Release(sock.Completion.Peek(benchBatch))
	}
	perEntry(b)
}
