package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// demoStack is an "xdpstack run" on host a, in a process of its own, as a user
// starts it: what its clients measure is then not the Go runtime that they share.
type demoStack struct {
	cmd     *lab.Cmd
	lines   chan []byte // of its standard output, closed at its end
	stderr  strings.Builder
	workers int

	interrupted bool
	over        func() error // not nil: the demo was interrupted, and the stack killed with it
}

// startStack starts it with all services.
func (d *demo) startStack(ctx context.Context, itf *lab.Interface) (*demoStack, error) {
	return d.startOn(ctx, "run", itf, "--service", "echo,discard,chargen")
}

// startOn starts a command on an interface of host a, with the addresses that the lab has
// for the stack.
func (d *demo) startOn(ctx context.Context, command string, itf *lab.Interface, words ...string) (*demoStack, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("demo: finding its own program: %w", err)
	}
	s := &demoStack{lines: make(chan []byte, 16), workers: lab.DefaultQueues, over: ctx.Err}
	s.cmd = d.lab.Host("a").Command(ctx, append([]string{
		self, command, "--json", "-i", itf.Name, "--addr", itf.Stack4.String(), "--addr", itf.Stack6.String(),
	}, words...)...)
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("demo: starting the stack: %w", err)
	}
	go func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.lines <- append([]byte(nil), lines.Bytes()...)
		}
	}()
	return s, nil
}

// next reads the next JSON object that it prints.
func (s *demoStack) next(v any) error {
	select {
	case line, ok := <-s.lines:
		if !ok {
			return fmt.Errorf("demo: the stack ended: %s", strings.TrimSpace(s.stderr.String()))
		}
		if err := json.Unmarshal(line, v); err != nil {
			return fmt.Errorf("demo: the stack printed %q: %w", line, err)
		}
		return nil
	case <-time.After(demoPatience):
		return errors.New("demo: the stack does not answer")
	}
}

// trace asks for the ways of the next packets.
func (s *demoStack) trace() error { return s.signal(syscall.SIGUSR1) }

// interrupt is Ctrl-C, once: a second one would end it without a summary.
func (s *demoStack) interrupt() error {
	if s.interrupted {
		return nil
	}
	s.interrupted = true
	return s.signal(os.Interrupt)
}

func (s *demoStack) signal(sig os.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("demo: signalling the stack: %w", err)
	}
	return nil
}

// end ends it, if it has not ended yet, and waits for that.
func (s *demoStack) end() error {
	if err := s.interrupt(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for range s.lines {
	}
	if err := s.cmd.Wait(); err != nil && s.over() == nil {
		return fmt.Errorf("demo: the stack: %w: %s", err, strings.TrimSpace(s.stderr.String()))
	}
	return nil
}
