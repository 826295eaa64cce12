package testenv

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// recorder is a test that writes down how it was ended instead of ending.
type recorder struct {
	testing.TB
	skipped, failed, logged string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) { r.skipped = fmt.Sprint(args...) }

func (r *recorder) Skipf(format string, args ...any) { r.skipped = fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }

func (r *recorder) Logf(format string, args ...any) { r.logged = fmt.Sprintf(format, args...) }

func TestRootSaysWhyItSkips(t *testing.T) {
	r := &recorder{}
	Root(r)
	switch {
	case testing.Short():
		if !strings.Contains(r.skipped, "short run") {
			t.Errorf("short run: reason %q", r.skipped)
		}
	case os.Geteuid() != 0:
		if !strings.Contains(r.skipped, "root") {
			t.Errorf("not root: reason %q", r.skipped)
		}
	default:
		if r.skipped != "" {
			t.Errorf("root: skipped: %q", r.skipped)
		}
	}
}

func TestToolNamesWhatIsMissing(t *testing.T) {
	r := &recorder{}
	if path := Tool(r, "go"); path == "" || r.skipped != "" {
		t.Errorf("go: path %q, skipped %q", path, r.skipped)
	}
	Tool(r, "no-such-program")
	if !strings.Contains(r.skipped, "no-such-program") {
		t.Errorf("reason %q does not name the program", r.skipped)
	}
}

func TestSeedIsSettable(t *testing.T) {
	t.Setenv(SeedVar, "42")
	r := &recorder{}
	if got := Seed(r); got != 42 || r.logged != "TEST_SEED=42" {
		t.Errorf("seed %d, printed %q", got, r.logged)
	}
	t.Setenv(SeedVar, "-1")
	if Seed(r); r.failed == "" {
		t.Error("a bad seed went unnoticed")
	}
	t.Setenv(SeedVar, "")
	if a, b := Seed(r), Seed(r); a == b {
		t.Errorf("two drawn seeds are both %d", a)
	}
}

func TestSoakRunsOnlyWhenAsked(t *testing.T) {
	t.Setenv(SoakVar, "")
	r := &recorder{}
	if Soak(r); r.skipped == "" {
		t.Error("not skipped without a duration")
	}
	t.Setenv(SoakVar, "3m")
	if got := Soak(r); got != 3*time.Minute {
		t.Errorf("duration %v", got)
	}
	t.Setenv(SoakVar, "-3m")
	if Soak(r); r.failed == "" {
		t.Error("a negative duration went unnoticed")
	}
}
