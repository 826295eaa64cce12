package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strings"
)

// File is one file of the tree.
type File struct {
	Path      string    // from the root of the tree, with slashes
	Text      string    // what it holds
	AST       *ast.File // of a Go file, else nil
	Generated bool      // says so itself (go.dev/s/generatedcode)
	Nested    bool      // belongs to a nested module
}

// Dir is the folder of the file, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test reports whether the file is part of a test binary only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// in reports whether the file is in a folder or below it.
func (f *File) in(folder string) bool { return under(f.Dir(), folder) }

func under(dir, folder string) bool {
	return dir == folder || strings.HasPrefix(dir, folder+"/")
}

// Tree is all that the rules look at.
type Tree struct {
	Fset  *token.FileSet
	Files []*File
}

// Load reads the text files below the root of fsys. Hidden folders are left out, as are
// testdata and what make builds.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{Fset: token.NewFileSet()}
	nested := map[string]bool{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(fsys, name, nested)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil || bytes.IndexByte(data, 0) >= 0 {
			return err
		}
		return t.add(name, string(data), nested[path.Dir(name)])
	})
	return t, err
}

// enter decides whether the walk goes into a folder, and notes whether the folder belongs to
// a nested module: it has a go.mod, or its parent does belong to one.
func enter(fsys fs.FS, name string, nested map[string]bool) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || name == "bin" || strings.HasPrefix(base, ".") && base != ".ci" {
		return fs.SkipDir
	}
	_, err := fs.Stat(fsys, name+"/go.mod")
	nested[name] = err == nil || nested[path.Dir(name)]
	return nil
}

// add parses a file and adds it to the tree.
func (t *Tree) add(name, text string, nested bool) error {
	f := &File{Path: name, Text: text, Nested: nested}
	if strings.HasSuffix(name, ".go") {
		parsed, err := parser.ParseFile(t.Fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f.AST = parsed
		f.Generated = ast.IsGenerated(parsed)
	}
	t.Files = append(t.Files, f)
	return nil
}

// goFiles are the Go files written by hand.
func (t *Tree) goFiles() []*File {
	var files []*File
	for _, f := range t.Files {
		if f.AST != nil && !f.Generated {
			files = append(files, f)
		}
	}
	return files
}

func (t *Tree) line(pos token.Pos) int { return t.Fset.Position(pos).Line }
