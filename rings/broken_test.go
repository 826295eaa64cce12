package rings_test

import (
	"fmt"
	"testing"

	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// The checks of this package run against rings that are broken on purpose, in the ways in
// which rings do break: each must be found out by the check named for it.

// A recorder is a failer that remembers, instead of failing the test.
type recorder struct{}

type recorded string

func (recorder) Helper()                           {}
func (recorder) Fatalf(format string, args ...any) { panic(recorded(fmt.Sprintf(format, args...))) }

// failure runs check and returns how it failed, "" if it passed.
func failure(check func(failer)) (message string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case recorded:
			message = string(r)
		default:
			panic(r)
		}
	}()
	check(recorder{})
	return ""
}

// brokenOutbound changes one method of a ring that we fill.
type brokenOutbound struct {
	outboundRing
	reserve func(max uint32) uint32
	submit  func(n uint32)
	free    func() uint32
}

func (b brokenOutbound) Reserve(max uint32) uint32 { return b.reserve(max) }
func (b brokenOutbound) Submit(n uint32)           { b.submit(n) }
func (b brokenOutbound) Free() uint32              { return b.free() }

func TestChecksFindBrokenProducers(t *testing.T) {
	cases := []struct {
		name  string
		size  uint32
		check func(failer, outbound)
		hurt  func(o *outbound, b *brokenOutbound)
	}{
		{"nothing broken", 8, checkShortWriteDoesNotOverpublish, func(*outbound, *brokenOutbound) {}},
		{"Submit publishes all that was reserved", 8, checkShortWriteDoesNotOverpublish, func(o *outbound, b *brokenOutbound) {
			var granted uint32
			good := o.ring
			b.reserve = func(max uint32) uint32 { granted = good.Reserve(max); return granted }
			b.submit = func(n uint32) { good.Submit(granted); granted = 0 }
		}},
		{"Submit forgets one", 4, checkProducerWrapsAt2To32, func(o *outbound, b *brokenOutbound) {
			good := o.ring
			b.submit = func(n uint32) { good.Submit(n - 1) }
		}},
		{"Reserve gives one too many", 4, checkProducerBatchLargerThanRing, func(o *outbound, b *brokenOutbound) {
			good := o.ring
			b.reserve = func(max uint32) uint32 { return min(good.Reserve(max)+1, max) }
		}},
		{"Reserve never looks again", 4, checkProducerFullAndEmpty, func(o *outbound, b *brokenOutbound) {
			left, good := o.ring.Free(), o.ring
			b.reserve = func(max uint32) uint32 { return min(left, good.Reserve(max)) }
			b.submit = func(n uint32) { left -= n; good.Submit(n) }
		}},
		{"a query that does not look", 4, checkProducerQueriesReadSharedMemory, func(o *outbound, b *brokenOutbound) {
			left, good := o.ring.Free(), o.ring
			b.submit = func(n uint32) { left -= n; good.Submit(n) }
			b.free = func() uint32 { return left }
		}},
		{"Set writes the neighbour", 4, checkProducerWrapsAt2To32, func(o *outbound, b *brokenOutbound) {
			good := o.set
			o.set = func(i uint32, v uint64) { good(i^1, v) }
		}},
		{"Set tears the descriptor", 4, checkProducerWrapsAt2To32, func(o *outbound, b *brokenOutbound) {
			good := o.set
			o.set = func(i uint32, v uint64) { good(i, v); o.mem.Mem[o.mem.Offsets.Desc+4] ^= 1 }
		}},
		{"the index is not masked to 32 bits", 4, checkProducerWrapsAt2To32, func(o *outbound, b *brokenOutbound) {
			good, sum := o.ring, uint64(nearWrap)
			b.submit = func(n uint32) {
				if sum += uint64(n); sum < 1<<32 {
					good.Submit(n)
				}
			}
		}},
	}
	for _, c := range cases {
		for name, pair := range outbounds {
			o := pair(ringtest.Config{Size: c.size, Start: nearWrap})
			b := brokenOutbound{o.ring, o.ring.Reserve, o.ring.Submit, o.ring.Free}
			c.hurt(&o, &b)
			o.ring = b
			found := failure(func(f failer) { c.check(f, o) })
			if (found == "") != (c.name == "nothing broken") {
				t.Errorf("%s: %s: check says %q", name, c.name, found)
			}
		}
	}
}

// brokenInbound changes one method of a ring that the kernel fills.
type brokenInbound struct {
	inboundRing
	peek      func(max uint32) uint32
	release   func(n uint32)
	available func() uint32
}

func (b brokenInbound) Peek(max uint32) uint32 { return b.peek(max) }
func (b brokenInbound) Release(n uint32)       { b.release(n) }
func (b brokenInbound) Available() uint32      { return b.available() }

func TestChecksFindBrokenConsumers(t *testing.T) {
	cases := []struct {
		name  string
		size  uint32
		check func(failer, inbound)
		hurt  func(in *inbound, b *brokenInbound)
	}{
		{"nothing broken", 8, checkShortReadKeepsTheRest, func(*inbound, *brokenInbound) {}},
		{"Release gives back all that was peeked", 8, checkShortReadKeepsTheRest, func(in *inbound, b *brokenInbound) {
			var granted uint32
			good := in.ring
			b.peek = func(max uint32) uint32 { granted = good.Peek(max); return granted }
			b.release = func(n uint32) { good.Release(granted); granted = 0 }
		}},
		{"Release forgets one", 4, checkConsumerWrapsAt2To32, func(in *inbound, b *brokenInbound) {
			good := in.ring
			b.release = func(n uint32) { good.Release(n - min(n, 1)) }
		}},
		{"Peek gives one too many", 4, checkConsumerFullAndEmpty, func(in *inbound, b *brokenInbound) {
			good := in.ring
			b.peek = func(max uint32) uint32 { return good.Peek(max) + 1 }
		}},
		{"Peek is content with what it knows", 8, checkPeekSeesNewAfterPartialRelease, func(in *inbound, b *brokenInbound) {
			var known uint32
			good := in.ring
			b.peek = func(max uint32) uint32 {
				if known == 0 {
					known = good.Available()
				}
				return min(known, good.Peek(max))
			}
			b.release = func(n uint32) { known -= n; good.Release(n) }
		}},
		{"a query that does not look", 4, checkConsumerQueriesReadSharedMemory, func(in *inbound, b *brokenInbound) {
			b.available = func() uint32 { return 0 }
		}},
		{"At reads the neighbour", 4, checkConsumerWrapsAt2To32, func(in *inbound, b *brokenInbound) {
			good := in.at
			in.at = func(i uint32) uint64 { return good(i + 1) }
		}},
		{"the kernel announces an entry twice", 4, checkConsumerWrapsAt2To32, func(in *inbound, b *brokenInbound) {
			good := in.give
			in.give = func(vs ...uint64) int { vs[1] = vs[0]; return good(vs...) }
		}},
		{"the kernel loses an entry", 4, checkConsumerWrapsAt2To32, func(in *inbound, b *brokenInbound) {
			good := in.give
			in.give = func(vs ...uint64) int { return good(vs[1:]...) + 1 }
		}},
	}
	for _, c := range cases {
		for name, pair := range inbounds {
			in := pair(ringtest.Config{Size: c.size, Start: nearWrap})
			b := brokenInbound{in.ring, in.ring.Peek, in.ring.Release, in.ring.Available}
			c.hurt(&in, &b)
			in.ring = b
			found := failure(func(f failer) { c.check(f, in) })
			if (found == "") != (c.name == "nothing broken") {
				t.Errorf("%s: %s: check says %q", name, c.name, found)
			}
		}
	}
}
