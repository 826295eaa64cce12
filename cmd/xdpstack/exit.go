package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/afxdp"
	"github.com/xdpstack/xdpstack/engine/xdp"
	"github.com/xdpstack/xdpstack/internal/control"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/services"
	"github.com/xdpstack/xdpstack/proxy"
	"github.com/xdpstack/xdpstack/stack"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPermission  = 3
	exitUnsupported = 4
	exitInUse       = 5
	exitNotFound    = 6
	exitCannotRun   = 126
	exitNoProgram   = 127
	exitInterrupted = 130
)

// exitCodes is the table that the help prints.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "done"},
	{exitFailed, "failed, for none of the reasons below"},
	{exitUsage, "wrong words: a command, flag, argument or configuration"},
	{exitPermission, "not permitted: needs root"},
	{exitUnsupported, "the device or the kernel cannot do it"},
	{exitInUse, "in use by something else: a queue, a program on an interface, an address, a lab"},
	{exitNotFound, "not there: an interface, a queue, a lab, a host, a file"},
	{exitCannotRun, "lab exec: the program cannot be run; otherwise lab exec ends as its program does"},
	{exitNoProgram, "lab exec: there is no such program"},
	{exitInterrupted, "interrupted before it was done"},
}

func exitTable() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", c.code, c.meaning)
	}
	return b.String()
}

// exitFor maps errors to codes; the first that errors.Is finds counts. What a package names comes before what the kernel says.
var exitFor = []struct {
	is   error
	code int
}{
	{context.Canceled, exitInterrupted},
	{lab.ErrConfig, exitUsage},
	{lab.ErrPermission, exitPermission},
	{lab.ErrKernel, exitUnsupported},
	{lab.ErrInUse, exitInUse},
	{lab.ErrNotFound, exitNotFound},
	{bench.ErrConfig, exitUsage},
	{xdpstack.ErrConfig, exitUsage},
	{stack.ErrConfig, exitUsage},
	{proxy.ErrConfig, exitUsage},
	{control.ErrNone, exitNotFound},
	{control.ErrInUse, exitInUse},
	{services.ErrUnknown, exitUsage},
	{services.ErrConfig, exitUsage},
	{xdpstack.ErrAddressInUse, exitInUse},
	{afxdp.ErrConfig, exitUsage},
	{afxdp.ErrMTU, exitUnsupported},
	{afxdp.ErrMemlock, exitPermission},
	{xdp.ErrForeignProgram, exitInUse},
	{xdp.ErrPermission, exitPermission},
	{xdp.ErrNotSupported, exitUnsupported},
	{xdp.ErrNoDevice, exitNotFound},
	{xdp.ErrFilter, exitUsage},
	{xdp.ErrLimit, exitUsage},
	{engine.ErrPermission, exitPermission},
	{engine.ErrNotSupported, exitUnsupported},
	{engine.ErrBusy, exitInUse},
	{engine.ErrNoDevice, exitNotFound},
	{engine.ErrNoQueue, exitNotFound},
	{engine.ErrGone, exitNotFound},
	{engine.ErrDown, exitFailed},
	{engine.ErrCores, exitUsage},
	{syscall.EPERM, exitPermission},
	{syscall.EACCES, exitPermission},
	{syscall.EOPNOTSUPP, exitUnsupported},
	{syscall.ENOSYS, exitUnsupported},
	{syscall.EAFNOSUPPORT, exitUnsupported},
	{syscall.EBUSY, exitInUse},
	{syscall.EADDRINUSE, exitInUse},
	{syscall.EADDRNOTAVAIL, exitUsage},
	{syscall.ENODEV, exitNotFound},
	{syscall.ENOENT, exitNotFound},
}

// exitError is an error that knows its code. Without err it ends the command with the code and says nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef makes an error of wrong words.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// commandError marks what a command itself returned. What comes from cobra is not marked: it is about the words.
type commandError struct{ error }

func (e commandError) Unwrap() error { return e.error }

// aboutWords says that an error is cobra's own, as of a wrong number of arguments.
func aboutWords(err error) bool {
	var known *exitError
	var fromCommand commandError
	return err != nil && !errors.As(err, &known) && !errors.As(err, &fromCommand)
}

// codeOf returns the exit code for what executing the root command returned.
func codeOf(err error) int {
	var known *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &known):
		return known.code
	case aboutWords(err):
		return exitUsage
	}
	for _, e := range exitFor {
		if errors.Is(err, e.is) {
			return e.code
		}
	}
	return exitFailed
}
