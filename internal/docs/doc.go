// Package docs holds the documents to the code: what they name must be there.
//
// The tests of this package read the Markdown files of the tree and check that
//
//   - every link to a file of the tree leads to one, and a link whose text is a symbol,
//     such as [umem.Frame.Push] written in backquotes, to the file that declares it;
//   - every row of the two journey tables of docs/ARCHITECTURE.md names a symbol, or is one
//     of those counted there as without code;
//   - every row of docs/RFC.md names symbols and tests that exist, or a deviation and why;
//   - every RFC cited in stack/ has a section in docs/RFC.md;
//   - every make target that a document names exists.
//
// # The nouns
//
//	index    what the Go files declare: symbols by folder, and test functions
//	table    a Markdown table: the text of its cells, row by row
//	symbol   folder.Name or folder.Type.Member, from the root of the tree: "stack/ip.Table",
//	         "umem.Frame.Push"; the root package is "xdpstack"
//
// When symbols move, go test ./internal/docs -relink leads the links after them.
//
// # What is not here
//
// Nothing judges the prose, and nothing leaves the tree: links to other hosts are not tried.
//
// Read first: docs/ARCHITECTURE.md and docs/RFC.md, whose first sections say how to edit them.
package docs
