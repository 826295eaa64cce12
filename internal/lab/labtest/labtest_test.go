package labtest

import (
	"errors"
	"testing"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

func TestLabEndsWithItsTest(t *testing.T) {
	testenv.Root(t)
	var name string
	t.Run("inner", func(t *testing.T) {
		l := New(t, lab.Config{Queues: 1})
		name = l.Name()
		if s, err := l.Status(); err != nil || s.State != "up" {
			t.Errorf("%+v, %v", s, err)
		}
	})
	if _, err := lab.StatusOf(name); !errors.Is(err, lab.ErrNotFound) {
		t.Errorf("lab %q after its test: %v, want ErrNotFound", name, err)
	}
}

func TestNamesDiffer(t *testing.T) {
	if a, b := Name(), Name(); a == b {
		t.Errorf("two labs are called %q", a)
	}
}
