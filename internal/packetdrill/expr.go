package packetdrill

import (
	"fmt"
	"math"
)

// Expr is an expression of an assert: a number, a name, or an operator and what it is of.
type Expr struct {
	Op        string // "": Name, or Number if that is empty
	X, Y      *Expr  // of "not" and "neg" X alone
	Name      string
	Number    int64
	Line, Col int
	Text      string // of a whole assert
}

// asserts takes "assert expression" as often as there are, up to }%.
func (p *parser) asserts() (list []*Expr) {
	for {
		p.want("assert")
		from := p.at
		e := p.expr(0)
		for i, t := range p.tokens[from:p.at] {
			if i > 0 && t.spaced {
				e.Text += " "
			}
			e.Text += t.text
		}
		list = append(list, e)
		p.take(";")
		if p.take("}%") {
			return list
		}
	}
}

// levels of operators, the loosest first.
var levels = [][]string{{"or"}, {"and"}, {"==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}}

// expr takes an expression of operators of a level and tighter ones.
func (p *parser) expr(level int) *Expr {
	if level == len(levels) {
		return p.operand()
	}
	x := p.expr(level + 1)
	for n := 0; ; n++ {
		t := p.peek()
		op := ""
		for _, o := range levels[level] {
			if p.take(o) {
				op = o
				break
			}
		}
		if op == "" {
			return x
		}
		if n > maxDepth {
			p.fail(t, "an expression of more than %d parts", maxDepth)
		}
		x = &Expr{Op: op, X: x, Y: p.expr(level + 1), Line: t.line, Col: t.col}
	}
}

func (p *parser) operand() *Expr {
	defer p.deeper()()
	t := p.peek()
	e := &Expr{Line: t.line, Col: t.col}
	switch {
	case p.take("("):
		e = p.expr(0)
		p.want(")")
	case p.take("not"):
		e.Op, e.X = "not", p.expr(2)
	case p.take("-"):
		e.Op, e.X = "neg", p.operand()
	case t.kind == kindNumber:
		e.Number = int64(p.integer(math.MaxInt64))
	case t.kind == kindWord:
		e.Name = p.next().text
		if p.take(".") {
			e.Name += "." + p.word().text
		}
		if !known(e.Name) {
			p.fail(t, "%s is not known", e.Name)
		}
	default:
		p.fail(t, "%v, where a value is expected", t)
	}
	return e
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// eval gives the value of e by the values of names.
func (e *Expr) eval(value func(string) int64) (int64, error) {
	switch {
	case e.Op == "" && e.Name == "":
		return e.Number, nil
	case e.Op == "":
		return value(e.Name), nil
	}
	x, err := e.X.eval(value)
	if err != nil || e.Y == nil {
		if e.Op == "neg" {
			return -x, err
		}
		return truth(x == 0), err
	}
	y, err := e.Y.eval(value)
	if err != nil {
		return 0, err
	}
	return e.apply(x, y)
}

func (e *Expr) apply(x, y int64) (int64, error) {
	switch e.Op {
	case "or":
		return truth(x != 0 || y != 0), nil
	case "and":
		return truth(x != 0 && y != 0), nil
	case "==":
		return truth(x == y), nil
	case "!=":
		return truth(x != y), nil
	case "<":
		return truth(x < y), nil
	case "<=":
		return truth(x <= y), nil
	case ">":
		return truth(x > y), nil
	case ">=":
		return truth(x >= y), nil
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	}
	if y == 0 {
		return 0, fmt.Errorf("column %d: a division by 0", e.Col)
	}
	if e.Op == "/" {
		return x / y, nil
	}
	return x % y, nil
}

// names gives the names in e.
func (e *Expr) names(f func(string)) {
	if e == nil {
		return
	}
	if e.Name != "" {
		f(e.Name)
	}
	e.X.names(f)
	e.Y.names(f)
}
