package rings_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Before Parse, so that the command line has the last word.
	for name, value := range map[string]string{
		"rapid.checks":     "1000",
		"rapid.nofailfile": "true", // the seed is enough to replay; keep the tree clean
	} {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	goleak.VerifyTestMain(m)
}

// seedRapid gives the property tests a seed that is printed and that TEST_SEED sets.
func seedRapid(t *testing.T) {
	t.Helper()
	seed := max(testenv.Seed(t), 1) // 0 would make rapid choose by itself
	if err := flag.Set("rapid.seed", strconv.FormatUint(seed, 10)); err != nil {
		t.Fatal(err)
	}
}
