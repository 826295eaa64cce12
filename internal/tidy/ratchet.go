package tidy

import (
	"fmt"
	"strings"
)

// ratchetPath is the list of known offenders in size, from this package's folder.
const ratchetPath = "testdata/ratchet.txt"

// offender is a line of the list: rule, path, the function's name or "-", and its size.
type offender struct {
	rule, path, symbol string
	size               int
}

func parseRatchet(text string) ([]offender, error) {
	var list []offender
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		var o offender
		if _, err := fmt.Sscanf(l, "%s %s %s %d", &o.rule, &o.path, &o.symbol, &o.size); err != nil {
			return nil, fmt.Errorf("ratchet: %q: want \"rule path symbol lines\": %w", l, err)
		}
		if o.symbol == "-" {
			o.symbol = ""
		}
		list = append(list, o)
	}
	return list, nil
}

// applyRatchet drops the findings that are listed, as long as they do not grow, and adds one
// for each entry that is larger than what it stands for.
func applyRatchet(found []Finding, list []offender) []Finding {
	var left []Finding
	seen := make([]bool, len(list))
	for _, f := range found {
		i := match(f, list)
		if i < 0 || f.Size > list[i].size {
			left = append(left, f)
		}
		if i >= 0 {
			seen[i] = f.Size >= list[i].size
		}
	}
	for i, o := range list {
		if !seen[i] {
			left = append(left, Finding{Rule: "ratchet", Path: "internal/tidy/" + ratchetPath, Line: 1,
				Message: fmt.Sprintf("the entry %s %s %s %d is too large now; lower it, or take it out", o.rule, o.path, o.symbol, o.size)})
		}
	}
	return left
}

func match(f Finding, list []offender) int {
	for i, o := range list {
		if f.Size > 0 && f.Rule == o.rule && f.Path == o.path && f.Symbol == o.symbol {
			return i
		}
	}
	return -1
}
