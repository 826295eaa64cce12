package rings_test

import (
	"testing"

	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// values returns the n values from first on.
func values(first uint64, n int) []uint64 {
	vs := make([]uint64, n)
	for i := range vs {
		vs[i] = first + uint64(i)
	}
	return vs
}

// read returns the peeked entries 0 to n-1.
func (in inbound) read(n uint32) []uint64 {
	vs := make([]uint64, n)
	for i := range n {
		vs[i] = in.at(i)
	}
	return vs
}

// get peeks at up to max entries, reads and releases them.
func (in inbound) get(max uint32) []uint64 {
	n := in.ring.Peek(max)
	vs := in.read(n)
	in.ring.Release(n)
	return vs
}

func TestConsumerWrapsAt2To32(t *testing.T) { eachInbound(t, 4, checkConsumerWrapsAt2To32) }

func checkConsumerWrapsAt2To32(t failer, in inbound) {
	for v := uint64(0); v < 40; v += 4 {
		want(t, "give", in.give(values(v, 4)...), 4)
		wantValues(t, in.get(4), v, 4)
	}
	want(t, "Produced", in.ring.Produced(), 40)
	want(t, "Consumed", in.ring.Consumed(), 40)
	prod, cons := in.mem.Indices()
	want(t, "producer index", prod, 37)
	want(t, "consumer index", cons, 37)
}

func TestConsumerFullAndEmpty(t *testing.T) { eachInbound(t, 4, checkConsumerFullAndEmpty) }

func checkConsumerFullAndEmpty(t failer, in inbound) {
	want(t, "Size", in.ring.Size(), 4)
	want(t, "Peek at empty", in.ring.Peek(1), 0)
	want(t, "Available of empty", in.ring.Available(), 0)
	want(t, "give into empty", in.give(values(0, 4)...), 4)
	want(t, "give into full", in.give(9), 0)
	want(t, "Available of full", in.ring.Available(), 4)
	wantValues(t, in.get(1), 0, 1)
	want(t, "give after one was released", in.give(4, 9), 1)
	wantValues(t, in.get(4), 1, 3) // as many as were seen; the next Peek sees the rest
	wantValues(t, in.get(4), 4, 1)
	want(t, "Peek at empty", in.ring.Peek(4), 0)
}

func TestConsumerBatchLargerThanRing(t *testing.T) {
	eachInbound(t, 4, checkConsumerBatchLargerThanRing)
}

func checkConsumerBatchLargerThanRing(t failer, in inbound) {
	want(t, "give", in.give(values(0, 1000)...), 4)
	want(t, "Peek", in.ring.Peek(^uint32(0)), 4)
	wantValues(t, in.get(1000), 0, 4)
}

func TestShortReadKeepsTheRest(t *testing.T) { eachInbound(t, 8, checkShortReadKeepsTheRest) }

func checkShortReadKeepsTheRest(t failer, in inbound) {
	in.give(values(0, 6)...)
	want(t, "Peek", in.ring.Peek(4), 4)
	in.ring.Release(1)
	want(t, "entry 0 after one was released", in.at(0), 1)
	want(t, "Consumed", in.ring.Consumed(), 1)
	in.ring.Release(0)
	want(t, "Available", in.ring.Available(), 5)
	wantValues(t, in.get(8), 1, 5)
}

// A reader that leaves the head of a packet in the ring, to wait for its rest, has to see
// the rest when it comes, although its copy of the index is not used up.
func TestPeekSeesNewAfterPartialRelease(t *testing.T) {
	eachInbound(t, 8, checkPeekSeesNewAfterPartialRelease)
}

func checkPeekSeesNewAfterPartialRelease(t failer, in inbound) {
	in.give(values(0, 3)...)
	want(t, "Peek", in.ring.Peek(8), 3)
	in.ring.Release(1)
	want(t, "Peek at what was left", in.ring.Peek(8), 2)
	in.give(3)
	want(t, "Peek after the rest came", in.ring.Peek(8), 3)
	wantValues(t, in.read(3), 1, 3)
}

func TestReleaseBeyondPeekPanics(t *testing.T) { eachInbound(t, 8, checkReleaseBeyondPeekPanics) }

func checkReleaseBeyondPeekPanics(t failer, in inbound) {
	wantPanic(t, "Release without Peek", func() { in.ring.Release(1) })
	in.give(values(0, 8)...)
	in.ring.Peek(4)
	wantPanic(t, "Release of 5 of 4", func() { in.ring.Release(5) })
	in.ring.Release(3)
	wantPanic(t, "Release of 2 of 1", func() { in.ring.Release(2) })
}

func TestConsumerOfOneSlot(t *testing.T) { eachInbound(t, 1, checkConsumerOfOneSlot) }

func checkConsumerOfOneSlot(t failer, in inbound) {
	for v := range uint64(10) {
		want(t, "give", in.give(v, 99), 1)
		want(t, "give into full", in.give(99), 0)
		wantValues(t, in.get(2), v, 1)
		want(t, "Peek at empty", in.ring.Peek(1), 0)
	}
}

func TestConsumerQueriesReadSharedMemory(t *testing.T) {
	eachInbound(t, 4, checkConsumerQueriesReadSharedMemory)
}

func checkConsumerQueriesReadSharedMemory(t failer, in inbound) {
	for i := range uint32(4) {
		in.give(uint64(i))
		want(t, "Available", in.ring.Available(), i+1)
		want(t, "Produced", in.ring.Produced(), uint64(i)+1)
	}
}

// The kernel's index is a contended line: it is read only when the copy is used up.
func TestPeekReadsIndexOnlyWhenDry(t *testing.T) { eachInbound(t, 8, checkPeekReadsIndexOnlyWhenDry) }

func checkPeekReadsIndexOnlyWhenDry(t failer, in inbound) {
	in.give(values(0, 4)...)
	wantValues(t, in.get(2), 0, 2)
	in.jump(-1) // a lie that only a reader of the shared word would notice
	want(t, "Peek at what is known to be there", in.ring.Peek(8), 2)
	want(t, "Corrupt", in.ring.Corrupt(), 0)
	in.ring.Release(2)
	want(t, "Peek when used up", in.ring.Peek(8), 0)
	want(t, "Corrupt", in.ring.Corrupt(), 1)
}

// A producer's index that cannot be true must neither be believed nor cause harm.
func TestConsumerWithCorruptProducer(t *testing.T) {
	jumps := map[string]int32{
		"one more than there are slots": 3,
		"far ahead":                     1000,
		"behind where it was":           -3,
		"half the numbers away":         -1 << 31,
	}
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			eachInbound(t, 4, func(t failer, in inbound) {
				in.give(0, 1)
				want(t, "Peek", in.ring.Peek(4), 2)
				in.jump(jump)
				want(t, "Available", in.ring.Available(), 2)
				want(t, "Corrupt", in.ring.Corrupt(), 1)
				wantValues(t, in.get(4), 0, 2)
				want(t, "Corrupt", in.ring.Corrupt(), 2)
				in.jump(-jump)
				want(t, "Peek after the index is right again", in.ring.Peek(4), 0)
				in.give(2)
				wantValues(t, in.get(4), 2, 1)
				want(t, "Produced", in.ring.Produced(), 3)
			})
		})
	}
}

// A socket whose ring already held packets when we came: they are ours to read.
func TestConsumerTakesUpReadyEntries(t *testing.T) {
	_, k := ringtest.NewRXPair(ringtest.Config{Size: 8, Start: nearWrap})
	k.Produce(descOf(0), descOf(1), descOf(2), descOf(3), descOf(4))
	r, err := rings.NewRX(k.Mem, k.Offsets, k.Size)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "Produced", r.Produced(), 5)
	want(t, "Consumed", r.Consumed(), 0)
	want(t, "Peek", r.Peek(8), 5)
	want(t, "entry 4", r.At(4), descOf(4))
}
