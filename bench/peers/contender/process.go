package contender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// endTime is how long a process may take to end when it is told to.
const endTime = 10 * time.Second

// outputRoom bounds what is kept of what a process says.
const outputRoom = 1 << 14

// ErrEnded says that a process ended by itself, or not when it was told to.
var ErrEnded = errors.New("contender: wrong end")

// Process is a program that runs.
type Process struct {
	name  string
	cmd   *lab.Cmd
	input io.WriteCloser
	said  tail
	done  chan struct{} // closed when it has ended
	err   error         // of its end
}

// niceness makes what else runs on the machine wait: all that is measured runs with the highest
// priority that is not real time. It is that of a thread, among its session's, and, where
// the kernel groups threads by session (sched(7), autogroup), that of the session.
const niceness = "-20"

// start starts a program in host h, which ctx bounds.
func start(ctx context.Context, h *lab.Host, name string, argv ...string) (*Process, error) {
	p := &Process{name: name, cmd: h.Command(ctx, append([]string{"nice", "-n", niceness}, argv...)...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	var err error
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("contender: %s: %w", name, err)
	}
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("contender: %s: %w", name, missing(err))
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", p.PID()), []byte(niceness), 0) // there is none where nothing is grouped
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func missing(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w; \"scripts/setup peers\" installs it", err)
	}
	return err
}

// PID is its process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running fails when the process has ended.
func (p *Process) Running() error {
	select {
	case <-p.done:
		return fmt.Errorf("%w: %s, while it was measured: %v: %s", ErrEnded, p.name, p.err, &p.said)
	default:
		return nil
	}
}

// End tells the process to end, by a line and an interrupt, and waits until it has.
func (p *Process) End() error {
	if err := p.Running(); err != nil {
		return err
	}
	_, _ = io.WriteString(p.input, "\n") // the end is seen by done
	_ = p.input.Close()
	if p.name != testpmdName {
		_ = p.cmd.Process.Signal(os.Interrupt)
	}
	select {
	case <-p.done:
	case <-time.After(endTime):
		_ = p.cmd.Process.Signal(unix.SIGKILL)
		<-p.done
		return fmt.Errorf("%w: %s had to be killed after %v: %s", ErrEnded, p.name, endTime, &p.said)
	}
	if p.err != nil && !p.interrupted() {
		return fmt.Errorf("%w: %s: %w: %s", ErrEnded, p.name, p.err, &p.said)
	}
	return nil
}

// interrupted reports whether the interrupt itself ended the process: it handles none.
func (p *Process) interrupted() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}

// tail keeps the last that was written to it. One goroutine writes, others read after
// that has ended: exec.Cmd copies both outputs in one.
type tail struct{ buf []byte }

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - outputRoom; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// String is one line.
func (t *tail) String() string {
	return string(bytes.Join(bytes.Fields(t.buf), []byte(" ")))
}
