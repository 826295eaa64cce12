package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// embedding is the document whose programs are built and run here, and root the
// module's folder, seen from this package.
const (
	root      = "../.."
	embedding = root + "/docs/EMBEDDING.md"
)

// program is a code block of the document that has a name.
var program = regexp.MustCompile("(?ms)^```go (\\w+)\n(.*?)^```$")

// TestEmbedding builds the programs of the document as they stand there, runs them
// in a lab, and uses them as the document says.
func TestEmbedding(t *testing.T) {
	testenv.Root(t)
	text, err := os.ReadFile(embedding)
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]func(*testing.T, *lab.Lab){"echo": useEcho, "http": useHTTP, "proxy": useProxy}
	for _, m := range program.FindAllSubmatch(text, -1) {
		name := string(m[1])
		use := uses[name]
		if use == nil {
			t.Errorf("program %q of the document is not used by this test", name)
			continue
		}
		delete(uses, name)
		t.Run(name, func(t *testing.T) { runProgram(t, m[2], use) })
	}
	for name := range uses {
		t.Errorf("the document has no program %q", name)
	}
}

// runProgram builds a program, runs it on host a, has it used, and ends it.
func runProgram(t *testing.T, source []byte, use func(*testing.T, *lab.Lab)) {
	dir := t.TempDir()
	main, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "server")
	if err := os.WriteFile(main, source, 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, main)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := newLab(t)
	itf := l.Host("a").Interface()
	for _, word := range []string{`"` + itf.Name + `"`, itf.Stack4.String(), itf.Stack6.String()} {
		if !bytes.Contains(source, []byte(word)) {
			t.Fatalf("the lab has %s, the program does not", word)
		}
	}
	cmd := l.Host("a").Command(context.Background(), binary)
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(out, &said))
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "ready") {
	}
	use(t, l)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(&said, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &said)
	}
	clean(t, l)
}

// useEcho sends more than any window takes, and reads it back.
func useEcho(t *testing.T, l *lab.Lab) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, f := range families {
		c, err := l.Host("b").Dial(t.Context(), "tcp", net.JoinHostPort(f.stack(l.Host("a").Interface()).String(), "7"))
		if err != nil {
			t.Fatal(err)
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write(want)
			if err == nil {
				err = c.(*net.TCPConn).CloseWrite()
			}
			wrote <- err
		}()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("IPv%s: %d octets of %d came back, %v", f.name, len(got), len(want), err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
}

func useHTTP(t *testing.T, l *lab.Lab) {
	for _, f := range families {
		if got := get(t, l, f.stack(l.Host("a").Interface()).String()); !strings.HasPrefix(got, "hello, ") {
			t.Errorf("IPv%s: %q", f.name, got)
		}
	}
}

// useProxy has the kernel's side be client and backend.
func useProxy(t *testing.T, l *lab.Lab) {
	b := l.Host("b")
	backend, err := b.Listen("tcp", net.JoinHostPort(b.Interface().Kernel4.Addr().String(), "8080"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the backend") })}
	go server.Serve(backend)
	defer server.Close()
	for _, f := range families {
		if got := get(t, l, f.stack(l.Host("a").Interface()).String()); got != "from the backend" {
			t.Errorf("IPv%s: %q", f.name, got)
		}
	}
}

// get asks host a, from host b, for a page.
func get(t *testing.T, l *lab.Lab, addr string) string {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: l.Host("b").Dial, DisableKeepAlives: true}}
	r, err := client.Get("http://" + net.JoinHostPort(addr, "80") + "/")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
