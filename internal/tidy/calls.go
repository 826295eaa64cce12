package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// bannedCall is a function that must not be used in some places.
type bannedCall struct {
	pkg     string
	names   []string
	where   func(f *File, function string) bool
	instead string
}

// bannedCalls, each with what to use instead.
var bannedCalls = []bannedCall{
	{"time", []string{"Sleep"}, inTests,
		"wait for what you wait for: a channel, a condition polled with a deadline, or virtual time"},
	{"time", []string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker"}, inStack,
		"take umem.Time as an argument"},
	{"os", []string{"Exit"}, outsideMain, "return an error, or an exit code to main"},
	{"log", []string{"Fatal", "Fatalf", "Fatalln"}, outsideMain, "return an error"},
	{"fmt", []string{"Print", "Printf", "Println"}, inLibraries, "return it, or write it to an io.Writer passed in"},
}

func inTests(f *File, _ string) bool {
	return f.Test() || slices.ContainsFunc(testSupport, f.in)
}

// inStack: a test there may read the clock for a seed.
func inStack(f *File, _ string) bool { return f.in("stack") && !f.Test() }

// outsideMain: deferred calls, and so clean-up, do not run in os.Exit. In tests it is for
// TestMain and its file, main_test.go, and for the functions, named helper…, of a process
// that a test starts of itself. An example shows a program, whose main may.
func outsideMain(f *File, function string) bool {
	if f.Test() {
		return function != "TestMain" && path.Base(f.Path) != "main_test.go" &&
			!strings.HasPrefix(function, "helper") && !strings.HasPrefix(function, "Example")
	}
	return f.AST.Name.Name != "main" || function != "main"
}

func inLibraries(f *File, _ string) bool {
	return !f.Test() && !f.Nested && f.AST.Name.Name != "main"
}

// checkCalls looks for bannedCalls, for skips without a reason, and for panics in the stack.
func checkCalls(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		names := importNames(f.AST)
		for _, d := range f.AST.Decls {
			function := ""
			if fn, ok := d.(*ast.FuncDecl); ok {
				function = functionName(fn)
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if message := judgeNode(t, f, names, function, n); message != "" {
					found = append(found, Finding{Rule: "calls", Path: f.Path, Line: t.line(n.Pos()), Message: message})
				}
				return true
			})
		}
	}
	return found
}

// importNames maps the names by which a file knows its imports to their paths.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

func judgeNode(t *Tree, f *File, names map[string]string, function string, n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		return judgeSelector(f, names, function, n)
	case *ast.CallExpr:
		return judgeCall(t, f, n)
	}
	return ""
}

// judgeSelector finds a banned function, called or passed on.
func judgeSelector(f *File, names map[string]string, function string, s *ast.SelectorExpr) string {
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, b := range bannedCalls {
		if names[x.Name] == b.pkg && slices.Contains(b.names, s.Sel.Name) && b.where(f, function) {
			return fmt.Sprintf("no %s.%s here; %s", b.pkg, s.Sel.Name, b.instead)
		}
	}
	return ""
}

func judgeCall(t *Tree, f *File, call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.SelectorExpr:
		silent := fun.Sel.Name == "SkipNow" || fun.Sel.Name == "Skip" && len(call.Args) == 0
		if silent && (f.Test() || slices.ContainsFunc(testSupport, f.in)) {
			return "no skip without a reason; t.Skip(\"needs …: what to do\")"
		}
	case *ast.Ident:
		if fun.Name == "panic" && f.in("stack") && !f.Test() && !f.in("stack/sim") && !t.unreachable(f, call.Pos()) {
			return "no panic in the stack: a packet is input, count it under a drop reason; " +
				"a programming error says \"// unreachable: why\" on the same line or the one before"
		}
	}
	return ""
}

// unreachable reports whether a comment on the line of pos, or on the one before, says so.
func (t *Tree) unreachable(f *File, pos token.Pos) bool {
	at := t.line(pos)
	for _, group := range f.AST.Comments {
		for _, c := range group.List {
			n := t.line(c.Pos())
			if (n == at || n == at-1) && strings.Contains(c.Text, "unreachable:") {
				return true
			}
		}
	}
	return false
}
