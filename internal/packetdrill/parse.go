package packetdrill

import (
	"fmt"
	"strconv"

	"github.com/xdpstack/xdpstack/umem"
)

// parser reads tokens. The first thing that is wrong ends it, by a panic with an *Error that Parse recovers: no
// rule has to hand an error on.
type parser struct {
	tokens []token
	at     int
	depth  int
}

// maxDepth bounds brackets within brackets.
const maxDepth = 64

// Parse reads a script. Its errors are *Error, with line and column.
func Parse(name, text string) (s *Script, err error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	p := &parser{tokens: tokens}
	defer func() {
		if e, ok := recover().(*Error); ok {
			s, err = nil, fmt.Errorf("%s:%w", name, e)
		}
	}()
	s = &Script{Name: name, Options: map[string]string{}}
	for p.is("--") {
		p.option(s)
	}
	for line := 0; p.peek().kind != kindEnd; {
		t := p.peek()
		if t.line == line {
			p.fail(t, "%v is not expected here", t)
		}
		s.Events = append(s.Events, p.event())
		line = p.tokens[p.at-1].line
	}
	return s, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != kindEnd {
		p.at++
	}
	return t
}

// is reports whether the next token is a mark or a word.
func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == kindMark || t.kind == kindWord) && t.text == text
}

// take takes it, if it is.
func (p *parser) take(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.take(text) {
		p.fail(p.peek(), "%v, where %q is expected", p.peek(), text)
	}
}

func (p *parser) word() token {
	t := p.next()
	if t.kind != kindWord {
		p.fail(t, "%v, where a name is expected", t)
	}
	return t
}

func (p *parser) fail(t token, format string, args ...any) {
	panic(&Error{t.line, t.col, fmt.Sprintf(format, args...)})
}

// deeper counts brackets; the function that it gives ends one.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek(), "more than %d brackets within each other", maxDepth)
	}
	return func() { p.depth-- }
}

// integer is a whole number up to most.
func (p *parser) integer(most uint64) uint64 {
	t := p.next()
	n, err := strconv.ParseUint(t.text, 0, 64)
	if t.kind != kindNumber || err != nil || n > most {
		p.fail(t, "%v, where a whole number up to %d is expected", t, most)
	}
	return n
}

// options that there are.
var options = map[string]func(string) bool{
	"ip_version":  func(v string) bool { return v == "ipv4" || v == "ipv6" },
	"mtu":         number(576, 1700),
	"streams":     number(1, 64),
	"syn_backlog": number(1, 64),
}

func number(least, most int) func(string) bool {
	return func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= least && n <= most
	}
}

// option takes "--name=value".
func (p *parser) option(s *Script) {
	p.next()
	name := p.word()
	p.want("=")
	value := p.next()
	check := options[name.text]
	switch {
	case check == nil:
		p.fail(name, "option --%s is not supported", name.text)
	case !check(value.text):
		p.fail(value, "--%s=%s is not possible", name.text, value.text)
	}
	s.Options[name.text] = value.text
}

// event takes a time and what happens then.
func (p *parser) event() Event {
	t := p.peek()
	e := Event{Line: t.line, Col: t.col, When: p.when()}
	at := p.peek()
	switch {
	case p.take("<"):
		if p.take("icmp") {
			e.ICMP = p.icmp()
		} else {
			e.In = p.packet(true)
		}
	case p.take(">"):
		e.Out = p.packet(false)
	case p.take("%{"):
		e.Assert = p.asserts()
	case at.kind == kindWord:
		e.Call = p.call()
	default:
		p.fail(at, "%v, where a segment, a call or %%{ is expected", at)
	}
	switch w := &e.When; {
	case (w.Any || w.Range) && e.Out == nil:
		p.fail(t, "only a segment that is sent has a range of times")
	case w.Blocks && e.Call == nil:
		p.fail(t, "only a call blocks")
	}
	return e
}

// when takes a time.
func (p *parser) when() (w When) {
	if p.take("*") {
		return When{Any: true, Relative: true}
	}
	w.Relative = p.take("+")
	w.Start = p.seconds()
	at := p.peek()
	switch {
	case p.take("~"):
		w.Range = true
		if p.take("+") && !w.Relative {
			p.fail(at, "a range from an absolute to a relative time")
		}
	case p.take("..."):
		w.Blocks = true
		if p.take("+") && !w.Relative {
			p.fail(at, "a range from an absolute to a relative time")
		}
	default:
		w.End = w.Start
		return w
	}
	if w.End = p.seconds(); w.End < w.Start {
		p.fail(at, "a range that ends before it begins")
	}
	return w
}

// maxSeconds bounds what a script may take.
const maxSeconds = 1_000_000

// seconds takes a number with up to nine places behind the point.
func (p *parser) seconds() umem.Time {
	t := p.next()
	if t.kind != kindNumber {
		p.fail(t, "%v, where a time is expected", t)
	}
	var n, places umem.Time = 0, -1
	for _, c := range t.text {
		switch {
		case c == '.':
			places = 0
			continue
		case places >= 9 || n > maxSeconds*umem.Second:
			p.fail(t, "a time of %v seconds: too large or too fine", t.text)
		case places >= 0:
			places++
		}
		n = n*10 + umem.Time(c-'0')
	}
	for ; places < 9; places++ {
		if places < 0 {
			places = 0
		}
		if n > maxSeconds*umem.Second {
			p.fail(t, "a time of %v seconds: too large", t.text)
		}
		n *= 10
	}
	if n > maxSeconds*umem.Second {
		p.fail(t, "a time of %v seconds: too large", t.text)
	}
	return n
}
