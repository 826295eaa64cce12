package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// testName returns a lab name of this test's own, and removes what is there under it when the test ends.
func testName(t *testing.T) string {
	t.Helper()
	testenv.Root(t)
	name := labtest.Name()
	t.Cleanup(func() {
		if err := lab.Down(name); err != nil && !errors.Is(err, lab.ErrNotFound) {
			t.Error(err)
		}
	})
	return name
}

// parse takes apart what a command said with --json.
func parse[T any](t *testing.T, got said) (v T) {
	t.Helper()
	if got.code != exitOK || got.err != "" || strings.Count(got.out, "\n") != 1 {
		t.Fatalf("%+v, want one line of JSON", got)
	}
	if err := json.Unmarshal([]byte(got.out), &v); err != nil {
		t.Fatalf("%q: %v", got.out, err)
	}
	return v
}

type labList struct{ Labs []lab.Status }

func TestLabAsJSON(t *testing.T) {
	name := testName(t)
	made := parse[labMade](t, inProcess("lab", "up", name, "--queues", "3", "--mtu", "2000", "--json"))
	if made.Name != name || made.State != "up" || !made.Persistent || made.Partial || made.Recovered || len(made.Hosts) != 2 {
		t.Errorf("up: %+v", made)
	}
	for _, words := range [][]string{{"lab", "status", name, "--json"}, {"--json", "lab", "status"}} {
		labs := parse[labList](t, inProcess(words...)).Labs
		n := slices.IndexFunc(labs, func(s lab.Status) bool { return s.Name == name })
		if n < 0 {
			t.Fatalf("%q: %+v", words, labs)
		}
		i := labs[n].Hosts[0].Interfaces[0]
		if i.RxQueues != 3 || i.TxQueues != 3 || i.MTU != 2000 || !i.Up || len(i.Falsifying) > 0 || len(i.Stack) != 2 {
			t.Errorf("%q: %+v", words, i)
		}
	}
	ran := parse[execReport](t, inProcess("lab", "exec", "--json", name+"/b", "--", "sh", "-c", "echo out; echo err >&2"))
	if ran.Host != "b" || ran.Stdout != "out\n" || ran.Stderr != "err\n" || ran.ExitCode != 0 || ran.Cut {
		t.Errorf("exec: %+v", ran)
	}
	gone := parse[labsGone](t, inProcess("lab", "down", name, "--json"))
	if !slices.Equal(gone.Removed, []string{name}) || len(gone.Left) > 0 || len(gone.PIDs) > 0 {
		t.Errorf("down: %+v", gone)
	}
	wantLine(t, inProcess("lab", "down", name, "--json"), exitNotFound, `"exit_code":6`, "no lab") // what else there is, depends on the tests beside this one
}

func TestLabForPeople(t *testing.T) {
	name := testName(t)
	up := inProcess("lab", "up", name, "--partial")
	status := inProcess("lab", "status", name)
	for _, want := range []string{"lab " + name + ": up, partial checksums", "198.18.0.2/24 2001:2::2/64", "2+2 queues", "offloads on: tx-checksum-ip-generic"} {
		if up.code != exitOK || !strings.Contains(up.out, want) || up.out != status.out {
			t.Errorf("want %q in\n%+v\nand in\n%+v", want, up, status)
		}
	}
	wantLine(t, inProcess("lab", "up", name), exitInUse, `"xdpstack lab down `+name+`" removes it`)
	if got := inProcess("lab", "down", name); got.out != "lab "+name+" is removed\n" || got.code != exitOK {
		t.Errorf("down: %+v", got)
	}
}

// TestLabExecIsTheProgram runs exec as a process of its own, since it becomes another program.
func TestLabExecIsTheProgram(t *testing.T) {
	name := testName(t)
	if got := inProcess("lab", "up", name); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	for _, c := range []struct {
		argv []string
		want said
	}{
		{[]string{"--", "sh", "-c", "exit 7"}, said{code: 7}},
		{[]string{"sh", "-c", "echo $0; exit 3", "--json"}, said{out: "--json\n", code: 3}},
		{[]string{"--", "ls", "/sys/class/net"}, said{out: "lo\nxs0\n"}},
		{[]string{"--", "sh", "-c", "kill -TERM $$"}, said{code: -1}}, // ended by the signal itself
	} {
		got := asProcess(t, append([]string{"lab", "exec", name + "/a"}, c.argv...)...)
		if got != c.want {
			t.Errorf("%q: got %+v, want %+v", c.argv, got, c.want)
		}
	}
	wantLine(t, asProcess(t, "lab", "exec", name+"/a", "--", "no-such-program"), exitNoProgram, "no-such-program")
	wantLine(t, asProcess(t, "lab", "exec", name+"/a", "--", "/proc/self/status"), exitCannotRun, "/proc/self/status")
	wantLine(t, asProcess(t, "lab", "exec", name+"/c", "--", "true"), exitNotFound, `no host "c"`)
	wantLine(t, asProcess(t, "lab", "exec", name+"x/a", "--", "true"), exitNotFound, name)
	got := asProcess(t, "lab", "exec", "--json", name+"/a", "--", "sh", "-c", "kill -KILL $$")
	if got.code != 128+int(syscall.SIGKILL) || !strings.Contains(got.out, `"exit_code":137`) || got.err != "" {
		t.Errorf("a program killed, as JSON: %+v", got)
	}
}

func TestLabExecReportIsBounded(t *testing.T) {
	name := testName(t)
	if got := inProcess("lab", "up", name); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	ran := parse[execReport](t, inProcess("lab", "exec", "--json", name+"/b", "head", "-c", "1500000", "/dev/zero"))
	if !ran.Cut || len(ran.Stdout) != outputLimit {
		t.Errorf("%d bytes reported, cut %v", len(ran.Stdout), ran.Cut)
	}
}

// TestInterrupt ends a command from outside while it waits for a program.
func TestInterrupt(t *testing.T) {
	name := testName(t)
	if got := inProcess("lab", "up", name); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := command(t, "lab", "exec", "--json", name+"/b", "--", "sh", "-c", "echo started >&3; exec sleep 1000")
	c.ExtraFiles = []*os.File{w}
	var errOut strings.Builder
	c.Stderr = &errOut
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	start := time.Now()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	wantLine(t, said{err: errOut.String(), code: c.ProcessState.ExitCode()}, exitInterrupted, "canceled")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestWithoutRoot(t *testing.T) {
	testenv.Root(t) // to become somebody else
	const nobody = "65534"
	for _, words := range []string{"lab up", "lab down", "lab down --all", "lab status", "lab exec a -- true"} {
		c := command(t, strings.Fields(words)...)
		c.Env = append(c.Env, uidEnv+"="+nobody)
		wantLine(t, finish(t, c), exitPermission, "needs root", "sudo")
	}
}

// TestKilledLabUp kills "lab up" -9 at random times; "lab down" leaves nothing.
func TestKilledLabUp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	for range 5 {
		name := testName(t)
		c := command(t, "lab", "up", name)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(rnd.Int64N(int64(40 * time.Millisecond)))
		<-time.After(after)
		c.Process.Kill()
		c.Wait()
		// Killed before it wrote down anything, it leaves nothing to remove.
		if got := inProcess("lab", "down", name); got.code != exitOK && got.code != exitNotFound {
			t.Errorf("down, after a kill at %v: %+v", after, got)
		}
		left, _ := filepath.Glob("/run/netns/xdpstack-" + name + "-*")
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if len(left) > 0 || err != nil || strings.Contains(string(mounts), "xdpstack-"+name) {
			t.Errorf("killed after %v: left are %q, or mounts", after, left)
		}
	}
}
