package packetdrill

import "math"

// call takes name(arguments) = result.
func (p *parser) call() *Call {
	t := p.word()
	if _, ok := calls[t.text]; !ok {
		p.fail(t, "call %s is not supported", t.text)
	}
	c := &Call{Name: t.text}
	p.want("(")
	c.Args = p.args(")")
	if n := calls[t.text].args; len(c.Args) != n {
		p.fail(t, "%s has %d arguments, not %d", t.text, n, len(c.Args))
	}
	p.want("=")
	if !p.take("-") {
		c.Result = int64(p.integer(math.MaxInt32))
		return c
	}
	c.Result = -int64(p.integer(1))
	e := p.word()
	errno, ok := errnos[e.text]
	if !ok {
		p.fail(e, "error %s is not known", e.text)
	}
	c.Errno = errno
	if p.take("(") {
		for !p.take(")") {
			if p.next().kind == kindEnd {
				p.fail(e, "brackets without an end")
			}
		}
	}
	return c
}

// args takes arguments up to the end given.
func (p *parser) args(end string) (args []*Arg) {
	defer p.deeper()()
	if p.take(end) {
		return nil
	}
	for {
		args = append(args, p.arg())
		if p.take(end) {
			return args
		}
		p.want(",")
	}
}

func (p *parser) arg() *Arg {
	t := p.peek()
	a := &Arg{Line: t.line, Col: t.col}
	switch {
	case p.take("..."):
		a.Any = true
	case p.take("["):
		a.List, a.IsList = p.args("]"), true
	case p.take("{"):
		p.fields(a)
	case p.take("-"):
		a.Number, a.IsNumber = -int64(p.integer(math.MaxInt32)), true
	case t.kind == kindNumber:
		a.Number, a.IsNumber = int64(p.integer(math.MaxInt32)), true
	case t.kind == kindWord:
		a.Words = append(a.Words, p.next().text)
		if p.take("(") {
			a.Args, a.IsCall = p.args(")"), true
			return a
		}
		for p.take("|") {
			a.Words = append(a.Words, p.word().text)
		}
	default:
		p.fail(t, "%v, where an argument is expected", t)
	}
	return a
}

// fields takes {name=value, …}.
func (p *parser) fields(a *Arg) {
	defer p.deeper()()
	a.Fields = map[string]*Arg{}
	for {
		name := p.word()
		p.want("=")
		a.Fields[name.text] = p.arg()
		if p.take("}") {
			return
		}
		p.want(",")
	}
}
