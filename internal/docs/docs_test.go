package docs

import (
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"
)

// relink makes TestLinksLeadSomewhere write the documents with links to where symbols moved.
var relink = flag.Bool("relink", false, "lead links to symbols to the files that declare them now")

// tree is the tree that this package is in.
var tree = os.DirFS("../..")

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func index(t *testing.T) *Index {
	t.Helper()
	x, err := NewIndex(tree)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// documents are the Markdown files of the tree.
func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(name):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			names = append(names, name)
		}
		return nil
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("documents: %v, %v", names, err)
	}
	return names
}

func report(t *testing.T, wrong []string) {
	t.Helper()
	for _, w := range wrong {
		t.Error(w)
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	x := index(t)
	for _, name := range documents(t) {
		text := read(t, name)
		if now := Relink(x, name, text); *relink && now != text {
			if err := os.WriteFile(filepath.Join("../..", name), []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
			text = now
		}
		report(t, CheckLinks(tree, x, name, text))
	}
}

func TestJourneyNamesTheCode(t *testing.T) {
	report(t, CheckJourney(read(t, "docs/ARCHITECTURE.md")))
}

func TestRequirementsNameCodeAndTests(t *testing.T) {
	report(t, CheckRFC(index(t), read(t, "docs/RFC.md")))
}

func TestMakeTargetsExist(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, name := range documents(t) {
		report(t, CheckTargets(name, read(t, name), makefile))
	}
}
