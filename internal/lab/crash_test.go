package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// TestKilledUpAtEveryPoint kills Up -9 wherever it says that it is, and then runs Down.
func TestKilledUpAtEveryPoint(t *testing.T) {
	whole := testName(t)
	points := startMaker(t, whole, "nowhere", "persistent").reach(t, "")
	if len(points) < 12 || points[0] != "claimed" || points[len(points)-1] != "up" {
		t.Fatalf("points of Up: %q", points)
	}
	if s, err := StatusOf(whole); err != nil || s.State != "up" || s.Owner != 0 {
		t.Errorf("a persistent lab after its maker: %+v, %v", s, err)
	}
	for _, point := range points[:len(points)-1] {
		name := testName(t)
		m := startMaker(t, name, point, "persistent")
		m.reach(t, point)
		if err := Down(name); !errors.Is(err, ErrInUse) {
			t.Errorf("Down while Up runs, at %q: %v, want ErrInUse", point, err)
		}
		m.kill()
		if s, err := StatusOf(name); err != nil || s.State != "broken" {
			t.Errorf("killed at %q: status %+v, %v, want broken", point, s, err)
		}
		if _, err := Open(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("killed at %q: Open: %v, want ErrNotFound", point, err)
		}
		if err := Down(name); err != nil {
			t.Errorf("killed at %q: Down: %v", point, err)
		}
		wantNothing(t, name)
	}
	if err := Down(whole); err != nil {
		t.Error(err)
	}
}

// TestKilledUpAnywhere kills Up -9 at random times.
func TestKilledUpAnywhere(t *testing.T) {
	const rounds = 25
	rnd := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	var halfway int
	for range rounds {
		name := testName(t)
		m := startMaker(t, name, "nowhere", "persistent")
		m.points.Scan() // claimed: the process runs
		after := time.Duration(rnd.Int64N(int64(12 * time.Millisecond)))
		<-time.After(after)
		m.kill()
		if s, err := StatusOf(name); err == nil && s.State == "broken" {
			halfway++
		}
		if err := Down(name); err != nil {
			t.Errorf("killed %v after the claim: Down: %v", after, err)
		}
		wantNothing(t, name)
	}
	t.Logf("%d of %d were killed halfway", halfway, rounds)
}

// TestUpOverKilledUp makes a lab where a killed Up left half of one.
func TestUpOverKilledUp(t *testing.T) {
	name := testName(t)
	m := startMaker(t, name, "host a")
	m.reach(t, "host a")
	if _, err := Up(Config{Name: name}); !errors.Is(err, ErrInUse) {
		t.Errorf("Up while another makes it: %v, want ErrInUse", err)
	}
	m.kill()
	l, err := Up(Config{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if !l.Recovered {
		t.Error("Up does not say that it removed what was left")
	}
}

func TestSweep(t *testing.T) {
	living, dead, persistent := testName(t), testName(t), testName(t)
	lives := startMaker(t, living, "up")
	lives.reach(t, "up")
	dies := startMaker(t, dead, "up")
	dies.reach(t, "up")
	startMaker(t, persistent, "nowhere", "persistent").reach(t, "")
	dies.kill()
	gone, err := Sweep()
	if err != nil || !slices.Contains(gone, dead) || slices.Contains(gone, living) || slices.Contains(gone, persistent) {
		t.Errorf("Sweep removed %q, %v; want %q and neither %q nor %q", gone, err, dead, living, persistent)
	}
	wantNothing(t, dead)
	for _, name := range []string{living, persistent} {
		if s, err := StatusOf(name); err != nil || s.State != "up" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	lives.kill()
}

// TestDownWhileInUse removes a lab in which a program runs: its links go at once, though the namespace lives on.
func TestDownWhileInUse(t *testing.T) {
	l := testLab(t, Config{})
	cmd := l.Host("b").Command(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s, err := l.Status()
	if err != nil || !slices.Contains(s.Hosts[1].PIDs, cmd.Process.Pid) || slices.Contains(s.Hosts[0].PIDs, cmd.Process.Pid) {
		t.Errorf("process %d in status %+v, %v", cmd.Process.Pid, s, err)
	}
	for _, there := range []bool{true, false} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", cmd.Process.Pid))
		if err != nil || !strings.Contains(string(b), "lo:") || strings.Contains(string(b), "xp0:") != there {
			t.Errorf("interfaces of the program, lab there %v: %v\n%s", there, err, b)
		}
		if err := l.Down(); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRecordOfAnotherBoot stands for a record that outlived its machine's uptime.
func TestRecordOfAnotherBoot(t *testing.T) {
	l := testLab(t, Config{Persistent: true})
	j, err := openJournal()
	if err != nil {
		t.Fatal(err)
	}
	r := l.record(stateUp, nil)
	r.Boot = "an earlier one"
	err = j.write(r)
	j.close()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := StatusOf(l.Name()); err != nil || s.State != "broken" {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := Down(l.Name()); err != nil {
		t.Error(err)
	}
}

// TestUnreadableRecord removes a lab whose record says nothing.
func TestUnreadableRecord(t *testing.T) {
	l := testLab(t, Config{})
	if err := os.WriteFile(recordFile(l.Name()), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Down(l.Name()); err != nil {
		t.Error(err)
	}
}

// TestLostRecord removes a lab that has no record at all, by its names.
func TestLostRecord(t *testing.T) {
	l := testLab(t, Config{})
	if err := os.Remove(recordFile(l.Name())); err != nil {
		t.Fatal(err)
	}
	if _, err := Up(l.Config()); !errors.Is(err, ErrInUse) {
		t.Errorf("Up over it: %v, want ErrInUse", err)
	}
	if err := echo(l.Host("a"), l.Host("a").Interface().KernelAddr(4), l.Host("b").Interface().KernelAddr(4), 56); err != nil {
		t.Errorf("the lab after a refused Up: %v", err)
	}
	if err := Down(l.Name()); err != nil {
		t.Error(err)
	}
}

// TestZombieIsDead leaves a process unreaped.
func TestZombieIsDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if start, runs := startTime(cmd.Process.Pid); runs {
		t.Errorf("a zombie, started at %d, counts as running", start)
	}
}

func TestProcessesComeAgain(t *testing.T) {
	me := self()
	if !me.alive() {
		t.Error("this process counts as dead")
	}
	if (process{PID: me.PID, Start: me.Start + 1}).alive() {
		t.Error("another process of the same pid counts as this one")
	}
}
