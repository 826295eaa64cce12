package rings_test

import (
	"fmt"
	"testing"

	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// nearWrap is where indices begin in most tests, so that they pass 2^32 soon.
const nearWrap = 1<<32 - 3

// outboundRing is what *rings types on this side have in common.
type outboundRing interface {
	Reserve(max uint32) uint32
	Submit(n uint32)
	Pending() uint32
	Free() uint32
	Produced() uint64
	Consumed() uint64
	NeedWakeup() bool
	Size() uint32
	Corrupt() uint64
}

// An outbound is a ring that we fill, with the kernel's side: Fill or TX, the same to a test.
type outbound struct {
	ring outboundRing
	set  func(i uint32, v uint64)
	take func(max int) []uint64
	jump func(n int32)
	mem  *ringtest.Queue
}

// inboundRing is what *rings types on this side have in common.
type inboundRing interface {
	Peek(max uint32) uint32
	Release(n uint32)
	Available() uint32
	Produced() uint64
	Consumed() uint64
	Size() uint32
	Corrupt() uint64
}

// An inbound is a ring that the kernel fills: RX or Completion.
type inbound struct {
	ring inboundRing
	at   func(i uint32) uint64
	give func(vs ...uint64) int
	jump func(n int32)
	mem  *ringtest.Queue
}

var outbounds = map[string]func(ringtest.Config) outbound{
	"fill": func(c ringtest.Config) outbound {
		r, k := ringtest.NewFillPair(c)
		take := func(max int) []uint64 {
			dst := make([]uint64, max)
			return dst[:k.Take(dst)]
		}
		return outbound{r, r.Set, take, k.Jump, &k.Queue}
	},
	"tx": func(c ringtest.Config) outbound {
		r, k := ringtest.NewTXPair(c)
		set := func(i uint32, v uint64) {
			d := descOf(v)
			r.Set(i, d.Addr, d.Len, d.Options)
		}
		take := func(max int) []uint64 {
			dst := make([]rings.Desc, max)
			return valuesOf(dst[:k.Consume(dst)])
		}
		return outbound{r, set, take, k.Jump, &k.Queue}
	},
}

var inbounds = map[string]func(ringtest.Config) inbound{
	"rx": func(c ringtest.Config) inbound {
		r, k := ringtest.NewRXPair(c)
		at := func(i uint32) uint64 { return valuesOf([]rings.Desc{r.At(i)})[0] }
		give := func(vs ...uint64) int {
			descs := make([]rings.Desc, len(vs))
			for i, v := range vs {
				descs[i] = descOf(v)
			}
			return k.Produce(descs...)
		}
		return inbound{r, at, give, k.Jump, &k.Queue}
	},
	"completion": func(c ringtest.Config) inbound {
		r, k := ringtest.NewCompletionPair(c)
		return inbound{r, r.At, k.Complete, k.Jump, &k.Queue}
	},
}

// descOf spreads v over all fields of a descriptor.
func descOf(v uint64) rings.Desc {
	return rings.Desc{Addr: v, Len: uint32(v) ^ 0xaaaaaaaa, Options: uint32(v) ^ 0x55555555}
}

// valuesOf is the reverse; a descriptor whose fields do not belong together gives a value
// that no test uses.
func valuesOf(descs []rings.Desc) []uint64 {
	vs := make([]uint64, len(descs))
	for i, d := range descs {
		vs[i] = d.Addr
		if d != descOf(d.Addr) {
			vs[i] = ^uint64(0)
		}
	}
	return vs
}

// eachOutbound runs f on Fill and TX, in every layout.
func eachOutbound(t *testing.T, size uint32, f func(failer, outbound)) {
	for name, pair := range outbounds {
		for i, off := range ringtest.Layouts {
			t.Run(fmt.Sprintf("%s/layout%d", name, i), func(t *testing.T) {
				f(t, pair(ringtest.Config{Size: size, Start: nearWrap, Offsets: off}))
			})
		}
	}
}

// eachInbound runs f on RX and Completion, in every layout.
func eachInbound(t *testing.T, size uint32, f func(failer, inbound)) {
	for name, pair := range inbounds {
		for i, off := range ringtest.Layouts {
			t.Run(fmt.Sprintf("%s/layout%d", name, i), func(t *testing.T) {
				f(t, pair(ringtest.Config{Size: size, Start: nearWrap, Offsets: off}))
			})
		}
	}
}

// A failer is a *testing.T, *testing.B or *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// want fails unless got is what it should be.
func want[V comparable](t failer, what string, got, expected V) {
	t.Helper()
	if got != expected {
		t.Fatalf("%s: got %v, want %v", what, got, expected)
	}
}

// wantValues fails unless got are the n values from first on.
func wantValues(t failer, got []uint64, first uint64, n int) {
	t.Helper()
	want(t, "entries", len(got), n)
	for i, v := range got {
		want(t, fmt.Sprintf("entry %d", i), v, first+uint64(i))
	}
}

// wantPanic fails unless f panics.
func wantPanic(t failer, what string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Fatalf("%s: no panic", what)
		}
	}()
	f()
}
