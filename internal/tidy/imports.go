package tidy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// modulePath is the root module's.
const modulePath = "github.com/xdpstack/xdpstack"

// layer says what the packages of a folder may import of this module.
type layer struct {
	folder string   // and all below it; "." is the root package alone
	ours   []string // folders, and all below them; nil: nothing of ours
	others []string // modules of others; nil: the standard library alone; "*": any
}

// layers, the most special first. Imports run one way:
//
//	cmd/xdpstack ──▶ bench, proxy ──▶ xdpstack (root) ──▶ engine ──▶ rings ──▶ umem
//	                                        └──────────────▶ stack ───────────────▶ umem
var layers = []layer{
	{"umem", nil, nil},
	{"rings", []string{"rings", "umem"}, nil},
	{"engine", []string{"engine", "rings", "umem", "internal"}, []string{"*"}},
	{"stack/wire/checksum", []string{"stack/wire"}, []string{"github.com/klauspost/cpuid/v2"}},
	{"stack", []string{"stack", "umem"}, []string{"github.com/dchest/siphash"}},
	{"internal/hosttest", []string{".", "engine", "internal"}, []string{"*"}},   // hosts for tests of what is above the root
	{"internal/control", []string{".", "internal"}, []string{"*"}},              // shows a host of the root to others
	{"internal/e2e", []string{".", "internal", "stack", "umem"}, []string{"*"}}, // tests of it all
	{"internal/httpd", []string{".", "umem"}, []string{"*"}},                    // above the root too
	{"internal/services", []string{".", "internal", "umem"}, []string{"*"}},     // what the command offers, above the root
	{"internal/packetdrill", []string{"stack", "umem", "internal"}, nil},        // scripts against a stack, for tests
	{"internal", []string{"internal"}, []string{"*"}},
	{"bench", []string{"bench", ".", "engine", "umem", "internal"}, []string{"*"}},
	{"proxy", []string{"proxy", ".", "engine", "umem", "internal"}, []string{"*"}},
	{"cmd", []string{".", "bench", "cmd", "engine", "internal", "proxy", "rings", "stack", "umem"}, []string{"*"}},
	{".", []string{"engine", "stack", "umem", "internal"}, []string{"*"}},
}

// ban is a package that a folder must not import, and what it uses instead.
type ban struct {
	path    string // and all below it
	folders []string
	instead string
	except  []string // packages below path, or folders, that may
}

// pure are the folders that do no I/O.
var pure = []string{"umem", "rings", "stack"}

// bans of packages outside this module.
var bans = []ban{
	{"C", []string{"."}, "Go: one static binary, CGO_ENABLED=0", nil},
	{"net", pure, "net/netip at the edges, [16]byte in tables", []string{"net/netip"}},
	{"os", pure, "a reader, a path or a value passed in: package engine does I/O", nil},
	{"syscall", pure, "package engine: only it calls the kernel", nil},
	{"golang.org/x/sys", pure, "package engine: only it calls the kernel", nil},
	{"time", []string{"umem", "stack"}, "umem.Time, an argument of every verb", nil},
	{"sync", []string{"stack"}, "nothing: one worker owns a stack; a ring (engine/spsc) hands over", nil},
	{"context", []string{"stack"}, "a budget or a deadline in umem.Time", nil},
	{"log", []string{"umem", "rings", "stack"}, "a counter with a name: packets are not errors", nil},
	{"math/rand", []string{"stack"}, "the random source passed in", []string{"stack/sim"}},
	{"crypto/rand", []string{"stack"}, "the random source passed in", nil},
	{"hash/maphash", []string{"."}, "a keyed hash, its secret from the source passed in: maphash breaks replay", nil},
	{"maps", []string{"stack"}, "a slab: the order of a Go map breaks replay", nil},
	{"gopkg.in/yaml.v3", []string{"."}, "github.com/goccy/go-yaml, strict", nil},
	{"github.com/google/gopacket", []string{"."}, "stack/wire", nil},
}

// checkImports holds the root module to layers and bans. Tests may use the package they are
// of, internal packages and any module, and those of the stack what they need to draw seeds and read the environment.
func checkImports(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		if f.Nested {
			continue
		}
		l, ok := layerOf(f.Dir())
		if !ok {
			found = append(found, Finding{Rule: "imports", Path: f.Path, Line: 1,
				Message: "no layer for this folder; add it to layers in internal/tidy/imports.go"})
			continue
		}
		for _, spec := range f.AST.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if message := l.judge(f, path); message != "" {
				found = append(found, Finding{Rule: "imports", Path: f.Path, Line: t.line(spec.Pos()), Message: message})
			}
		}
	}
	return found
}

func layerOf(dir string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool {
		return l.folder == dir || l.folder != "." && under(dir, l.folder)
	})
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

// judge returns what is wrong with an import, or nothing.
func (l layer) judge(f *File, path string) string {
	if folder, ok := ourFolder(path); ok {
		allowed := slices.ContainsFunc(l.ours, func(o string) bool {
			return folder == o || o != "." && under(folder, o)
		})
		if allowed || f.Test() && (folder == f.Dir() || under(folder, "internal")) {
			return ""
		}
		return fmt.Sprintf("%s must not import %s; imports run one way (docs/ARCHITECTURE.md): pass in what it needs",
			l.folder, folder)
	}
	for _, b := range bans {
		if b.applies(f, path) {
			return fmt.Sprintf("%s must not import %s; use %s", l.folder, path, b.instead)
		}
	}
	if foreign(path) && !f.Test() && !l.allowsModule(path) {
		return fmt.Sprintf("%s must not import %s; it makes do with the standard library (internal/tidy/imports.go lists exceptions)",
			l.folder, path)
	}
	return ""
}

// ourFolder is the folder of a package of the root module.
func ourFolder(path string) (string, bool) {
	if path == modulePath {
		return ".", true
	}
	return strings.CutPrefix(path, modulePath+"/")
}

// foreign: a path whose first element has a dot is not the standard library's.
func foreign(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

func (l layer) allowsModule(path string) bool {
	return slices.ContainsFunc(l.others, func(o string) bool { return o == "*" || under(path, o) })
}

func (b ban) applies(f *File, path string) bool {
	everywhere := slices.Contains(b.folders, ".")
	if !under(path, b.path) || f.Test() && !everywhere {
		return false
	}
	for _, e := range b.except {
		if under(path, e) || f.in(e) {
			return false
		}
	}
	return everywhere || slices.ContainsFunc(b.folders, f.in)
}

// testSupport are the packages made for tests.
var testSupport = []string{"internal/hosttest", "internal/lab/labtest", "internal/packetdrill", "internal/testenv", "rings/ringtest", "stack/sim"}

// checkTestSupport keeps them, and package testing, out of what is shipped.
func checkTestSupport(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.goFiles() {
		if f.Test() || f.Nested || slices.ContainsFunc(testSupport, f.in) {
			continue
		}
		for _, spec := range f.AST.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			folder, _ := ourFolder(path)
			if under(path, "testing") || slices.ContainsFunc(testSupport, func(s string) bool { return under(folder, s) }) {
				found = append(found, Finding{Rule: "test-support", Path: f.Path, Line: t.line(spec.Pos()),
					Message: path + " is for tests; import it from a _test.go file"})
			}
		}
	}
	return found
}
