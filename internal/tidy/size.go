package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"strings"
)

// Limits of size, in lines.
const (
	maxFileLines = 500
	maxFuncLines = 70
)

// checkFileLength holds sources, of whatever language, to maxFileLines.
func checkFileLength(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		switch path.Ext(f.Path) {
		case ".go", ".c", ".h":
		default:
			continue
		}
		n := strings.Count(f.Text, "\n")
		if f.Generated || n <= maxFileLines {
			continue
		}
		found = append(found, Finding{Rule: "file-length", Path: f.Path, Line: maxFileLines, Size: n,
			Message: fmt.Sprintf("%d lines, more than %d; a file holds one idea: move the other one out", n, maxFileLines)})
	}
	return found
}

// checkFunctionLength counts from func to the closing brace.
func checkFunctionLength(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			first := t.line(fn.Name.Pos())
			n := t.line(fn.End()) - first + 1
			if n <= maxFuncLines {
				continue
			}
			found = append(found, Finding{Rule: "func-length", Path: f.Path, Line: first, Symbol: functionName(fn), Size: n,
				Message: fmt.Sprintf("%s has %d lines, more than %d; keep the control flow, give each decision a function of its own",
					functionName(fn), n, maxFuncLines)})
		}
	}
	return found
}

// functionName is Name, or Type.Name for a method.
func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	return receiverName(fn.Recv.List[0].Type) + "." + fn.Name.Name
}

// receiverName is the name of the type, without pointer and type parameters.
func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
