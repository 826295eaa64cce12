package tidy

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
)

// checkConcurrency: a stack is one goroutine's; concurrency is outside.
func checkConcurrency(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		if !f.in("stack") || f.Test() || f.Nested {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if what := concurrent(n); what != "" {
				found = append(found, Finding{Rule: "concurrency", Path: f.Path, Line: t.line(n.Pos()),
					Message: "no " + what + " in the stack; return what is to be done, and the worker does it"})
			}
			return true
		})
	}
	return found
}

// concurrent names a node that belongs to concurrency.
func concurrent(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "go statement"
	case *ast.SelectStmt:
		return "select"
	case *ast.ChanType:
		return "channel"
	case *ast.SendStmt:
		return "send"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "receive"
		}
	}
	return ""
}

// checkMapRange type-checks the packages of the stack and looks at what they range over.
func checkMapRange(t *Tree) []Finding {
	c := &typeChecker{tree: t, done: map[string]*types.Package{}}
	c.info.Types = map[ast.Expr]types.TypeAndValue{}
	var found []Finding
	for _, f := range t.goFiles() {
		if !f.in("stack") || f.Test() || f.Nested {
			continue
		}
		c.check(f.Dir())
		ast.Inspect(f.AST, func(n ast.Node) bool {
			r, ok := n.(*ast.RangeStmt)
			if ok && isMap(c.info.TypeOf(r.X)) {
				found = append(found, Finding{Rule: "map-range", Path: f.Path, Line: t.line(r.Pos()),
					Message: "no ranging over a map in the stack: its order breaks replay; keep a slab, or a sorted slice, beside it"})
			}
			return true
		})
	}
	return found
}

func isMap(typ types.Type) bool {
	if typ == nil {
		return false
	}
	_, ok := typ.Underlying().(*types.Map)
	return ok
}

// typeChecker finds the types of our packages from the tree alone. Packages of others are
// empty to it: expressions that need them have no type, which no rule asks for.
type typeChecker struct {
	tree *Tree
	done map[string]*types.Package // by folder
	info types.Info
}

// check type-checks the package of a folder once.
func (c *typeChecker) check(dir string) *types.Package {
	if p, ok := c.done[dir]; ok {
		return p
	}
	c.done[dir] = nil // an import cycle ends here
	var files []*ast.File
	for _, f := range c.tree.Files {
		if f.AST != nil && f.Dir() == dir && !f.Test() {
			files = append(files, f.AST)
		}
	}
	conf := types.Config{
		Importer: c,
		Sizes:    types.SizesFor("gc", "amd64"),
		Error:    func(error) {}, // the compiler reports errors; here they come from empty packages
	}
	p, _ := conf.Check(modulePath+"/"+dir, c.tree.Fset, files, &c.info)
	c.done[dir] = p
	return p
}

// Import implements types.Importer.
func (c *typeChecker) Import(importPath string) (*types.Package, error) {
	if importPath == "unsafe" {
		return types.Unsafe, nil
	}
	if folder, ok := ourFolder(importPath); ok {
		if p := c.check(folder); p != nil {
			return p, nil
		}
	}
	p := types.NewPackage(importPath, path.Base(importPath))
	p.MarkComplete()
	return p, nil
}
