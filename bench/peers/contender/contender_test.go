package contender

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/bench/peers/asavie"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "stubborn" {
		select {} // until it is killed
	}
	os.Exit(m.Run())
}

func TestMainKnowsItsChildren(t *testing.T) {
	for _, c := range []struct {
		args  string
		child bool
		is    error
	}{
		{"", false, nil},
		{"-only rxdrop", false, nil},
		{"child", true, ErrUsage},
		{"child xdpstack rxdrop xs0 one", true, ErrUsage},
		{"child xdpstack nothing xs0 1", true, ErrUsage},
		{"child nobody rxdrop xs0 1", true, ErrUsage},
		{"child asavie nothing xs0 1", true, asavie.ErrTest},
	} {
		if child, err := Main(strings.Fields(c.args)); child != c.child || !errors.Is(err, c.is) {
			t.Errorf("%q: %v, %v", c.args, child, err)
		}
	}
}

func TestUnknownTest(t *testing.T) {
	if _, err := Testpmd.Start(t.Context(), nil, "nothing", "xs0", 1); !errors.Is(err, ErrUsage) {
		t.Error(err)
	}
}

// A process that ends by itself is an error that has its last words.
func TestEarlyEnd(t *testing.T) {
	l := labtest.New(t, lab.Config{Queues: 1})
	p, err := start(t.Context(), l.Host("a"), "sh", "sh", "-c", "echo last words; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	for _, err := range []error{p.Running(), p.End()} {
		if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "last words") {
			t.Error(err)
		}
	}
}

// A process ends by a line, as testpmd does, or by an interrupt, as the others do.
func TestEnd(t *testing.T) {
	l := labtest.New(t, lab.Config{Queues: 1})
	for name, script := range map[string]string{
		testpmdName: "touch $0; read line",
		"other":     "trap 'exit 0' INT; touch $0; while :; do :; done",
	} {
		ready := filepath.Join(t.TempDir(), name)
		p, err := start(t.Context(), l.Host("a"), name, "sh", "-c", script, ready)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); ; {
			if _, err := os.Stat(ready); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not ready", name)
			}
		}
		if err := p.Running(); err != nil {
			t.Fatal(err)
		}
		if err := p.End(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing outlives its context.
func TestContextEnds(t *testing.T) {
	l := labtest.New(t, lab.Config{Queues: 1})
	ctx, cancel := context.WithCancel(t.Context())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(ctx, l.Host("a"), "stubborn", self, "stubborn")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.done
	if err := p.End(); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
}

func TestTailIsBounded(t *testing.T) {
	var s tail
	for range 3 {
		if n, err := s.Write(make([]byte, outputRoom)); n != outputRoom || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = s.Write([]byte(" the\n\nend "))
	if len(s.buf) != outputRoom || !strings.HasSuffix(s.String(), "the end") {
		t.Errorf("%d octets, ending in %q", len(s.buf), s.String()[len(s.String())-10:])
	}
}
