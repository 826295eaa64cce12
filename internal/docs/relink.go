package docs

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Relink returns a document with each link whose text is a symbol leading to the file that
// declares the symbol now. Symbols that nothing declares are left as they are.
func Relink(x *Index, name, text string) string {
	for _, l := range Links(text) {
		s := strings.Trim(l.Text, "`")
		declared, ok := x.Symbols[s]
		if s == l.Text || !isSymbol(s) || !ok {
			continue
		}
		target, err := filepath.Rel(path.Dir(name), declared)
		if err != nil {
			continue
		}
		old := fmt.Sprintf("[%s](%s)", l.Text, l.Target)
		text = strings.ReplaceAll(text, old, fmt.Sprintf("[%s](%s)", l.Text, target))
	}
	return text
}
