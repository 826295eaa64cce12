package lab

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		journalDir = dir
		os.Exit(helper(os.Args[1:]))
	}
	dir, err := os.MkdirTemp("", "xdpstack-journal-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	journalDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.Remove(dir); err != nil { // not RemoveAll: it must be empty
			fmt.Fprintln(os.Stderr, "left in the journal:", err)
			code = 1
		}
		os.Exit(code)
	}))
}
