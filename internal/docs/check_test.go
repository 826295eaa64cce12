package docs

import (
	"strings"
	"testing"
	"testing/fstest"
)

// small is a tree with one declaration of each kind.
var small = fstest.MapFS{
	"host.go":             {Data: []byte("package xdpstack\ntype Host struct{}\nfunc (h *Host) Close() {}\n")},
	"umem/frame.go":       {Data: []byte("package umem\ntype Frame struct{ Port, Hash int }\nconst Headroom = 256\n")},
	"umem/pool.go":        {Data: []byte("package umem\ntype Pool[T any] interface{ Get() T }\nvar ErrA, ErrB error\nfunc (p *ring[T]) at() {}\n")},
	"stack/ip/ip.go":      {Data: []byte("package ip\n// Input is RFC 791 and RFC1122.\nfunc Input() {}\n")},
	"stack/ip/ip_test.go": {Data: []byte("package ip\nfunc TestInput() {}\nfunc FuzzInput() {}\n// helper is no test.\nfunc helper() {}\n")},
	"docs/other.md":       {Data: []byte("# Other\n")},
}

func smallIndex(t *testing.T) *Index {
	t.Helper()
	x, err := NewIndex(small)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIndexFindsEveryKindOfDeclaration(t *testing.T) {
	x := smallIndex(t)
	for s, file := range map[string]string{
		"xdpstack.Host": "host.go", "xdpstack.Host.Close": "host.go",
		"umem.Frame": "umem/frame.go", "umem.Frame.Hash": "umem/frame.go", "umem.Headroom": "umem/frame.go",
		"umem.Pool.Get": "umem/pool.go", "umem.ErrB": "umem/pool.go", "umem.ring.at": "umem/pool.go",
		"stack/ip.Input": "stack/ip/ip.go", "stack/ip.TestInput": "",
	} {
		if got := x.Symbols[s]; got != file {
			t.Errorf("%s is in %q, want %q", s, got, file)
		}
	}
	if !x.Tests["TestInput"] || !x.Tests["FuzzInput"] || x.Tests["helper"] {
		t.Errorf("tests: %v", x.Tests)
	}
	if len(x.RFCs) != 2 || !x.RFCs["1122"]["stack/ip/ip.go"] {
		t.Errorf("citations: %v", x.RFCs)
	}
}

func TestRelinkFollowsASymbol(t *testing.T) {
	text := "[`umem.Frame`](../umem/pool.go), [`umem.Gone`](../umem/pool.go), [the pool](../umem/pool.go)"
	want := "[`umem.Frame`](../umem/frame.go), [`umem.Gone`](../umem/pool.go), [the pool](../umem/pool.go)"
	if got := Relink(smallIndex(t), "docs/a.md", text); got != want {
		t.Errorf("got %s", got)
	}
}

// expect compares what a check finds: nothing, or one thing that says want.
func expect(t *testing.T, wrong []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(wrong) != 0:
		t.Errorf("found %q", wrong)
	case want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], want)):
		t.Errorf("found %q, want one with %q", wrong, want)
	}
}

func TestLinks(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"to a file", "[other](other.md#part) and [up](../host.go)", ""},
		{"to nowhere", "[other](gone.md)", "gone.md is not there"},
		{"to another host", "[other](https://example.org/gone.md)", ""},
		{"in code", "```\n[other](gone.md)\n```", ""},
		{"symbol", "[`umem.Frame.Hash`](../umem/frame.go)", ""},
		{"symbol of the root", "[`xdpstack.Host.Close`](../host.go)", ""},
		{"symbol that is gone", "[`umem.Frame.Hush`](../umem/frame.go)", "nothing declares umem.Frame.Hush"},
		{"symbol that moved", "[`umem.Frame`](../umem/pool.go)", "umem.Frame is declared in umem/frame.go"},
		{"file in backquotes", "[`umem/frame.go`](../umem/frame.go)", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			expect(t, CheckLinks(small, smallIndex(t), "docs/a.md", test.text), test.want)
		})
	}
}

func TestJourney(t *testing.T) {
	table := "| Kernel, sending | Ours | Code |\n|---|---|---|\n| `a | b` | c | [`umem.Frame`](../umem/frame.go) |\n"
	receiving := strings.Replace(table, "sending", "receiving", 1)
	for _, test := range []struct{ name, text, want string }{
		{"complete", table + "\n" + receiving + "\nRows without code: 0.", ""},
		{"a table is missing", table + "\nRows without code: 0.", "want the two"},
		{"a row without code", table + "| d | e | later |\n\n" + receiving + "\nRows without code: 0.", "1 rows lack code"},
		{"a row without code, admitted", table + "| d | e | later |\n\n" + receiving + "\nRows without code: 1.", ""},
		{"a row too short", table + "| d | e |\n\n" + receiving + "\nRows without code: 0.", "2 cells, want 3"},
		{"nothing counted", table + "\n" + receiving, "no line like"},
	} {
		t.Run(test.name, func(t *testing.T) {
			expect(t, CheckJourney(test.text), test.want)
		})
	}
}

func TestRequirements(t *testing.T) {
	const head = "Open rows: 0.\n## RFC 1122\n## RFC 791: IP\n| section | requirement | where | test |\n|---|---|---|---|\n"
	for _, test := range []struct{ name, text, want string }{
		{"fulfilled", head + "| 3.1 | MUST check | `stack/ip.Input` | `TestInput`, `FuzzInput` |", ""},
		{"deviation", head + "| 3.1 | MUST route | | deviation: a host does not |", ""},
		{"deviation without a reason", head + "| 3.1 | MUST route | | deviation: |", "without a reason"},
		{"no level", head + "| 3.1 | checks | `stack/ip.Input` | `TestInput` |", "neither MUST"},
		{"place that is gone", head + "| 3.1 | MUST check | `stack/ip.Output` | `TestInput` |", "nothing declares stack/ip.Output"},
		{"test that is gone", head + "| 3.1 | MUST check | `stack/ip.Input` | `TestOutput` |", "no test TestOutput"},
		{"no test", head + "| 3.1 | MUST check | `stack/ip.Input` | by hand |", "names no place or no test"},
		{"no place", head + "| 3.1 | MUST check | | `TestInput` |", "names no place or no test"},
		{"too few cells", head + "| 3.1 | MUST check | `stack/ip.Input` |", "3 cells"},
		{"more open than said", head + "| 3.1 | MUST check | | open |", "1 rows lack"},
		{"no section", "Open rows: 0.\n## RFC 791", "RFC 1122 is cited in stack/ip/ip.go"},
	} {
		t.Run(test.name, func(t *testing.T) {
			expect(t, CheckRFC(smallIndex(t), test.text), test.want)
		})
	}
}

func TestTargets(t *testing.T) {
	const makefile = "test: ## everything\n\tgo test\ncheck: test\n"
	expect(t, CheckTargets("a.md", "`make test` and make do\n    sudo make check\n", makefile), "")
	expect(t, CheckTargets("a.md", "`make tests`\n", makefile), "make has no target tests")
}
