package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/internal/control"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/stack"
)

func TestWrongWords(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"labb", `did you mean "xdpstack lab"?`},
		{"lab dwon", `did you mean "xdpstack lab down"?`},
		{"quux", `"xdpstack --help" lists the commands`},
		{"quux -i eth1", `unknown command "quux"`},
		{"lab up --queus 2", "did you mean --queues?"},
		{"lab up --zzzzzz", `"xdpstack lab up --help" lists the flags`},
		{"lab up -z", `"xdpstack lab up --help" lists the flags`},
		{"lab up --queues two", `"two"`},
		{"lab up --queues", "needs an argument"},
		{"lab up --queues 0", "must not be 0"},
		{"lab up --queues 1000", "take 1 to 64"},
		{"lab up --mtu 100", "take 1280 to 65535"},
		{"lab up BAD", "take 1 to 32"},
		{"run -c /", "is a folder"},
		{"lab up x y", `"xdpstack lab up --help" shows how`},
		{"lab down x --all", "not both"},
		{"lab exec", `"xdpstack lab exec --help" shows how`},
		{"lab exec a", "-- COMMAND"},
		{"lab exec a --", "-- COMMAND"},
		{"version 1", "unknown command"},
	} {
		wantLine(t, inProcess(strings.Fields(c.words)...), exitUsage, "xdpstack: ", c.want)
	}
}

// TestEmptyLabName: it is a mistake of a script's, and no name.
func TestEmptyLabName(t *testing.T) {
	wantLine(t, inProcess("lab", "up", ""), exitUsage, "must not be empty")
}

func TestWrongWordsAsJSON(t *testing.T) {
	for _, words := range []string{"--json labb", "labb --json", "lab up --queus 2 --json"} {
		got := inProcess(strings.Fields(words)...)
		wantLine(t, got, exitUsage, "did you mean")
		var v struct {
			Error string `json:"error"`
			Code  int    `json:"exit_code"`
		}
		if err := json.Unmarshal([]byte(got.err), &v); err != nil || v.Error == "" || v.Code != exitUsage {
			t.Errorf("%s: %q: %v", words, got.err, err)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, words := range []string{"", "--help", "help", "lab", "lab --help", "help lab"} {
		if got := inProcess(strings.Fields(words)...); got.code != exitOK || got.err != "" || !strings.Contains(got.out, "Available Commands") {
			t.Errorf("%q: %+v", words, got)
		}
	}
	help := inProcess("--help").out
	for _, c := range exitCodes {
		if !strings.Contains(help, fmt.Sprintf("%3d  %s\n", c.code, c.meaning)) {
			t.Errorf("the help does not tell exit code %d", c.code)
		}
	}
}

// TestEveryCommand holds the whole tree to what users are told of it.
func TestEveryCommand(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.RunE == nil {
			t.Errorf("%s: Short %q, RunE %v: want both", c.CommandPath(), c.Short, c.RunE != nil)
		}
		if c.InheritedFlags().Lookup(jsonFlag) == nil && c.PersistentFlags().Lookup(jsonFlag) == nil {
			t.Errorf("%s has no --json", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd(io.Discard, io.Discard))
}

func TestVersion(t *testing.T) {
	if got := inProcess("version"); got.code != exitOK || !strings.HasPrefix(got.out, "xdpstack ") || strings.Count(got.out, "\n") != 1 {
		t.Errorf("%+v", got)
	}
	var v version
	if got := inProcess("version", "--json"); json.Unmarshal([]byte(got.out), &v) != nil || v.Go == "" || v.Platform == "" {
		t.Errorf("%+v", got)
	}
}

func TestCodeOf(t *testing.T) {
	inCommand := func(err error) error { return commandError{fmt.Errorf("wrapped: %w", err)} }
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("cobra's"), exitUsage},
		{inCommand(errors.New("any")), exitFailed},
		{usagef("words"), exitUsage},
		{inCommand(usagef("words")), exitUsage},
		{inCommand(&exitError{42, nil}), 42},
		{inCommand(lab.ErrPermission), exitPermission},
		{inCommand(lab.ErrInUse), exitInUse},
		{inCommand(syscall.EBUSY), exitInUse},
		{inCommand(syscall.EADDRINUSE), exitInUse},
		{inCommand(syscall.EPERM), exitPermission},
		{inCommand(syscall.EOPNOTSUPP), exitUnsupported},
		{inCommand(syscall.ENODEV), exitNotFound},
		{inCommand(context.Canceled), exitInterrupted},
		{inCommand(errors.Join(context.Canceled, lab.ErrInUse)), exitInterrupted},
		{inCommand(bench.ErrConfig), exitUsage},
		{inCommand(xdpstack.ErrConfig), exitUsage},
		{inCommand(stack.ErrConfig), exitUsage},
		{inCommand(control.ErrInUse), exitInUse},
		{inCommand(adviseListen(syscall.EADDRNOTAVAIL)), exitUsage},
		{inCommand(adviseListen(&net.AddrError{})), exitUsage},
		{inCommand(adviseListen(syscall.EADDRINUSE)), exitInUse},
		{inCommand(xdpstack.ErrAddressInUse), exitInUse},
		{inCommand(afxdp.ErrConfig), exitUsage},
		{inCommand(afxdp.ErrMTU), exitUnsupported},
		{inCommand(afxdp.ErrMemlock), exitPermission},
		{inCommand(xdp.ErrForeignProgram), exitInUse},
		{inCommand(engine.ErrBusy), exitInUse},
		{inCommand(engine.ErrPermission), exitPermission},
		{inCommand(engine.ErrNotSupported), exitUnsupported},
		{inCommand(engine.ErrNoDevice), exitNotFound},
		{inCommand(engine.ErrNoQueue), exitNotFound},
		{inCommand(engine.ErrGone), exitNotFound},
		{inCommand(engine.ErrDown), exitFailed},
		// What a package says comes before what the kernel said.
		{inCommand(fmt.Errorf("%w: %w", lab.ErrNotFound, syscall.EBUSY)), exitNotFound},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("codeOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
	told := map[int]bool{}
	for _, c := range exitCodes {
		told[c.code] = true
	}
	for _, e := range exitFor {
		if !told[e.code] {
			t.Errorf("exit code %d, for %v, is not in the table of the help", e.code, e.is)
		}
	}
}

func TestComplainIsOneLine(t *testing.T) {
	var b bytes.Buffer
	complain(&b, errors.Join(errors.New("one"), errors.New("two")), exitFailed, false)
	if b.String() != "xdpstack: one; two\n" {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	complain(&b, fmt.Errorf("xdpstack: %w", xdpstack.ErrConfig), exitUsage, false)
	if strings.Count(b.String(), "xdpstack: ") != 1 {
		t.Errorf("%q says its name twice", b.String())
	}
	b.Reset()
	complain(&b, &exitError{7, nil}, 7, false)
	if b.Len() > 0 {
		t.Errorf("an error without a text says %q", b.String())
	}
}

// TestSignalThatComesTwice: as from timeout(1), whose second one must not end the process.
func TestSignalThatComesTwice(t *testing.T) {
	ctx, stop := untilSignal()
	defer stop()
	for range 2 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		<-time.After(sameSignal / 10) // what follows the first has been done
	}
}

func TestNearest(t *testing.T) {
	names := []string{"up", "down", "exec", "status"}
	for word, want := range map[string]string{
		"down": "down", "dwon": "down", "dow": "down", "exce": "exec", "statsu": "status", "stat": "status", "u": "", "x": "", "frobnicate": "", "": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("edits(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
