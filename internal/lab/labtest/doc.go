// Package labtest makes labs for tests: each with a name of its own, removed when its test ends, however it ends.
//
//	l := labtest.New(t, lab.Config{Queues: 2})
//	a, b := l.Host("a"), l.Host("b")
//	b.Exec(t.Context(), "ping", "-c", "1", a.Interface().StackAddr(4).String())
//
// A test that panics or is killed leaves its lab behind; the next test binary that asks for a lab sweeps it away first. Labs of
// test binaries that run at the same time do not meet: the name holds the process's id, and a lab whose process lives is left alone.
//
// Without root (package testenv), or on a kernel that cannot make a lab, the test is skipped and says why.
//
// What it does not do: it runs no stack, and nothing in the hosts. Read first: package lab.
package labtest
