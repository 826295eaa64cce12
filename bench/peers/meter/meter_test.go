package meter

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// spin keeps the goroutine busy on its core.
func spin(d time.Duration) (turns int) {
	for end := time.Now().Add(d); time.Now().Before(end); turns++ {
	}
	return turns
}

// pinned puts the test on the last core, and returns that.
func pinned(t *testing.T) int {
	t.Helper()
	runtime.LockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	cpu := runtime.NumCPU() - 1
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	})
	return cpu
}

func TestCountersSeeWhatAThreadSpends(t *testing.T) {
	testenv.Root(t)
	cpu := pinned(t)
	c, err := Open(os.Getpid(), cpu)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("left out: this machine shows no cycle counters: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	turns := spin(20 * time.Millisecond)
	after, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	got := after.Since(before)
	t.Logf("%d turns, %+v", turns, got)
	if got.Instructions < uint64(turns) || got.Cycles == 0 || got.UserCycles == 0 || got.UserCycles > got.Cycles {
		t.Errorf("%d turns cost %+v", turns, got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Another process on the same core makes a thread wait.
func TestWaitsSeeOthersOnTheCore(t *testing.T) {
	const together = 100 * time.Millisecond
	cpu := pinned(t)
	waited := func(while func()) time.Duration {
		w, err := OpenWaits(os.Getpid(), cpu)
		if err != nil {
			t.Fatal(err)
		}
		before, err := w.Read()
		if err != nil {
			t.Fatal(err)
		}
		while()
		after, err := w.Read()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		return after - before
	}
	rival := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done") // on our core, as all that this thread starts
	if err := rival.Start(); err != nil {
		t.Fatal(err)
	}
	beside := waited(func() { spin(together) })
	_ = rival.Process.Kill() // seen by Wait
	_ = rival.Wait()
	t.Logf("waited %v in %v", beside, together)
	if beside < together/20 {
		t.Errorf("two processes on a core, and this one waited %v in %v", beside, together)
	}
	if w, err := OpenWaits(os.Getpid(), cpu+1); !errors.Is(err, ErrPinned) {
		t.Errorf("a core that nobody is pinned to: %+v, %v", w, err)
	}
}

func TestCountersOfNobody(t *testing.T) {
	if c, err := Open(1<<30, 0); err == nil {
		t.Errorf("counters of a process that there is not: %+v", c)
	}
}

func TestPassed(t *testing.T) {
	l := labtest.New(t, lab.Config{Queues: 1})
	h := l.Host("a")
	if p, err := Read(h, h.Interface().Name); err != nil || p != (Passed{}) {
		t.Errorf("a new veth: %+v, %v", p, err)
	}
	if _, err := Read(h, "lo"); err == nil {
		t.Error("lo has counters of XDP")
	}
	if got := (Passed{Packets: 5, Redirected: 3}).Since(Passed{2, 1}); got != (Passed{3, 2}) {
		t.Errorf("since: %+v", got)
	}
}
