// Package tidy holds the rules of the house as a test: what an importer, a reader or a
// replayed failure relies on, and no compiler checks.
//
//	Load    reads the files of the tree
//	rules   each looks at the tree and gives findings: where, what, and what to do instead
//	Check   runs them all
//	ratchet the known offenders in size, testdata/ratchet.txt: an entry may only shrink
//
// # The rules
//
//	file-length   a file has 500 lines at most, generated ones excepted
//	func-length   a function has 70 lines at most
//	imports       imports run one way (docs/ARCHITECTURE.md); the stack does no I/O
//	test-support  packages made for tests are imported by tests
//	calls         no sleeping in tests, no exit outside main, no printing in a library, …
//	concurrency   no go statement, channel or select in stack/
//	map-range     nothing in stack/ iterates over a Go map: a run must replay from its seed
//	doc           every package opens with a doc.go of about a page
//	exported      every exported name has a comment
//	test-names    tests are named for what they show, and can fail
//	words         no unfinished marks, and nothing that is true on one machine only
//
// Each rule has a bad source in rules_test.go on which it must find what it is for: a rule
// that finds nothing is no rule.
//
// # What is not here
//
// Formatting, vet and the linter run in make check beside this. Only the standard library is
// used: syntax trees, and types of the stack's own packages for map-range.
//
// Read first: the table layers in imports.go.
package tidy
