package umem

import (
	"reflect"
	"testing"
	"unsafe"
)

func TestVerbsMoveTheOffsets(t *testing.T) {
	p := newPool(t, 4)
	f := p.Get(ClassSend)
	if f.Headroom() != Headroom || f.Len() != 0 || f.Tailroom() != MinChunk-Headroom {
		t.Fatalf("new frame: headroom %d, len %d, tailroom %d", f.Headroom(), f.Len(), f.Tailroom())
	}
	f.Reserve(10)
	copy(f.Put(5), "world")
	copy(f.Push(6), "hello ")
	if got := string(f.Bytes()); got != "hello world" {
		t.Errorf("after Put and Push: %q", got)
	}
	if got := string(f.Pull(6)); got != "hello " {
		t.Errorf("Pull returned %q", got)
	}
	f.Trim(3)
	if got := string(f.Bytes()); got != "wor" {
		t.Errorf("after Trim: %q", got)
	}
	if c := cap(f.Bytes()); c != 3 {
		t.Errorf("capacity of Bytes is %d: a caller could append into the next packet", c)
	}
	p.Free(f)
	balanced(t, p)
}

// TestSeekFindsThePayloadAgain: after headers were pushed before it, and after another part of it was
// looked for.
func TestSeekFindsThePayloadAgain(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p, "payload")
	at := f.Offset()
	copy(f.Push(2), "hh")
	if f.Seek(at, 7); string(f.Bytes()) != "payload" {
		t.Errorf("the payload is %q", f.Bytes())
	}
	if f.Seek(at+3, 2); string(f.Bytes()) != "lo" || f.Offset() != at+3 {
		t.Errorf("a part of it is %q", f.Bytes())
	}
	p.Free(f)
	balanced(t, p)
}

func TestMarksSurvivePull(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p, "eeiippdata")
	f.MarkLink()
	f.Pull(2)
	f.MarkNetwork()
	f.Pull(2)
	f.MarkTransport()
	f.Pull(2)
	if string(f.Link()) != "eeiippdata" || string(f.Network()) != "iippdata" || string(f.Transport()) != "ppdata" {
		t.Errorf("link %q, network %q, transport %q", f.Link(), f.Network(), f.Transport())
	}
}

func TestMisuseOfVerbsPanics(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p, "abc")
	for name, verb := range map[string]func(){
		"Push beyond headroom": func() { f.Push(Headroom + 1) },
		"Push negative":        func() { f.Push(-1) },
		"Pull beyond data":     func() { f.Pull(4) },
		"Put beyond tailroom":  func() { f.Put(f.Tailroom() + 1) },
		"Trim longer":          func() { f.Trim(4) },
		"Seek before the head": func() { f.Seek(-1, 1) },
		"Seek beyond the end":  func() { f.Seek(MinChunk, 1) },
		"Reserve with data":    func() { f.Reserve(1) },
		"ToTx without hold":    func() { f.ToTx() },
		"Release without hold": func() { p.Release(f, HoldApp) },
	} {
		if !panics(verb) {
			t.Errorf("%s: no panic", name)
		}
	}
	if string(f.Bytes()) != "abc" {
		t.Errorf("misuse changed the frame: %q", f.Bytes())
	}
}

func TestFreeWhileHeldPanics(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p, "x")
	p.Hold(f, HoldReceive)
	if !panics(func() { p.Free(f) }) {
		t.Error("a held frame was freed")
	}
}

func TestFrameHasNoGoPointer(t *testing.T) {
	for _, v := range []any{Frame{}, Queue{}} {
		if name := pointerIn(reflect.TypeOf(v)); name != "" {
			t.Errorf("%T.%s is a Go pointer: the collector would walk every frame", v, name)
		}
	}
}

func pointerIn(t reflect.Type) string {
	for i := range t.NumField() {
		switch f := t.Field(i); f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.String, reflect.Chan, reflect.Func, reflect.UnsafePointer:
			return f.Name
		case reflect.Struct:
			if name := pointerIn(f.Type); name != "" {
				return f.Name + "." + name
			}
		}
	}
	return ""
}

func TestRegionRefusesBadSizes(t *testing.T) {
	for _, c := range []struct{ bytes, chunk int }{
		{0, 2048}, {2047, 2048}, {4096 + 1, 2048}, {8192, 1024}, {9000, 3000}, {1 << 17, 1 << 16}, {8192, -2048},
	} {
		if _, err := NewRegion(make([]byte, c.bytes), c.chunk); err == nil {
			t.Errorf("region of %d bytes in chunks of %d was accepted", c.bytes, c.chunk)
		}
	}
}

func TestChunksDoNotOverlap(t *testing.T) {
	const n = 8
	mem := make([]byte, n*MaxChunk)
	r, err := NewRegion(mem, MaxChunk)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := NewPool(r, PoolConfig{Workers: 1, Frames: n, SendQuota: n})
	for i := range n {
		f := p.Get(ClassSend)
		f.Push(Headroom)
		f.Put(f.Tailroom())
		for j := range f.Bytes() {
			f.Bytes()[j] = byte(i + 1)
		}
		if at := uintptr(unsafe.Pointer(&f.Bytes()[0])) - uintptr(unsafe.Pointer(&mem[0])); at != uintptr(f.Addr()) {
			t.Errorf("frame %d lies at %d and says %d", i, at, f.Addr())
		}
	}
	for i, b := range mem {
		if b == 0 {
			t.Fatalf("byte %d belongs to no frame", i)
		}
	}
}
