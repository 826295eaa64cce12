package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Cmd is an exec.Cmd whose program runs in a host: in its network namespace, with a /sys that shows the devices there, as "ip
// netns exec" runs it. SysProcAttr.Pdeathsig must not be set, since the thread that starts the program ends at once.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command prepares a program and its arguments to run in the host. It is killed when ctx is done.
func (h *Host) Command(ctx context.Context, argv ...string) *Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.WaitDelay = time.Second // for pipes that grandchildren hold open
	return &Cmd{c, h}
}

// Start is exec.Cmd.Start in the host.
func (c *Cmd) Start() (err error) {
	throwaway(func() {
		if err = enterForExec(c.host.Path()); err == nil {
			err = c.Cmd.Start()
		}
	})
	return err
}

// Run is exec.Cmd.Run in the host.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output is exec.Cmd.Output in the host, but leaves standard error alone.
func (c *Cmd) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput is exec.Cmd.CombinedOutput in the host.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// Exec runs a program in the host to its end and returns what it printed, which is also in the error when it fails.
func (h *Host) Exec(ctx context.Context, argv ...string) ([]byte, error) {
	out, err := h.Command(ctx, argv...).CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("lab: %s: %q: %w: %s", h.name, argv, err, bytes.TrimSpace(out))
	}
	return out, nil
}

// Replace becomes a program in the host: execve(2). It returns only if that fails, and the caller should then exit: its thread is
// spoilt.
func (h *Host) Replace(argv ...string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	runtime.LockOSThread() // never unlocked
	if err := enterForExec(h.Path()); err != nil {
		return err
	}
	return fmt.Errorf("lab: %s: %w", path, unix.Exec(path, argv, os.Environ()))
}

// enterForExec takes the thread for good into the namespace, with mounts of its own: sysfs shows the devices of the
// namespace in which it was mounted (kernfs, sysfs(5)), so it is mounted anew.
func enterForExec(path string) error {
	if err := enter(path); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("lab: mounts: %w", permission(err))
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("lab: mounts: %w", permission(err))
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("lab: mount /sys: %w", permission(err))
	}
	return nil
}
