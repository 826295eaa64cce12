package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

const (
	commandEnv = "XDPSTACK_TEST_COMMAND" // makes the test binary the command itself
	uidEnv     = "XDPSTACK_TEST_UID"     // and that of another user
)

func TestMain(m *testing.M) {
	if os.Getenv(commandEnv) != "" {
		if uid, err := strconv.Atoi(os.Getenv(uidEnv)); err == nil {
			if err := syscall.Setuid(uid); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(99)
			}
		}
		main()
	}
	goleak.VerifyTestMain(m)
}

// said is what a command printed and its exit code.
type said struct {
	out, err string
	code     int
}

// inProcess runs the command within the test.
func inProcess(args ...string) said {
	var out, errOut bytes.Buffer
	code := run(args, &out, &errOut)
	return said{out.String(), errOut.String(), code}
}

// command prepares the command as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), commandEnv+"=1")
	return c
}

// asProcess runs it to its end.
func asProcess(t *testing.T, args ...string) said {
	t.Helper()
	return finish(t, command(t, args...))
}

func finish(t *testing.T, c *exec.Cmd) said {
	t.Helper()
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return said{out.String(), errOut.String(), c.ProcessState.ExitCode()}
}

// wantLine holds a failed command to its one line.
func wantLine(t *testing.T, got said, code int, contains ...string) {
	t.Helper()
	if got.code != code || got.out != "" || strings.Count(got.err, "\n") != 1 {
		t.Errorf("got %+v, want code %d and one line on standard error alone", got, code)
	}
	for _, want := range contains {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q does not contain %q", got.err, want)
		}
	}
}
