package tcp

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSeqIsModular: the order of two numbers less than 2^31 apart does not depend on
// where they are, near 2^32 above all.
func TestSeqIsModular(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := Seq(rapid.Uint32().Draw(t, "base"))
		if rapid.Bool().Draw(t, "near the end") {
			base = Seq(0).Add(-rapid.IntRange(0, 3000).Draw(t, "before the end"))
		}
		a, b := rapid.IntRange(0, 1<<30).Draw(t, "a"), rapid.IntRange(0, 1<<30).Draw(t, "b")
		s, u := base.Add(a), base.Add(b)
		if s.Before(u) != (a < b) || s.AtMost(u) != (a <= b) || s.After(u) != (a > b) || s.AtLeast(u) != (a >= b) {
			t.Errorf("%d and %d are in the wrong order", s, u)
		}
		if s.Sub(u) != a-b || MaxSeq(s, u) != base.Add(max(a, b)) || u.Add(a-b) != s {
			t.Errorf("%d is %d after %d, not %d", s, s.Sub(u), u, a-b)
		}
		n := rapid.IntRange(0, 1<<30).Draw(t, "n")
		if s.In(u, n) != (a >= b && a < b+n) {
			t.Errorf("%d in %d+%d: %v", s, u, n, s.In(u, n))
		}
	})
}

// TestAcceptable against the definition: some octet of the segment, or an empty
// segment's number, is in the window; an empty window takes an empty segment at nxt
// alone.
func TestAcceptable(t *testing.T) {
	for _, base := range []Seq{0, 1 << 31, Seq(0).Add(-5)} {
		for seq := -6; seq < 12; seq++ {
			for n := range 8 {
				for wnd := range 6 {
					want := n == 0 && wnd == 0 && seq == 0
					for o := range max(n, 1) {
						want = want || seq+o >= 0 && seq+o < wnd
					}
					if got := Acceptable(base.Add(seq), n, base, wnd); got != want {
						t.Errorf("segment %d+%d, window %d: %v", seq, n, wnd, got)
					}
				}
			}
		}
	}
}
