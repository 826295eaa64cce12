package rings_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// reopenOutbound makes our side again on the memory of o, as a second user of the ring does.
func reopenOutbound(t *testing.T, name string, o outbound) outbound {
	t.Helper()
	switch name {
	case "fill":
		r, err := rings.NewFill(o.mem.Mem, o.mem.Offsets, o.mem.Size)
		if err != nil {
			t.Fatal(err)
		}
		o.ring, o.set = r, r.Set
	case "tx":
		r, err := rings.NewTX(o.mem.Mem, o.mem.Offsets, o.mem.Size)
		if err != nil {
			t.Fatal(err)
		}
		o.ring = r
		o.set = func(i uint32, v uint64) { r.Set(i, descOf(v).Addr, descOf(v).Len, descOf(v).Options) }
	}
	return o
}

// newErrors returns what each of the four constructors says; an entry of the
// slot size in bytes scales mem, so that one table serves all.
func newErrors(mem func(slot int) []byte, off rings.Offsets, size uint32) map[string]error {
	_, fill := rings.NewFill(mem(rings.AddrSize), off, size)
	_, rx := rings.NewRX(mem(rings.DescSize), off, size)
	_, tx := rings.NewTX(mem(rings.DescSize), off, size)
	_, completion := rings.NewCompletion(mem(rings.AddrSize), off, size)
	return map[string]error{"fill": fill, "rx": rx, "tx": tx, "completion": completion}
}

func TestConstructorsRefuse(t *testing.T) {
	good := ringtest.Layouts[0]
	with := func(change func(*rings.Offsets)) rings.Offsets {
		off := good
		change(&off)
		return off
	}
	cases := []struct {
		name  string
		off   rings.Offsets
		size  uint32
		short int // bytes missing at the end, or skipped at the front if negative
		want  error
	}{
		{"good", good, 4, 0, nil},
		{"good with room to spare", good, 4, -8, nil},
		{"no slots", good, 0, 0, rings.ErrSize},
		{"three slots", good, 3, 0, rings.ErrSize},
		{"more slots than an index can tell apart", good, 1<<32 - 1, 0, rings.ErrSize},
		{"last slot cut short", good, 4, 1, rings.ErrMemory},
		{"half the slots missing", good, 8, 0, rings.ErrMemory},
		{"more slots than memory by far", good, 1 << 31, 0, rings.ErrMemory},
		{"producer outside", with(func(o *rings.Offsets) { o.Producer = 1 << 20 }), 4, 0, rings.ErrMemory},
		{"consumer outside", with(func(o *rings.Offsets) { o.Consumer = 1 << 63 }), 4, 0, rings.ErrMemory},
		{"flags outside", with(func(o *rings.Offsets) { o.Flags = ^uint64(0) }), 4, 0, rings.ErrMemory},
		{"slots outside, offset wraps", with(func(o *rings.Offsets) { o.Desc = ^uint64(0) - 7 }), 4, 0, rings.ErrMemory},
		{"all offsets zero", rings.Offsets{}, 4, 0, rings.ErrOffsets},
		{"producer is consumer", with(func(o *rings.Offsets) { o.Producer = o.Consumer }), 4, 0, rings.ErrOffsets},
		{"flags among the slots", with(func(o *rings.Offsets) { o.Flags = o.Desc + 8 }), 4, 0, rings.ErrOffsets},
		{"word off its boundary", with(func(o *rings.Offsets) { o.Flags += 2 }), 4, 0, rings.ErrOffsets},
		{"slots off their boundary", with(func(o *rings.Offsets) { o.Desc -= 4 }), 4, 0, rings.ErrOffsets},
		{"memory off its boundary", good, 4, -1, rings.ErrOffsets},
	}
	for _, c := range cases {
		mem := func(slot int) []byte {
			words := make([]byte, int(good.Desc)+4*slot-c.short)
			if c.short < 0 {
				return words[-c.short:]
			}
			return words
		}
		for ring, err := range newErrors(mem, c.off, c.size) {
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %s: got %v, want %v", c.name, ring, err, c.want)
			}
		}
	}
}

func TestConstructorsRefuseForeignIndices(t *testing.T) {
	for _, apart := range []int32{5, -1, -1 << 31} {
		_, k := ringtest.NewCompletionPair(ringtest.Config{Size: 4, Start: nearWrap})
		k.Jump(apart)
		mem := func(slot int) []byte { return append(k.Mem, make([]byte, 64)...) }
		for ring, err := range newErrors(mem, k.Offsets, 4) {
			if !errors.Is(err, rings.ErrIndices) {
				t.Errorf("%d apart: %s: got %v, want %v", apart, ring, err, rings.ErrIndices)
			}
		}
	}
}

// An error is one line that names the ring and the figures.
func TestConstructorErrorText(t *testing.T) {
	_, err := rings.NewTX(make([]byte, 4096), ringtest.Layouts[0], 3)
	want(t, "error", fmt.Sprint(err), "rings: tx: 3 slots: size is not a power of two from 1 to 2^31")
}
