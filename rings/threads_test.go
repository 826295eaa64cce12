package rings_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// These tests have the two sides of a ring on two threads. Under -race they also show
// that the shared indices alone order the accesses to the slots, for the detector
// knows nothing else that would.

const threadEntries = 50_000

// both runs f and g on a thread each, and returns when both have returned.
func both(f, g func()) {
	var wg sync.WaitGroup
	for _, side := range []func(){f, g} {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			side()
		})
	}
	wg.Wait()
}

// firstWrong is the place of the first value that is not the successor of the one before it, -1 if
// there is none.
func firstWrong(vs []uint64, first uint64) int {
	for i, v := range vs {
		if v != first+uint64(i) {
			return i
		}
	}
	return -1
}

func TestProducerAndKernelOnTwoThreads(t *testing.T) {
	for name, pair := range outbounds {
		t.Run(name, func(t *testing.T) {
			o := pair(ringtest.Config{Size: 64, Start: 1<<32 - threadEntries/2})
			wrong := 0
			both(func() {
				for sent := uint64(0); sent < threadEntries; {
					n := o.put(sent, uint32(min(threadEntries-sent, 1+sent%90)))
					sent += uint64(n)
					yieldIf(n == 0)
				}
			}, func() {
				for taken := uint64(0); taken < threadEntries; {
					vs := o.take(int(1 + taken%90))
					if firstWrong(vs, taken) >= 0 {
						wrong++
					}
					taken += uint64(len(vs))
					yieldIf(len(vs) == 0)
				}
			})
			want(t, "batches that came through wrong", wrong, 0)
			want(t, "Consumed", o.ring.Consumed(), threadEntries)
			want(t, "Corrupt", o.ring.Corrupt(), 0)
		})
	}
}

func TestConsumerAndKernelOnTwoThreads(t *testing.T) {
	for name, pair := range inbounds {
		t.Run(name, func(t *testing.T) {
			in := pair(ringtest.Config{Size: 64, Start: 1<<32 - threadEntries/2})
			wrong := 0
			both(func() {
				for sent := uint64(0); sent < threadEntries; {
					n := in.give(values(sent, int(min(threadEntries-sent, 1+sent%90)))...)
					sent += uint64(n)
					yieldIf(n == 0)
				}
			}, func() {
				for taken := uint64(0); taken < threadEntries; {
					vs := in.get(uint32(1 + taken%90))
					if firstWrong(vs, taken) >= 0 {
						wrong++
					}
					taken += uint64(len(vs))
					yieldIf(len(vs) == 0)
				}
			})
			want(t, "batches that came through wrong", wrong, 0)
			want(t, "Produced", in.ring.Produced(), threadEntries)
			want(t, "Corrupt", in.ring.Corrupt(), 0)
		})
	}
}

// yieldIf lets the other thread run, which may share our core.
func yieldIf(idle bool) {
	if idle {
		runtime.Gosched()
	}
}

// All four rings of a socket at once: every frame goes round through fill, RX, TX and
// completion, again and again.
func TestSocketAndKernelOnTwoThreads(t *testing.T) {
	const frames, rounds = 256, 200
	sock, k := ringtest.NewKernel(socketConfig(64, ringtest.Faults{OutOfOrder: true}))
	a := newAudit(sock, frames)
	var stop atomic.Bool
	both(func() {
		defer stop.Store(true)
		for a.sent < frames*rounds && a.err == nil {
			before := a.sent
			a.turn()
			yieldIf(a.sent == before)
		}
	}, func() {
		for !stop.Load() {
			n := k.Receive(32) + k.Transmit(32) + k.Complete(32)
			yieldIf(n == 0)
		}
	})
	a.close(k)
	if a.err != nil {
		t.Fatal(a.err)
	}
}
