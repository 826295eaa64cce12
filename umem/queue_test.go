package umem

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestQueueAgainstSlice compares it with a slice over random verbs, those in its middle too.
func TestQueueAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := NewRegion(make([]byte, 16*MinChunk), MinChunk)
		if err != nil {
			t.Fatal(err)
		}
		q, out := NewQueue(), []uint32{}
		var in []uint32
		for i := range uint32(16) {
			out = append(out, i)
		}
		frame := func(at int) *Frame {
			if at < 0 {
				return nil
			}
			return r.Frame(in[at])
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			prev := rapid.IntRange(-1, len(in)-1).Draw(t, "after")
			switch verb := rapid.IntRange(0, 3).Draw(t, "verb"); {
			case verb < 2 && len(out) > 0:
				at := prev + 1
				if f := r.Frame(out[0]); verb == 0 {
					at = len(in)
					q.Push(f)
				} else {
					q.Insert(frame(prev), f)
				}
				in = slices.Insert(in, at, out[0])
				out = out[1:]
			case verb == 2:
				f := q.Remove(r, frame(prev))
				if (f != nil) != (prev+1 < len(in)) || f != nil && f.Index() != in[prev+1] {
					t.Fatalf("removed %v after %d of %v", f, prev, in)
				}
				if f != nil {
					out, in = append(out, f.Index()), slices.Delete(in, prev+1, prev+2)
				}
			case verb == 3:
				if f := q.Pop(r); f != nil {
					out, in = append(out, f.Index()), in[1:]
				}
			}
			var got []uint32
			for f := q.Next(r, nil); f != nil; f = q.Next(r, f) {
				got = append(got, f.Index())
			}
			last := q.Last(r)
			if !slices.Equal(got, in) || q.Len() != len(in) || (last == nil) != (len(in) == 0) || last != nil && last.Index() != in[len(in)-1] {
				t.Fatalf("the queue has %v, last %v; not %v", got, last, in)
			}
		}
	})
}
