package xdp

// The object is committed: building xdpstack needs Go alone. After a change
// of bpf/ run "make generate" (clang and llvm-strip, version 14 or later);
// TestObjectIsCurrent notices when that was forgotten. -mcpu=v3 needs Linux
// 5.1, older than the links and fallback actions that the package uses.
//
//go:generate go tool -modfile=../../tools/go.mod bpf2go -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror" -type verdict object bpf/xdp.c
//go:generate sh -c "cd bpf && sha256sum kernel.h maps.h transport.h wire.h xdp.c > ../object.sha256"
