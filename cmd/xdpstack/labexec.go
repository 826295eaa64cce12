package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack/internal/lab"
)

func newLabExecCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "exec [LAB/]HOST -- COMMAND [ARG]...", Short: "Run a program in a host of a lab",
		Long: `Run a program in a host of a lab, with a /sys that shows the devices there. Flags stand before HOST.

xdpstack becomes the program: signals reach it, and its exit code is the exit code. With --json it runs as a child,
and the report holds its exit code and up to 1 MiB each of its output and error output.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			argv := args[1:]
			if len(argv) > 0 && argv[0] == "--" {
				argv = argv[1:]
			}
			if len(argv) == 0 {
				return usagef("lab exec: no program; say \"xdpstack lab exec %s -- COMMAND\"", args[0])
			}
			h, err := findHost(args[0])
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return labExecReport(cmd, h, argv)
			}
			return execError(h.Replace(argv...))
		},
	}
	c.Flags().SetInterspersed(false) // what follows HOST is the program's
	return c
}

// findHost finds HOST in the lab "lab", or LAB/HOST.
func findHost(word string) (*lab.Host, error) {
	name, host, ok := strings.Cut(word, "/")
	if !ok {
		name, host = lab.DefaultName, word
	}
	l, err := lab.Open(name)
	if err != nil {
		return nil, err
	}
	return l.Lookup(host)
}

// execError gives the codes that a shell gives to a program that it cannot run.
func execError(err error) error {
	switch {
	case errors.Is(err, lab.ErrNotFound), errors.Is(err, lab.ErrPermission): // the host's fault, not the program's
		return err
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &exitError{exitNoProgram, err}
	default:
		return &exitError{exitCannotRun, err}
	}
}

// execReport is what "lab exec --json" reports.
type execReport struct {
	Host     string   `json:"host"`
	Command  []string `json:"command"`
	ExitCode int      `json:"exit_code"` // 128 and the signal's number if one ended it
	Stdout   string   `json:"stdout"`
	Stderr   string   `json:"stderr"`
	Cut      bool     `json:"cut"` // the output was longer than what is reported
}

func labExecReport(cmd *cobra.Command, h *lab.Host, argv []string) error {
	var stdout, stderr bounded
	c := h.Command(cmd.Context(), argv...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), &stdout, &stderr
	err := c.Run()
	if interrupted := cmd.Context().Err(); interrupted != nil {
		return interrupted
	}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return execError(err)
	}
	r := execReport{h.Name(), argv, exitStatus(c.ProcessState), string(stdout.kept), string(stderr.kept), stdout.cut || stderr.cut}
	if err := emit(cmd, r, nil); err != nil {
		return err
	}
	if r.ExitCode != 0 {
		return &exitError{r.ExitCode, nil}
	}
	return nil
}

func exitStatus(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

const outputLimit = 1 << 20

// bounded keeps the first outputLimit bytes written to it.
type bounded struct {
	kept []byte
	cut  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := outputLimit - len(b.kept)
	if len(p) > room {
		b.kept, b.cut = append(b.kept, p[:room]...), true
		return len(p), nil
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}
