package services

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// families are the two that every test is a table over.
var families = []struct {
	name string
	b    netip.Addr
}{{"4", hosttest.Addrs4[1]}, {"6", hosttest.Addrs6[1]}}

// everywhere runs a test with one worker and two, over both families. Host b has the service.
func everywhere(t *testing.T, text string, test func(t *testing.T, a *xdpstack.Host, to string)) {
	t.Helper()
	for workers := 1; workers <= 2; workers++ {
		a, b := hosttest.Pair(t, workers)
		spec, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Start(b, spec)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(spec.Address)
		for _, f := range families {
			t.Run(strconv.Itoa(workers)+" workers, IPv"+f.name, func(t *testing.T) {
				test(t, a, net.JoinHostPort(f.b.String(), port))
			})
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func dial(t *testing.T, h *xdpstack.Host, to string) net.Conn {
	t.Helper()
	c, err := h.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

type closeWriter interface{ CloseWrite() error }

// TestEchoOfAStream: more than both windows hold comes back whole, and after it the end.
func TestEchoOfAStream(t *testing.T) {
	sent := big
	everywhere(t, "echo", func(t *testing.T, a *xdpstack.Host, to string) {
		c := dial(t, a, to)
		failed := make(chan error, 1)
		go func() {
			_, err := c.Write(sent)
			failed <- errors.Join(err, c.(closeWriter).CloseWrite())
		}()
		got, err := io.ReadAll(c)
		if err = errors.Join(err, <-failed); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d octets came back of %d: %v", len(got), len(sent), err)
		}
	})
}

// TestEchoToAReaderThatWaits: what is not read is not taken either.
func TestEchoToAReaderThatWaits(t *testing.T) {
	everywhere(t, "echo", func(t *testing.T, a *xdpstack.Host, to string) {
		c := dial(t, a, to)
		_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		page := make([]byte, 64<<10)
		written := 0
		for {
			n, err := c.Write(page)
			written += n
			if err != nil {
				break
			}
			if written > 64<<20 {
				t.Fatal("it takes without end")
			}
		}
		got, err := io.CopyN(io.Discard, c, int64(written))
		if err != nil {
			t.Errorf("%d of %d octets came back: %v", got, written, err)
		}
	})
}

func TestDiscardOfAStream(t *testing.T) {
	everywhere(t, "discard", func(t *testing.T, a *xdpstack.Host, to string) {
		c := dial(t, a, to)
		if _, err := c.Write(make([]byte, 3<<20)); err != nil {
			t.Fatal(err)
		}
		if err := c.(closeWriter).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestChargenOfAStream(t *testing.T) {
	everywhere(t, "chargen", func(t *testing.T, a *xdpstack.Host, to string) {
		c := dial(t, a, to)
		got := make([]byte, 4<<20)
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b != lines[i%period] {
				t.Fatalf("octet %d is %q", i, b)
			}
		}
	})
}

func TestDatagrams(t *testing.T) {
	for text, good := range map[string]func(answer []byte, err error) bool{
		"echo":    func(b []byte, err error) bool { return err == nil && string(b) == "hello" },
		"discard": func(_ []byte, err error) bool { return err != nil },
		"chargen": func(b []byte, err error) bool { return err == nil && len(b) <= maxAnswer && bytes.HasPrefix(lines, b) },
	} {
		everywhere(t, text, func(t *testing.T, a *xdpstack.Host, to string) {
			c, err := a.Dial("udp", to)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 2000)
			n, err := c.Read(b)
			if !good(b[:n], err) {
				t.Errorf("%s: %q, %v", text, b[:n], err)
			}
		})
	}
}

// TestAPortThatIsTaken is an error, and leaves nothing open.
func TestAPortThatIsTaken(t *testing.T) {
	_, b := hosttest.Pair(t, 1)
	for _, text := range []string{"echo", "http=:80," + t.TempDir(), "go-http=:80," + t.TempDir()} {
		spec, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		first, err := b.Listen("tcp", spec.Address)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := Start(b, spec); err == nil {
			t.Errorf("%s: no error", text)
			_ = s.Close()
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Start(b, spec)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
