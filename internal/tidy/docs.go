package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// minDocLines is the least that tells what a package is, its nouns and what it does not do.
const minDocLines = 10

// checkPackageDoc wants a doc.go in every folder with Go files.
func checkPackageDoc(t *Tree) []Finding {
	var found []Finding
	var dirs []string
	length := map[string]int{}
	for _, f := range t.goFiles() {
		if f.Nested {
			continue
		}
		if !slices.Contains(dirs, f.Dir()) {
			dirs = append(dirs, f.Dir())
		}
		if strings.TrimPrefix(f.Path, f.Dir()+"/") == "doc.go" {
			length[f.Dir()] = strings.Count(f.AST.Doc.Text(), "\n")
		}
	}
	for _, dir := range dirs {
		if n := length[dir]; n < minDocLines {
			found = append(found, Finding{Rule: "doc", Path: dir, Line: 1,
				Message: fmt.Sprintf("doc.go has %d lines of text, want %d at least, better about a page: what the package is, "+
					"its nouns, a picture where one helps, what it does not do, what to read first", n, minDocLines)})
		}
	}
	return found
}

// checkExportedDoc wants a comment on every exported name of a library.
func checkExportedDoc(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		if f.Test() || f.Nested || f.AST.Name.Name == "main" {
			continue
		}
		for _, name := range undocumented(f.AST) {
			found = append(found, Finding{Rule: "exported", Path: f.Path, Line: t.line(name.Pos()),
				Message: name.Name + " has no comment; say what it is: shape, unit, ownership, errors, source"})
		}
	}
	return found
}

// undocumented are the exported names of a file without a comment.
func undocumented(f *ast.File) []*ast.Ident {
	var names []*ast.Ident
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && !onUnexported(d) && !saysItself(d) {
				names = append(names, d.Name)
			}
		case *ast.GenDecl:
			names = append(names, undocumentedSpecs(d)...)
		}
	}
	return names
}

func onUnexported(fn *ast.FuncDecl) bool {
	return fn.Recv != nil && !ast.IsExported(receiverName(fn.Recv.List[0].Type))
}

// saysItself: methods whose contract is their name's, fixed by the standard library.
func saysItself(fn *ast.FuncDecl) bool {
	return fn.Recv != nil && slices.Contains([]string{"String", "Error", "Unwrap"}, fn.Name.Name)
}

// undocumentedSpecs: a comment on a group of constants or variables stands for all of it.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	if d.Doc != nil && d.Tok != token.TYPE {
		return nil
	}
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil {
				names = append(names, s.Names[0])
			}
		}
	}
	return names
}
