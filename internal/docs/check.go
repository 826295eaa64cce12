package docs

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// CheckLinks follows the links of a document to files of the tree. A link whose text is a
// symbol must lead to the file that declares it.
func CheckLinks(fsys fs.FS, x *Index, name, text string) []string {
	var wrong []string
	for _, l := range Links(text) {
		target, _, _ := strings.Cut(l.Target, "#")
		if target == "" || strings.Contains(target, "://") {
			continue
		}
		file := path.Join(path.Dir(name), target)
		if _, err := fs.Stat(fsys, file); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s is not there", name, l.Line, target))
			continue
		}
		s := strings.Trim(l.Text, "`")
		if s == l.Text || !isSymbol(s) {
			continue
		}
		if declared, ok := x.Symbols[s]; !ok || declared != file {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s", name, l.Line, whereIs(s, declared, file)))
		}
	}
	return wrong
}

func whereIs(symbol, declared, linked string) string {
	if declared == "" {
		return "nothing declares " + symbol
	}
	return fmt.Sprintf("%s is declared in %s, not in %s; go test ./internal/docs -relink mends it", symbol, declared, linked)
}

func isSymbol(s string) bool {
	return symbol.MatchString(s) && !slices.Contains([]string{".go", ".md", ".c", ".h", ".s"}, path.Ext(s))
}

// withoutCode is how docs/ARCHITECTURE.md counts the rows of the journey whose code is not
// written.
var withoutCode = regexp.MustCompile(`Rows without code: (\d+)\.`)

// CheckJourney holds each row of the tables that begin with "Kernel" to naming a symbol, as a
// link, in its last cell; all but as many rows as the document says. CheckLinks checks the links.
func CheckJourney(text string) []string {
	tables, empty := 0, 0
	var wrong []string
	for _, section := range Parse(text) {
		for _, t := range section.Tables {
			if !strings.HasPrefix(t.Header[0], "Kernel") {
				continue
			}
			tables++
			for _, r := range t.Rows {
				if len(r.Cells) != len(t.Header) {
					wrong = append(wrong, fmt.Sprintf("line %d: %d cells, want %d", r.Line, len(r.Cells), len(t.Header)))
				} else if !namesSymbol(r.Cells[len(r.Cells)-1]) {
					empty++
				}
			}
		}
	}
	if tables != 2 {
		wrong = append(wrong, fmt.Sprintf("%d journey tables, want the two of sending and receiving", tables))
	}
	return append(wrong, checkCount(text, withoutCode, empty)...)
}

func namesSymbol(cell string) bool {
	return slices.ContainsFunc(Links(cell), func(l Link) bool { return isSymbol(strings.Trim(l.Text, "`")) })
}

// checkCount compares a number that a document states with what there is: it may not be more.
func checkCount(text string, pattern *regexp.Regexp, n int) []string {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return []string{fmt.Sprintf("no line like %q", pattern)}
	}
	if stated, _ := strconv.Atoi(m[1]); n > stated {
		return []string{fmt.Sprintf("%d rows lack code or tests, more than the %d that %q admits", n, stated, m[0])}
	}
	return nil
}

// openRows is how docs/RFC.md counts the rows that nothing fulfils and no deviation explains.
var openRows = regexp.MustCompile(`Open rows: (\d+)\.`)

// level is RFC 2119's words, and "must" as the RFCs before it have them.
var level = regexp.MustCompile(`\b(MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED)\b`)

// CheckRFC holds docs/RFC.md to the code: every requirement is somewhere, shown by a test, or
// a deviation with its reason; and every RFC cited in stack/ has a section.
func CheckRFC(x *Index, text string) []string {
	var wrong []string
	sections := map[string]bool{}
	open := 0
	for _, section := range Parse(text) {
		number := citation.FindStringSubmatch(section.Title)
		if number == nil {
			continue
		}
		sections[number[1]] = true
		for _, t := range section.Tables {
			for _, r := range t.Rows {
				if strings.HasPrefix(cell(r, 3), "open") {
					open++
				}
				for _, problem := range checkRow(x, r) {
					wrong = append(wrong, fmt.Sprintf("RFC %s, line %d: %s", number[1], r.Line, problem))
				}
			}
		}
	}
	for number, files := range x.RFCs {
		if !sections[number] {
			wrong = append(wrong, fmt.Sprintf("RFC %s is cited in %s and has no section", number, anyOf(files)))
		}
	}
	slices.Sort(wrong)
	return append(wrong, checkCount(text, openRows, open)...)
}

func cell(r Row, i int) string {
	if i >= len(r.Cells) {
		return ""
	}
	return r.Cells[i]
}

func anyOf(files map[string]bool) string {
	var list []string
	for f := range files {
		list = append(list, f)
	}
	return slices.Min(list)
}

// checkRow: | section | requirement | where | test, or "deviation: why", or "open" |.
func checkRow(x *Index, r Row) []string {
	if len(r.Cells) != 4 {
		return []string{fmt.Sprintf("%d cells, want section, requirement, where, test", len(r.Cells))}
	}
	var wrong []string
	if !level.MatchString(r.Cells[1]) {
		wrong = append(wrong, "the requirement says neither MUST nor SHOULD nor MAY")
	}
	places := symbolsIn(r.Cells[2])
	for _, s := range places {
		if x.Symbols[s] == "" {
			wrong = append(wrong, "nothing declares "+s)
		}
	}
	tests := testsIn(r.Cells[3])
	for _, name := range tests {
		if !x.Tests[name] {
			wrong = append(wrong, "there is no test "+name)
		}
	}
	return append(wrong, checkFulfilled(r.Cells[3], len(places), len(tests))...)
}

// checkFulfilled: a place and a test; or a deviation with its reason; or open.
func checkFulfilled(last string, places, tests int) []string {
	if reason, ok := strings.CutPrefix(last, "deviation:"); ok {
		if strings.TrimSpace(reason) == "" {
			return []string{"a deviation without a reason"}
		}
		return nil
	}
	if strings.HasPrefix(last, "open") {
		return nil
	}
	if places == 0 || tests == 0 {
		return []string{"names no place or no test; write \"deviation: why\", or \"open\" until it is done"}
	}
	return nil
}

func symbolsIn(text string) []string {
	return slices.DeleteFunc(quoted(text), func(s string) bool { return !isSymbol(s) })
}

func testsIn(text string) []string {
	return slices.DeleteFunc(quoted(text), func(s string) bool { return !testName.MatchString(s) })
}

var (
	makeTarget = regexp.MustCompile("(?:`|^|sudo )make ([a-z]+)")
	rule       = regexp.MustCompile(`(?m)^([a-z]+):`)
)

// CheckTargets holds a document to naming make targets that the Makefile has. Targets are
// recognised in backquotes and in code.
func CheckTargets(name, text, makefile string) []string {
	var wrong []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		for _, m := range makeTarget.FindAllStringSubmatch(strings.TrimSpace(line), -1) {
			known := slices.ContainsFunc(rule.FindAllStringSubmatch(makefile, -1), func(r []string) bool { return r[1] == m[1] })
			if !known {
				wrong = append(wrong, fmt.Sprintf("%s:%d: make has no target %s", name, number, m[1]))
			}
		}
	}
	return wrong
}
