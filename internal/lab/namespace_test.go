package lab

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func threadNamespace(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDoComesBack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := testLab(t, Config{})
	home := threadNamespace(t)
	broken := errors.New("broken")
	ways := map[string]func(){
		"returns":            func() {},
		"fails":              func() { panic(broken) },
		"ends its goroutine": func() { runtime.Goexit() },
	}
	for way, leave := range ways {
		done := make(chan string)
		go func() {
			runtime.LockOSThread()
			before := threadNamespace(t)
			defer func() {
				recover()
				done <- before + " " + threadNamespace(t)
				runtime.UnlockOSThread()
			}()
			l.Host("b").Do(func() error {
				if threadNamespace(t) == before {
					t.Error("Do did not enter the namespace")
				}
				leave()
				return nil
			})
		}()
		if got := <-done; got != home+" "+home {
			t.Errorf("fn %s: thread before and after: %s, want %s", way, got, home)
		}
	}
	if err := l.Host("b").Do(func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("Do returns %v", err)
	}
}

func TestDoWithinDo(t *testing.T) {
	l := testLab(t, Config{})
	err := l.Host("a").Do(func() error {
		outer := threadNamespace(t)
		err := l.Host("b").Do(func() error {
			if threadNamespace(t) == outer {
				t.Error("the inner Do did not enter")
			}
			return nil
		})
		if threadNamespace(t) != outer {
			t.Error("the inner Do did not come back to the outer")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNoThreadStays looks at all threads of this process after all kinds of visits to a namespace.
func TestNoThreadStays(t *testing.T) {
	l := testLab(t, Config{})
	for range 20 {
		l.Host("a").Do(func() error {
			go runtime.Gosched() // goroutines started there run outside
			return nil
		})
		if _, err := l.Host("b").Exec(t.Context(), "true"); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(patience)
	for {
		inside := threadsElsewhere(t)
		if len(inside) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("threads in another namespace than the main thread's: %q", inside)
		}
		runtime.Gosched() // a thread thrown away takes a moment to end
	}
}

func threadsElsewhere(t *testing.T) []string {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	links, _ := filepath.Glob("/proc/self/task/*/ns/net")
	if len(links) == 0 {
		t.Fatal("no threads in /proc/self/task")
	}
	var elsewhere []string
	for _, link := range links {
		if ns, err := os.Readlink(link); err == nil && ns != home {
			elsewhere = append(elsewhere, link+" "+ns)
		}
	}
	return elsewhere
}

// TestThrowawayNeverTakesTheMainThread occupies the main thread's place by chance only; it must hold whoever runs.
func TestThrowawayNeverTakesTheMainThread(t *testing.T) {
	for range 200 {
		throwaway(func() {
			if unix.Gettid() == unix.Getpid() {
				t.Error("a thread to be thrown away is the main thread")
			}
		})
	}
}

// TestRemoveCoveredName binds the directory of names on itself after a namespace was bound, as "ip netns add" does when it is the
// first to use the directory; the lab's own mount then lies under one that can be unmounted.
func TestRemoveCoveredName(t *testing.T) {
	name := testName(t)
	namespace := namespaceName(name, "a")
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		t.Fatal(err)
	}
	throwaway(func() {
		// In namespaces of its own: nothing of this is seen by others, and what is removed is not the machine's.
		err := errors.Join(
			unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_NEWNET),
			unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""),
			os.WriteFile(namespacePath(namespace), nil, 0o444),
			unix.Mount("/proc/thread-self/ns/net", namespacePath(namespace), "", unix.MS_BIND, ""),
			unix.Mount(namespaceDir, namespaceDir, "", unix.MS_BIND|unix.MS_REC, ""),
		)
		if err != nil {
			t.Error(err)
			return
		}
		if err := removeNamespace(namespace); err != nil {
			t.Error(err)
		}
	})
	wantNothing(t, name)
}

func TestCommand(t *testing.T) {
	l := testLab(t, Config{})
	b := l.Host("b")
	out, err := b.Exec(t.Context(), "ls", "/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); strings.Join(got, " ") != "lo xp0" {
		t.Errorf("/sys/class/net for a program in b: %q", got)
	}
	if _, err := b.Exec(t.Context(), "sh", "-c", "echo broken; exit 3"); err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("error of a program that fails: %v", err)
	}
	cmd := b.Command(t.Context(), "cat")
	cmd.Stdin = strings.NewReader("through")
	if out, err := cmd.Output(); err != nil || string(out) != "through" {
		t.Errorf("cat: %q, %v", out, err)
	}
	if _, err := b.Exec(t.Context(), "/no/such/program"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: %v", err)
	}
}

func TestSockets(t *testing.T) {
	l := testLab(t, Config{})
	a, b := l.Host("a"), l.Host("b")
	if _, err := b.Dial(t.Context(), "tcp", "localhost:9"); !errors.Is(err, ErrConfig) {
		t.Errorf("a name as address: %v, want ErrConfig", err)
	}
	server, err := b.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	_, port, _ := strings.Cut(server.Addr().String(), "]:")
	for _, addr := range []string{b.Interface().Kernel4.Addr().String(), "[" + b.Interface().Kernel6.Addr().String() + "]"} {
		c, err := a.Dial(t.Context(), "tcp", addr+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

func TestSetting(t *testing.T) {
	b := testLab(t, Config{}).Host("b")
	if err := b.Setting("ipv4/tcp_max_tw_buckets", "0"); err != nil {
		t.Error(err)
	}
	out, err := b.Exec(t.Context(), "cat", "/proc/sys/net/ipv4/tcp_max_tw_buckets", "/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil || strings.Join(strings.Fields(string(out)), " ") != "0 1024 65535" {
		t.Errorf("%q, %v", out, err)
	}
	if err := b.Setting("ipv4/no_such_setting", "0"); !errors.Is(err, ErrKernel) {
		t.Errorf("no such setting: %v, want ErrKernel", err)
	}
}
