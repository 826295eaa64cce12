package tidy

import (
	"os"
	"testing"
)

// TestTreeIsTidy holds the tree that this package is in.
func TestTreeIsTidy(t *testing.T) {
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.goFiles()) == 0 {
		t.Fatal("no Go file in the tree: the walk is broken")
	}
	text, err := os.ReadFile(ratchetPath)
	if err != nil {
		t.Fatal(err)
	}
	known, err := parseRatchet(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range applyRatchet(Check(tree), known) {
		t.Error(f)
	}
}
