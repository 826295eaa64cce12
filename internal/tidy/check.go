package tidy

import (
	"cmp"
	"fmt"
	"slices"
)

// Finding is a place where a rule is broken.
type Finding struct {
	Rule    string
	Path    string
	Line    int
	Symbol  string // of a function that is too long
	Size    int    // of a file or function that is too long, in lines
	Message string // what is wrong, and what to do instead
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Path, f.Line, f.Rule, f.Message)
}

// rules are all there are.
var rules = []func(*Tree) []Finding{
	checkFileLength,
	checkFunctionLength,
	checkImports,
	checkTestSupport,
	checkCalls,
	checkConcurrency,
	checkMapRange,
	checkPackageDoc,
	checkExportedDoc,
	checkTestNames,
	checkWords,
}

// Check runs every rule and returns what they find, in the order of the files.
func Check(t *Tree) []Finding {
	var all []Finding
	for _, rule := range rules {
		all = append(all, rule(t)...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return all
}
