package docs

import (
	"regexp"
	"strings"
)

// Section is a part of a document under one heading, with the tables in it.
type Section struct {
	Title  string
	Tables []Table
}

// Table is a Markdown table: its header and its rows, each cell trimmed.
type Table struct {
	Header []string
	Rows   []Row
}

// Row is a line of a table.
type Row struct {
	Line  int // in the document, from 1
	Cells []string
}

// Parse cuts a document at its headings and reads the tables.
func Parse(text string) []Section {
	sections := []Section{{}}
	inTable, inCode := false, false
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		last := &sections[len(sections)-1]
		switch {
		case strings.HasPrefix(line, "```"):
			inCode = !inCode
		case inCode:
		case strings.HasPrefix(line, "#"):
			sections = append(sections, Section{Title: strings.TrimSpace(strings.TrimLeft(line, "#"))})
		case !strings.HasPrefix(line, "|"):
			inTable = false
			continue
		case !inTable:
			inTable = true
			last.Tables = append(last.Tables, Table{Header: cells(line)})
		case strings.Trim(line, "|-: ") != "": // not the line below the header
			table := &last.Tables[len(last.Tables)-1]
			table.Rows = append(table.Rows, Row{Line: number, Cells: cells(line)})
		}
	}
	return sections
}

// cells cuts a row at the bars that are not in backquotes and not escaped.
func cells(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	var list []string
	start, quoted := 0, false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '`':
			quoted = !quoted
		case line[i] == '|' && !quoted && (i == 0 || line[i-1] != '\\'):
			list = append(list, strings.TrimSpace(line[start:i]))
			start = i + 1
		}
	}
	return append(list, strings.TrimSpace(line[start:]))
}

var (
	quotedText = regexp.MustCompile("`([^`]+)`")
	link       = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]+)\)`)
	symbol     = regexp.MustCompile(`^[a-z0-9/]+(\.[A-Za-z_][A-Za-z0-9_]*)+$`)
	testName   = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)[A-Z][A-Za-z0-9_]*$`)
)

// quoted are the texts in backquotes.
func quoted(text string) []string {
	var list []string
	for _, m := range quotedText.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// Link is a link of a document.
type Link struct {
	Line   int
	Text   string
	Target string
}

// Links are the links of a document, outside code.
func Links(text string) []Link {
	var list []Link
	number, inCode := 0, false
	for line := range strings.Lines(text) {
		number++
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inCode = !inCode
		}
		if inCode {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			list = append(list, Link{number, m[1], m[2]})
		}
	}
	return list
}
