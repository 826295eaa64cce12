package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Index is what the Go files of a tree declare.
type Index struct {
	Symbols map[string]string          // the file that declares a symbol, by "folder.Name" or "folder.Type.Member"
	Tests   map[string]bool            // names of Test, Fuzz, Benchmark and Example functions
	RFCs    map[string]map[string]bool // files below stack/, by the number of the RFC they cite
}

// rootName is how the package in the root folder is called in a symbol.
const rootName = "xdpstack"

// citation is how comments cite an RFC: "RFC 1122", "RFC1122", "RFCs 1071".
var citation = regexp.MustCompile(`\bRFCs?[ ]?(\d+)`)

// NewIndex reads the Go files below the root of fsys.
func NewIndex(fsys fs.FS) (*Index, error) {
	x := &Index{Symbols: map[string]string{}, Tests: map[string]bool{}, RFCs: map[string]map[string]bool{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return x.add(name, string(data))
	})
	return x, err
}

func skipped(dir string) bool {
	base := path.Base(dir)
	return base == "testdata" || dir == "bin" || base != "." && strings.HasPrefix(base, ".")
}

func (x *Index) add(name, text string) error {
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(name, "_test.go")
	for _, d := range f.Decls {
		switch {
		case test:
			x.addTest(d)
		default:
			x.addSymbols(name, d)
		}
	}
	if strings.HasPrefix(name, "stack/") {
		x.addCitations(name, f)
	}
	return nil
}

// addTest notes the functions that the test runner calls.
func (x *Index) addTest(d ast.Decl) {
	fn, ok := d.(*ast.FuncDecl)
	if !ok || fn.Recv != nil {
		return
	}
	for _, prefix := range []string{"Test", "Fuzz", "Benchmark", "Example"} {
		if strings.HasPrefix(fn.Name.Name, prefix) {
			x.Tests[fn.Name.Name] = true
		}
	}
}

// addSymbols notes functions, methods, types with their members, constants and variables.
func (x *Index) addSymbols(file string, d ast.Decl) {
	prefix := path.Dir(file) + "."
	if path.Dir(file) == "." {
		prefix = rootName + "."
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = typeName(d.Recv.List[0].Type) + "." + name
		}
		x.Symbols[prefix+name] = file
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			for _, name := range specNames(spec) {
				x.Symbols[prefix+name] = file
			}
		}
	}
}

func specNames(spec ast.Spec) []string {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		var names []string
		for _, id := range s.Names {
			names = append(names, id.Name)
		}
		return names
	case *ast.TypeSpec:
		names := []string{s.Name.Name}
		for _, member := range members(s.Type) {
			names = append(names, s.Name.Name+"."+member)
		}
		return names
	}
	return nil
}

// members are the fields of a struct or the methods of an interface.
func members(t ast.Expr) []string {
	var list *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return nil
	}
	var names []string
	for _, field := range list.List {
		for _, id := range field.Names {
			names = append(names, id.Name)
		}
	}
	return names
}

// typeName is the name of a receiver's type, without pointer and type parameters.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

func (x *Index) addCitations(file string, f *ast.File) {
	for _, group := range f.Comments {
		for _, m := range citation.FindAllStringSubmatch(group.Text(), -1) {
			if x.RFCs[m[1]] == nil {
				x.RFCs[m[1]] = map[string]bool{}
			}
			x.RFCs[m[1]][file] = true
		}
	}
}
