package ringtest

import (
	"fmt"

	"github.com/xdpstack/xdpstack/rings"
)

// Fill is the kernel's side of a fill ring.
type Fill struct{ Queue }

// NewFillPair makes a fill ring and returns our side and the kernel's.
func NewFillPair(c Config) (*rings.Fill, *Fill) {
	k := &Fill{newQueue(c, rings.AddrSize)}
	return must(rings.NewFill(k.Mem, k.Offsets, k.Size)), k
}

// Take takes up to len(dst) addresses and returns how many.
func (k *Fill) Take(dst []uint64) int {
	n := k.ready(uint32(len(dst)))
	for i := range n {
		dst[i] = *k.addr(k.cons + i)
	}
	k.consumed(n)
	return int(n)
}

// Jump moves the kernel's index by n, whatever that means: a corrupt ring.
func (k *Fill) Jump(n int32) { k.consumed(uint32(n)) }

// RX is the kernel's side of an RX ring.
type RX struct{ Queue }

// NewRXPair makes an RX ring and returns our side and the kernel's.
func NewRXPair(c Config) (*rings.RX, *RX) {
	k := &RX{newQueue(c, rings.DescSize)}
	return must(rings.NewRX(k.Mem, k.Offsets, k.Size)), k
}

// Produce announces descs, as many as there is room for, and returns how many.
func (k *RX) Produce(descs ...rings.Desc) int {
	n := k.free(uint32(len(descs)))
	for i := range n {
		*k.desc(k.prod + i) = descs[i]
	}
	k.produced(n)
	return int(n)
}

// Jump moves the kernel's index by n, whatever that means: a corrupt ring.
func (k *RX) Jump(n int32) { k.produced(uint32(n)) }

// TX is the kernel's side of a TX ring.
type TX struct{ Queue }

// NewTXPair makes a TX ring and returns our side and the kernel's.
func NewTXPair(c Config) (*rings.TX, *TX) {
	k := &TX{newQueue(c, rings.DescSize)}
	return must(rings.NewTX(k.Mem, k.Offsets, k.Size)), k
}

// Consume takes up to len(dst) packets and returns how many.
func (k *TX) Consume(dst []rings.Desc) int {
	n := k.ready(uint32(len(dst)))
	for i := range n {
		dst[i] = *k.desc(k.cons + i)
	}
	k.consumed(n)
	return int(n)
}

// Jump moves the kernel's index by n, whatever that means: a corrupt ring.
func (k *TX) Jump(n int32) { k.consumed(uint32(n)) }

// Completion is the kernel's side of a completion ring.
type Completion struct{ Queue }

// NewCompletionPair makes a completion ring and returns our side and the kernel's.
func NewCompletionPair(c Config) (*rings.Completion, *Completion) {
	k := &Completion{newQueue(c, rings.AddrSize)}
	return must(rings.NewCompletion(k.Mem, k.Offsets, k.Size)), k
}

// Complete gives addrs back, as many as there is room for, and returns how many.
func (k *Completion) Complete(addrs ...uint64) int {
	n := k.free(uint32(len(addrs)))
	for i := range n {
		*k.addr(k.prod + i) = addrs[i]
	}
	k.produced(n)
	return int(n)
}

// Jump moves the kernel's index by n, whatever that means: a corrupt ring.
func (k *Completion) Jump(n int32) { k.produced(uint32(n)) }

func must[R any](r R, err error) R {
	if err != nil {
		panic(fmt.Sprintf("ringtest: bad Config: %v", err))
	}
	return r
}
