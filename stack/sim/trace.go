package sim

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/umem"
)

// trace is a running hash: FNV-1a's, by words of eight octets and with a rotation,
// since every octet of every packet goes through it. It is to tell two runs apart,
// and protects from nothing.
type trace uint64

func newTrace() trace { return 0xcbf29ce484222325 }

func (t *trace) word(v uint64) {
	x := (uint64(*t) ^ v) * 0x100000001b3
	*t = trace(x<<29 | x>>35)
}

func (t *trace) bytes(b []byte) {
	t.word(uint64(len(b)))
	for ; len(b) >= 8; b = b[8:] {
		t.word(binary.LittleEndian.Uint64(b))
	}
	for _, c := range b {
		t.word(uint64(c))
	}
}

func (t *trace) packet(now umem.Time, data []byte, remark string) {
	t.word(uint64(now))
	t.bytes(data)
	t.word(uint64(len(remark)))
}
