package tidy

import (
	"go/ast"
	"regexp"
	"strings"
)

// testName: Test and then words, such as TestRingWrapsAt32Bits or TestFrame_Push; a number
// alone, as in Test12 or TestBug7, says nothing.
var (
	testName   = regexp.MustCompile(`^(Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$`)
	numberName = regexp.MustCompile(`^(Test|Benchmark|Fuzz)(Bug|Case|Issue|Fix|PR|It)?_?[0-9]*$`)
)

// checkTestNames also wants a test to use its t: one that does not cannot fail.
func checkTestNames(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		if !f.Test() {
			continue
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !isTest(fn) {
				continue
			}
			if message := judgeTest(fn); message != "" {
				found = append(found, Finding{Rule: "test-names", Path: f.Path, Line: t.line(fn.Name.Pos()), Message: message})
			}
		}
	}
	return found
}

// isTest: a function that the test runner calls, TestMain excepted.
func isTest(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || fn.Name.Name == "TestMain" || len(fn.Type.Params.List) != 1 {
		return false
	}
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz"} {
		if strings.HasPrefix(fn.Name.Name, prefix) {
			return true
		}
	}
	return false
}

func judgeTest(fn *ast.FuncDecl) string {
	name := fn.Name.Name
	if !testName.MatchString(name) || numberName.MatchString(name) {
		return name + " does not say what it shows; name it for that, as TestShortWriteDoesNotOverpublish"
	}
	if param := fn.Type.Params.List[0]; len(param.Names) == 0 || !uses(fn.Body, param.Names[0].Name) {
		return name + " never uses its parameter, so it cannot fail; check something"
	}
	return ""
}

func uses(body *ast.BlockStmt, name string) bool {
	used := false
	ast.Inspect(body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == name {
			used = true
		}
		return !used
	})
	return used
}
