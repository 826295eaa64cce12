package tidy

import (
	"fmt"
	"regexp"
	"strings"
)

// bannedWord is a pattern that no file of the tree may hold.
type bannedWord struct {
	pattern *regexp.Regexp
	why     string
}

// bound is what stands before an absolute path.
const bound = "(^|[\\s`\"'(=:])"

// The patterns are put together here so that this file does not hold what it bans.
var bannedWords = []bannedWord{
	{word(`\bTO`, `DO\b`), "unfinished; finish it, or say in prose what is left out and why"},
	{word(`\bFIX`, `ME\b`), "unfinished; fix it"},
	{word(`\bHA`, `CK\b`), "say in prose why it must be so"},
	{word(bound, `/wo`, `rk/`), "a path of one machine; use one below the root of the tree"},
	{word(bound, `/ro`, `ot/`), "a path of one machine; use one below the root of the tree"},
	{word(bound, `/ho`, `me/`), "a path of one machine; use one below the root of the tree"},
	{word(`/tmp/x`, `dp`), "a path of one machine; use t.TempDir or mktemp"},
	{word(`\.lib`, `rary/`), "not in this tree"},
	{word(`\b(DES`, `IGN|STYLE|CONTRACTS|COMMON)\.md\b`), "not in this tree; docs/ARCHITECTURE.md is"},
	{word(`\bshared/(fa`, `cts|seed|tools|hooks)\b`), "not in this tree; cite the public source"},
	{word(`proxy\.gol`, `ang\.org`), "the go command knows where modules come from"},
	{word(`(?i)\b(anth`, `ropic|cla`+`ude|chat`+`gpt)\b`), "the project speaks of itself alone"},
}

func word(parts ...string) *regexp.Regexp {
	return regexp.MustCompile(strings.Join(parts, ""))
}

// checkWords looks at every text file, whatever its kind.
func checkWords(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		n := 0
		for text := range strings.Lines(f.Text) {
			n++
			for _, b := range bannedWords {
				if m := b.pattern.FindString(text); m != "" {
					found = append(found, Finding{Rule: "words", Path: f.Path, Line: n,
						Message: fmt.Sprintf("%q: %s", strings.TrimSpace(m), b.why)})
				}
			}
		}
	}
	return found
}
