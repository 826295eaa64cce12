//go:build amd64 && !race

#include "textflag.h"

// func storeRelease(p *uint32, v uint32)
// In assembly, since the compiler may move a plain store of Go across others.
TEXT ·storeRelease(SB), NOSPLIT|NOFRAME, $0-12
	MOVQ p+0(FP), AX
	MOVL v+8(FP), CX
	MOVL CX, (AX)
	RET
