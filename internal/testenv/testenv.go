package testenv

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// The environment variables that this package reads.
const (
	SeedVar = "TEST_SEED" // an unsigned decimal number of 64 bits
	SoakVar = "SOAK"      // a duration as time.ParseDuration takes it
)

// Root skips the test unless it runs as root, since it makes namespaces, devices or BPF
// programs, and skips it in the short run, since that takes time and both cores.
func Root(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests are not part of the short run: make test")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: sudo make test")
	}
}

// Tool returns the path of a program, and skips the test where there is none.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs the program %s: sudo make setup", name)
	}
	return path
}

// Seed is the seed for everything random in a test: TEST_SEED where that is set, otherwise
// one drawn now. It is printed, in the form that sets it again.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(SeedVar); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q is not an unsigned decimal number of 64 bits", SeedVar, text)
		}
		seed = n
	}
	t.Logf("%s=%d", SeedVar, seed)
	return seed
}

// Soak is how long a soak test runs. Outside make soak the test is skipped.
func Soak(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv(SoakVar)
	if text == "" {
		t.Skip("a soak test: make soak")
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q is not a positive duration, such as 1h", SoakVar, text)
	}
	return d
}
