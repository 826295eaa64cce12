package packetdrill

import (
	"fmt"
	"strings"
)

// kind of a token.
type kind uint8

const (
	kindEnd    kind = iota
	kindNumber      // 12, .5, 0.25
	kindWord
	kindString // without its quotes
	kindMark   // one of marks
)

// token is a piece of a script. spaced says that white space stood before it.
type token struct {
	kind      kind
	text      string
	line, col int
	spaced    bool
}

func (t token) String() string {
	if t.kind == kindEnd {
		return "the end of the script"
	}
	return fmt.Sprintf("%q", t.text)
}

// Error is what is wrong with a script's text.
type Error struct {
	Line, Col int
	Message   string
}

// Error gives line and column first.
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Message) }

// marks, the longest first.
var marks = []string{"...", "%{", "}%", "==", "!=", "<=", ">=", "--",
	"+", "-", "*", "/", "%", "~", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "|", "?", "!", ";"}

// lexer cuts a text into tokens.
type lexer struct {
	text      string
	at        int
	line, col int
	tokens    []token
	spaced    bool
}

func lex(text string) ([]token, error) {
	l := &lexer{text: text, line: 1, col: 1, spaced: true}
	for {
		if err := l.skip(); err != nil {
			return nil, err
		}
		if l.at == len(l.text) {
			l.tokens = append(l.tokens, token{kind: kindEnd, line: l.line, col: l.col})
			return l.tokens, nil
		}
		if err := l.one(); err != nil {
			return nil, err
		}
	}
}

func (l *lexer) rest() string { return l.text[l.at:] }

// step goes n octets on.
func (l *lexer) step(n int) {
	for _, b := range []byte(l.text[l.at : l.at+n]) {
		if l.col++; b == '\n' {
			l.line, l.col = l.line+1, 1
		}
	}
	l.at += n
}

// skip passes over white space and comments.
func (l *lexer) skip() error {
	for l.at < len(l.text) {
		r := l.rest()
		switch {
		case strings.IndexByte(" \t\r\n", r[0]) >= 0:
			l.step(1)
		case r[0] == '#' || strings.HasPrefix(r, "//"):
			l.step(len(r) - len(strings.TrimLeft(r, "#/")))
			if n := strings.IndexByte(l.rest(), '\n'); n >= 0 {
				l.step(n)
			} else {
				l.step(len(l.rest()))
			}
		case strings.HasPrefix(r, "/*"):
			n := strings.Index(r[2:], "*/")
			if n < 0 {
				return &Error{l.line, l.col, "a comment without its end"}
			}
			l.step(n + 4)
		default:
			return nil
		}
		l.spaced = true
	}
	return nil
}

// one takes the next token.
func (l *lexer) one() error {
	r := l.rest()
	t := token{line: l.line, col: l.col, spaced: l.spaced}
	n := 0
	switch {
	case strings.HasPrefix(r, "..."):
		t.kind, n = kindMark, 3
	case digit(r, 0) || r[0] == '.' && digit(r, 1):
		t.kind, n = kindNumber, numberLen(r)
	case letter(r[0]):
		for n = 1; n < len(r) && (letter(r[n]) || digit(r, n)); n++ {
		}
		t.kind = kindWord
	case r[0] == '"':
		end := strings.IndexAny(r[1:], "\"\n")
		if end < 0 || r[1+end] == '\n' {
			return &Error{l.line, l.col, "a string without its end"}
		}
		t.kind, t.text = kindString, r[1:1+end]
		l.step(end + 2)
		l.push(t)
		return nil
	case r[0] == '`':
		return &Error{l.line, l.col, "shell commands are not supported"}
	default:
		for _, m := range marks {
			if strings.HasPrefix(r, m) {
				t.kind, n = kindMark, len(m)
				break
			}
		}
	}
	if n == 0 {
		return &Error{l.line, l.col, fmt.Sprintf("%q is not known", r[:1])}
	}
	t.text = r[:n]
	l.step(n)
	l.push(t)
	return nil
}

func (l *lexer) push(t token) {
	l.tokens = append(l.tokens, t)
	l.spaced = false
}

func digit(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }

func letter(b byte) bool { return b == '_' || b|0x20 >= 'a' && b|0x20 <= 'z' }

// numberLen is the length of the number that r begins with. A point counts to it when a digit follows.
func numberLen(r string) (n int) {
	for digit(r, n) {
		n++
	}
	if n < len(r) && r[n] == '.' && digit(r, n+1) {
		for n++; digit(r, n); n++ {
		}
	}
	return n
}
