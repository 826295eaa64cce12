package umem

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// chain makes a packet of fragments, one a string.
func chain(t testing.TB, p *Pool, parts ...string) *Frame {
	t.Helper()
	f := get(t, p, parts[0])
	for _, s := range parts[1:] {
		f.Append(get(t, p, s))
	}
	return f
}

func TestChainCountsItsFragments(t *testing.T) {
	p := newPool(t, 8)
	f := chain(t, p, "ab", "", "cde", "f")
	if f.TotalLen() != 6 || f.Len() != 2 {
		t.Errorf("total %d, first %d", f.TotalLen(), f.Len())
	}
	var got [6]byte
	if n := f.CopyTo(got[:]); n != 6 || string(got[:]) != "abcdef" {
		t.Errorf("CopyTo: %d %q", n, got)
	}
	p.Free(f)
	balanced(t, p)
}

func TestPullup(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts []string
		n     int
		want  string
	}{
		{"already there", []string{"abc"}, 2, "ab"},
		{"everything", []string{"ab", "cd"}, 4, "abcd"},
		{"one-byte fragments", []string{"a", "b", "c", "d", "e"}, 4, "abcd"},
		{"across an empty one", []string{"a", "", "b"}, 2, "ab"},
		{"empty first", []string{"", "ab"}, 1, "a"},
		{"nothing", []string{"", ""}, 0, ""},
	} {
		p := newPool(t, 8)
		f := chain(t, p, c.parts...)
		total := f.TotalLen()
		got, ok := f.Pullup(c.n)
		if !ok || string(got) != c.want || f.TotalLen() != total {
			t.Errorf("%s: %q %v, total %d of %d", c.name, got, ok, f.TotalLen(), total)
		}
		p.Free(f)
		balanced(t, p)
	}
}

func TestPullupOfMoreThanThereIs(t *testing.T) {
	p := newPool(t, 4)
	f := chain(t, p, "ab", "cd")
	if _, ok := f.Pullup(5); ok {
		t.Error("5 of 4 bytes pulled up")
	}
	g := get(t, p, "ab")
	if _, ok := g.Pullup(3); ok {
		t.Error("3 of 2 bytes pulled up")
	}
	if f.TotalLen() != 4 || g.Len() != 2 {
		t.Error("a refused Pullup changed the packet")
	}
}

func TestPullupShiftsIntoHeadroom(t *testing.T) {
	p := newPool(t, 4)
	f := p.Get(ClassSend)
	f.MarkLink()
	for i := range f.Put(f.Tailroom()) {
		f.Bytes()[i] = byte(i)
	}
	want := append(bytes.Clone(f.Bytes()), "tail"...)
	f.Append(get(t, p, "tail"))
	f.Pull(14)
	f.MarkNetwork()
	got, ok := f.Pullup(len(want) - 14)
	if !ok || !bytes.Equal(got, want[14:]) {
		t.Fatalf("Pullup with a full tail: %v, %d bytes", ok, len(got))
	}
	if !bytes.Equal(f.Link(), want) || !bytes.Equal(f.Network(), want[14:]) {
		t.Error("the marks do not point at their headers any more")
	}
	if _, ok := f.Pullup(MinChunk + 1); ok {
		t.Error("more than a chunk pulled up")
	}
}

// FuzzChain holds the verbs on a chain against a plain byte slice.
func FuzzChain(f *testing.F) {
	f.Add([]byte("\x01\x00\x05hello\x02\x03\x03\x02"))
	f.Add([]byte{0, 1, 'a', 0, 1, 'b', 0, 1, 'c', 1, 3, 2, 1, 3, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		p := newPool(t, 64)
		packet := p.Get(ClassSend)
		var model []byte
		for len(script) >= 2 {
			verb, n := script[0]%5, int(script[1])
			script = script[2:]
			script = playVerb(t, p, packet, &model, verb, n, script)
			got := make([]byte, packet.TotalLen())
			packet.CopyTo(got)
			if !bytes.Equal(got, model) {
				t.Fatalf("after verb %d(%d): %q, want %q", verb, n, got, model)
			}
		}
		p.Free(packet)
		balanced(t, p)
	})
}

// playVerb applies one verb of the script to the packet and to its model.
func playVerb(t *testing.T, p *Pool, f *Frame, model *[]byte, verb byte, n int, script []byte) []byte {
	switch verb {
	case 0: // another fragment
		n = min(n, len(script))
		if g := p.Get(ClassSend); g != nil {
			copy(g.Put(n), script[:n])
			f.Append(g)
			*model = append(*model, script[:n]...)
		}
		return script[n:]
	case 1:
		got, ok := f.Pullup(n)
		if ok != (n <= len(*model)) || (ok && !bytes.Equal(got, (*model)[:n])) {
			t.Fatalf("Pullup(%d) of %d: %q %v", n, len(*model), got, ok)
		}
	case 2:
		n = min(n, f.Len())
		f.Pull(n)
		*model = (*model)[n:]
	case 3:
		n = min(n, len(*model))
		f.Trim(n)
		*model = (*model)[:n]
	case 4:
		n = min(n, f.Headroom())
		*model = append(bytes.Repeat([]byte{7}, n), *model...)
		copy(f.Push(n), bytes.Repeat([]byte{7}, n))
	}
	return script
}

func TestQueueKeepsOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 1))
	p := newPool(t, 32)
	q := NewQueue()
	var model []*Frame
	for range 10_000 {
		if rng.IntN(2) == 0 {
			if f := p.Get(ClassSend); f != nil {
				q.Push(f)
				model = append(model, f)
			}
		} else if f := q.Pop(p.Region()); f != nil || len(model) > 0 {
			if len(model) == 0 || f != model[0] {
				t.Fatalf("popped %v, %d expected", f, len(model))
			}
			model = model[1:]
			p.Free(f)
		}
		if q.Len() != len(model) || (len(model) > 0 && q.Peek(p.Region()) != model[0]) {
			t.Fatalf("length %d, want %d", q.Len(), len(model))
		}
	}
}
