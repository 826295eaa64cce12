package wire

import (
	"encoding/binary"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// loops are the functions too long to be inlined, each called once a packet at
// most. Everything else exported here must be inlined.
var loops = map[string]string{
	"CheckIPv4Chain":  "called by CheckIPv4, which is inlined",
	"CheckQuotedIPv4": "errors only", "CheckQuotedIPv6": "errors only",
	"CheckNDP": "walks options", "NDP.LinkAddr": "walks options", "PutNDP": "rare",
	"WalkExt":         "walks headers",
	"IPv4.ChecksumOK": "a sum", "IPv4.Seal": "a sum", "PutIPv4": "seals", "PutTCP": "ten fields",
	"SealUDP": "a sum", "SealTCP": "a sum", "SealICMPv4": "a sum", "SealICMPv6": "a sum",
	"ExtVerdict.ParamProblem": "errors only",
	"Options.Next":            "walks no-operations", "Options.Valid": "walks options",
}

// TestInlining compiles the package with -m and fails on an exported function that
// the compiler no longer inlines and that is not in loops.
func TestInlining(t *testing.T) {
	out, err := exec.Command("go", "build", "-buildvcs=false", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inlined := map[string]bool{}
	for _, m := range regexp.MustCompile(`can inline (\S+)`).FindAllStringSubmatch(string(out), -1) {
		inlined[m[1]] = true
	}
	n := 0
	for _, name := range exported(t) {
		if _, except := loops[name]; except {
			continue
		}
		if n++; !inlined[name] {
			t.Errorf("%s is not inlined", name)
		}
	}
	if n < 80 {
		t.Errorf("looked at %d functions only", n)
	}
}

// exported lists the exported functions and methods of the package, as the compiler
// names them.
func exported(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				name = fn.Recv.List[0].Type.(*ast.Ident).Name + "." + name
			}
			names = append(names, name)
		}
	}
	return names
}

// TestNoAllocs builds and reads a packet of each kind.
func TestNoAllocs(t *testing.T) {
	b := make([]byte, 128)
	options := Options{1, 1, 4, 2}
	var ok [8]bool
	var sink int
	if n := testing.AllocsPerRun(100, func() {
		PutEthernet(b, EthernetFields{Type: EtherTypeIPv4})
		PutIPv4(b[14:], IPv4Fields{PayloadLen: 60, Options: options})
		PutUDP(b[38:], UDPFields{PayloadLen: 40})
		SealUDP(b[38:86], 0)
		var e Ethernet
		var h4 IPv4
		var u UDP
		e, ok[0] = CheckEthernet(b)
		h4, ok[1] = CheckIPv4(b[14:])
		u, ok[2] = CheckUDP(b[38:])
		src := h4.Src()
		sink += int(e.Type()) + int(src[3]) + u.PayloadLen()
		PutIPv6(b, IPv6Fields{PayloadLen: 80, NextHeader: ExtFragment})
		PutFragment(b[40:], FragmentFields{NextHeader: ProtoTCP})
		PutTCP(b[48:], TCPFields{Options: options})
		x, _ := WalkExt(b, DefaultExtLimits)
		var h TCP
		h, ok[3] = CheckTCP(b[x.Offset:])
		_, data, _, _ := h.Options().Next()
		sink += len(data)
		_, ok[4] = CheckARP(PutARP(b, ARPFields{}))
		n, _ := CheckNDP(PutNDP(b, NDPFields{Type: ICMPv6NeighborSolicitation, LinkAddr: MAC{2}}))
		_, ok[5] = n.LinkAddr()
		_, ok[6] = CheckICMPv4(PutICMPv4(b, ICMPFields{}))
		_, ok[7] = CheckICMPv6(PutICMPv6(b, ICMPFields{}))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if ok != [8]bool{true, true, true, true, true, true, true, true} {
		t.Errorf("a check failed: %v", ok)
	}
}

// readHeaders is what a receiver does with a datagram's three headers.
//
//go:noinline
func readHeaders(p []byte) (v uint64, ok bool) {
	e, ok := CheckEthernet(p)
	if !ok || e.Type() != EtherTypeIPv4 {
		return 0, false
	}
	h, ok := CheckIPv4(p[EthernetLen:])
	if !ok || h.IsFragment() || !h.ChecksumOK() {
		return 0, false
	}
	u, ok := CheckUDP(p[EthernetLen+len(h):])
	if !ok {
		return 0, false
	}
	src, dst := h.Src(), h.Dst()
	v = uint64(binary.BigEndian.Uint32(src[:])) ^ uint64(binary.BigEndian.Uint32(dst[:]))
	return v + uint64(u.SrcPort()) + uint64(u.DstPort()), true
}

func BenchmarkHeaders(b *testing.B) {
	p := make([]byte, 64)
	PutEthernet(p, EthernetFields{Type: EtherTypeIPv4})
	PutIPv4(p[14:], IPv4Fields{PayloadLen: 30, Protocol: ProtoUDP})
	PutUDP(p[34:], UDPFields{PayloadLen: 22})
	for b.Loop() {
		if _, ok := readHeaders(p); !ok {
			b.Fatal("refused")
		}
	}
}
