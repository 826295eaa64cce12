package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// pkg is a package of the module as go list -json describes it.
type pkg struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	TestGoFiles  []string
	XTestGoFiles []string
}

// listPackages asks the go command for the packages of the root module.
func listPackages(ctx context.Context) ([]pkg, error) {
	// -e: a package that does not load is a failure of its own test run, not of the list.
	cmd := exec.CommandContext(ctx, "go", "list", "-e",
		"-json=ImportPath,Dir,Imports,TestImports,XTestImports,TestGoFiles,XTestGoFiles", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	pkgs, err := decodePackages(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return pkgs, nil
}

func decodePackages(r io.Reader) ([]pkg, error) {
	var pkgs []pkg
	for dec := json.NewDecoder(r); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs, nil
		}
		if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
}

// imports reports whether the package or its tests import a path that match accepts.
func (p pkg) imports(match func(string) bool) bool {
	return slices.ContainsFunc(p.Imports, match) ||
		slices.ContainsFunc(p.TestImports, match) || slices.ContainsFunc(p.XTestImports, match)
}

// isEndToEnd: its tests make namespaces and devices.
func (p pkg) isEndToEnd() bool {
	return p.imports(func(path string) bool {
		return path == modulePath+"/internal/lab" || strings.HasPrefix(path, modulePath+"/internal/lab/") ||
			strings.HasPrefix(path, "github.com/vishvananda/")
	})
}

// sharesMemory: threads, the kernel or pointer arithmetic are at work, so the race detector
// and its pointer checks have something to find.
func (p pkg) sharesMemory() bool {
	return p.imports(func(path string) bool {
		return path == "sync" || path == "sync/atomic" || path == "unsafe"
	})
}

// paths are the import paths of the packages that keep accepts.
func paths(pkgs []pkg, keep func(pkg) bool) []string {
	var list []string
	for _, p := range pkgs {
		if keep(p) {
			list = append(list, p.ImportPath)
		}
	}
	return list
}

// testFunctions are the functions of the package's test files whose names begin with prefix,
// in the order of the files.
func (p pkg) testFunctions(prefix string) ([]string, error) {
	var names []string
	for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, prefix) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names, nil
}
