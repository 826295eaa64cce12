package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// block is the octets of one AVX2 register, unroll the registers of one turn of
// the main loop. A pair of accumulators for each keeps the additions of a turn
// from waiting for each other: measured on Zen 5, two pairs take 34 ns for 4,096
// octets, four take 26.
const (
	block  = 32
	unroll = 4
	pairs  = 4
)

// pair accumulates 64-bit lanes without losing carries. all adds whole lanes
// modulo 2^64, high adds their upper halves; the sum of the lower halves is then
// all - high<<32, exactly, since it cannot reach 2^64. Three operations a
// register, where splitting each lane in two and adding both halves takes four.
type pair struct{ all, high reg.VecVirtual }

func main() {
	sum("sumAVX2", "sumAVX2 returns the sum of the little-endian 32-bit words of b, whose length is a multiple of 32 octets and below 2^34.", false)
	sum("copyAVX2", "copyAVX2 is sumAVX2 that also copies b to dst, which has room for it and does not overlap it.", true)
	Generate()
}

// sum emits one kernel: load, store when copying, accumulate; then fold.
func sum(name, doc string, copying bool) {
	signature := "func(b []byte) uint64"
	if copying {
		signature = "func(dst *byte, b []byte) uint64"
	}
	TEXT(name, NOSPLIT, signature)
	Doc(doc)
	Pragma("noescape")
	var dst reg.Register
	if copying {
		dst = Load(Param("dst"), GP64())
	}
	src := Load(Param("b").Base(), GP64())
	left := Load(Param("b").Len(), GP64())
	acc := make([]pair, pairs)
	for i := range acc {
		acc[i] = pair{YMM(), YMM()}
		VPXOR(acc[i].all, acc[i].all, acc[i].all)
		VPXOR(acc[i].high, acc[i].high, acc[i].high)
	}
	loop("turn", "rest", unroll, src, dst, left, acc)
	Label("rest")
	loop("block", "fold", 1, src, dst, left, acc)
	Label("fold")
	Store(fold(acc), ReturnIndex(0))
	RET()
}

// loop emits a loop that takes n blocks a turn while that many are left, and is
// left for the label after.
func loop(label, after string, n int, src, dst, left reg.Register, acc []pair) {
	CMPQ(left, Imm(uint64(n*block)))
	JB(LabelRef(after))
	Label(label)
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = YMM()
		VMOVDQU(Mem{Base: src, Disp: i * block}, v[i])
	}
	for i := range v {
		if dst != nil {
			VMOVDQU(v[i], Mem{Base: dst, Disp: i * block})
		}
		a := acc[i%len(acc)]
		VPADDQ(v[i], a.all, a.all)
		VPSRLQ(Imm(32), v[i], v[i])
		VPADDQ(v[i], a.high, a.high)
	}
	ADDQ(Imm(uint64(n*block)), src)
	if dst != nil {
		ADDQ(Imm(uint64(n*block)), dst)
	}
	SUBQ(Imm(uint64(n*block)), left)
	CMPQ(left, Imm(uint64(n*block)))
	JAE(LabelRef(label))
}

// fold emits the end: merge the pairs, take the lower halves out of all, add both
// halves, then the four lanes.
func fold(acc []pair) reg.Register {
	all, high := acc[0].all, acc[0].high
	for _, a := range acc[1:] {
		VPADDQ(a.all, all, all)
		VPADDQ(a.high, high, high)
	}
	t := YMM()
	VPSLLQ(Imm(32), high, t)
	VPSUBQ(t, all, all)
	VPADDQ(high, all, all)
	x, r := all.AsX(), XMM()
	VEXTRACTI128(Imm(1), all, r)
	VPADDQ(r, x, x)
	VPSHUFD(Imm(0xee), x, r)
	VPADDQ(r, x, x)
	out := GP64()
	VMOVQ(x, out)
	VZEROUPPER()
	return out
}
