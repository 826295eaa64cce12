package rings_test

import (
	"testing"

	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// put reserves, sets and submits n values from first on, and returns how many fitted.
func (o outbound) put(first uint64, n uint32) int {
	n = o.ring.Reserve(n)
	for i := range n {
		o.set(i, first+uint64(i))
	}
	o.ring.Submit(n)
	return int(n)
}

func TestProducerWrapsAt2To32(t *testing.T) { eachOutbound(t, 4, checkProducerWrapsAt2To32) }

func checkProducerWrapsAt2To32(t failer, o outbound) {
	for v := uint64(0); v < 40; v += 4 {
		want(t, "put", o.put(v, 4), 4)
		wantValues(t, o.take(4), v, 4)
	}
	want(t, "Produced", o.ring.Produced(), 40)
	want(t, "Consumed", o.ring.Consumed(), 40)
	prod, cons := o.mem.Indices()
	want(t, "producer index", prod, 37)
	want(t, "consumer index", cons, 37)
}

func TestProducerFullAndEmpty(t *testing.T) { eachOutbound(t, 4, checkProducerFullAndEmpty) }

func checkProducerFullAndEmpty(t failer, o outbound) {
	want(t, "Size", o.ring.Size(), 4)
	want(t, "Free of empty", o.ring.Free(), 4)
	want(t, "put into empty", o.put(0, 4), 4)
	want(t, "Reserve on full", o.ring.Reserve(1), 0)
	want(t, "Free of full", o.ring.Free(), 0)
	want(t, "Pending of full", o.ring.Pending(), 4)
	wantValues(t, o.take(1), 0, 1)
	want(t, "Reserve after one is taken", o.ring.Reserve(4), 1)
	wantValues(t, o.take(4), 1, 3)
	want(t, "Pending of empty", o.ring.Pending(), 0)
	want(t, "take from empty", len(o.take(1)), 0)
}

func TestProducerBatchLargerThanRing(t *testing.T) {
	eachOutbound(t, 4, checkProducerBatchLargerThanRing)
}

func checkProducerBatchLargerThanRing(t failer, o outbound) {
	want(t, "Reserve", o.ring.Reserve(1000), 4)
	want(t, "Reserve of all there is", o.ring.Reserve(^uint32(0)), 4)
	want(t, "put", o.put(0, 1000), 4)
	wantValues(t, o.take(1000), 0, 4)
}

// Submitting fewer than reserved once published what had never been written, in a peer.
func TestShortWriteDoesNotOverpublish(t *testing.T) {
	eachOutbound(t, 8, checkShortWriteDoesNotOverpublish)
}

func checkShortWriteDoesNotOverpublish(t failer, o outbound) {
	want(t, "Reserve", o.ring.Reserve(6), 6)
	o.set(0, 10)
	o.set(1, 11)
	want(t, "published by Reserve and Set", len(o.take(8)), 0)
	o.ring.Submit(2)
	wantValues(t, o.take(8), 10, 2)
	o.set(0, 12) // slot 0 of the rest of the reservation
	o.ring.Submit(1)
	wantValues(t, o.take(8), 12, 1)
	o.ring.Submit(0)
	want(t, "published by Submit(0)", len(o.take(8)), 0)
	want(t, "reserved anew, nothing lost", o.ring.Reserve(8), 8)
	want(t, "Produced", o.ring.Produced(), 3)
}

func TestSubmitBeyondReservationPanics(t *testing.T) {
	eachOutbound(t, 8, checkSubmitBeyondReservationPanics)
}

func checkSubmitBeyondReservationPanics(t failer, o outbound) {
	wantPanic(t, "Submit without Reserve", func() { o.ring.Submit(1) })
	o.ring.Reserve(4)
	wantPanic(t, "Submit of 5 of 4", func() { o.ring.Submit(5) })
	o.ring.Submit(3)
	wantPanic(t, "Submit of 2 of 1", func() { o.ring.Submit(2) })
	o.ring.Reserve(4)
	o.ring.Reserve(1)
	wantPanic(t, "Submit by a reservation that was replaced", func() { o.ring.Submit(2) })
}

func TestProducerOfOneSlot(t *testing.T) { eachOutbound(t, 1, checkProducerOfOneSlot) }

func checkProducerOfOneSlot(t failer, o outbound) {
	for v := range uint64(10) {
		want(t, "put", o.put(v, 2), 1)
		want(t, "put into full", o.put(99, 1), 0)
		wantValues(t, o.take(2), v, 1)
	}
}

// A copy of the consumer's index in a query once froze a peer's flow control.
func TestProducerQueriesReadSharedMemory(t *testing.T) {
	eachOutbound(t, 4, checkProducerQueriesReadSharedMemory)
}

func checkProducerQueriesReadSharedMemory(t failer, o outbound) {
	o.put(0, 3)
	for i := range uint32(3) {
		o.take(1)
		want(t, "Free", o.ring.Free(), 2+i)
		want(t, "Pending", o.ring.Pending(), 2-i)
		want(t, "Consumed", o.ring.Consumed(), uint64(i)+1)
	}
}

// The kernel's index is a contended line: it is read only when there is no room.
func TestReserveReadsIndexOnlyWhenDry(t *testing.T) {
	eachOutbound(t, 8, checkReserveReadsIndexOnlyWhenDry)
}

func checkReserveReadsIndexOnlyWhenDry(t failer, o outbound) {
	o.put(0, 4)
	o.jump(-1) // a lie that only a reader of the shared word would notice
	want(t, "Reserve of what is known to be free", o.ring.Reserve(4), 4)
	want(t, "Corrupt", o.ring.Corrupt(), 0)
	want(t, "Reserve of more", o.ring.Reserve(5), 4)
	want(t, "Corrupt", o.ring.Corrupt(), 1)
}

func TestNeedWakeup(t *testing.T) { eachOutbound(t, 4, checkNeedWakeup) }

func checkNeedWakeup(t failer, o outbound) {
	want(t, "at first", o.ring.NeedWakeup(), false)
	o.mem.SetNeedWakeup(true)
	want(t, "set", o.ring.NeedWakeup(), true)
	o.put(0, 4)
	want(t, "after Submit", o.ring.NeedWakeup(), true)
	o.mem.SetNeedWakeup(false)
	want(t, "cleared", o.ring.NeedWakeup(), false)
}

// A consumer's index that cannot be true must neither be believed nor cause harm.
func TestProducerWithCorruptConsumer(t *testing.T) {
	jumps := map[string]int32{
		"ahead of what was published": 1,
		"behind where it was":         -1,
		"a ring's length behind":      -4,
		"half the numbers away":       -1 << 31,
	}
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			eachOutbound(t, 4, func(t failer, o outbound) {
				o.put(0, 2)
				o.take(2)
				want(t, "Pending", o.ring.Pending(), 0)
				o.jump(jump)
				want(t, "Reserve", o.ring.Reserve(4), 4) // nothing pending: shared memory is not read
				want(t, "Free", o.ring.Free(), 4)
				want(t, "Corrupt", o.ring.Corrupt(), 1)
				o.ring.Submit(4) // what was granted stays granted
				want(t, "Produced", o.ring.Produced(), 6)
				o.jump(-jump)
				want(t, "taken after the index is right again", len(o.take(8)), 4)
				want(t, "Free", o.ring.Free(), 4)
			})
		})
	}
}

// A ring that an earlier user left entries in is taken up as it is.
func TestProducerTakesUpPendingEntries(t *testing.T) {
	for name, pair := range outbounds {
		t.Run(name, func(t *testing.T) {
			o := pair(ringtest.Config{Size: 8, Start: nearWrap})
			o.put(0, 5)
			o.take(2)
			again := reopenOutbound(t, name, o)
			want(t, "Pending", again.ring.Pending(), 3)
			want(t, "Produced", again.ring.Produced(), 3)
			want(t, "Consumed", again.ring.Consumed(), 0)
			want(t, "put", again.put(5, 8), 5)
			wantValues(t, o.take(8), 2, 8)
			want(t, "Consumed", again.ring.Consumed(), 8)
		})
	}
}
