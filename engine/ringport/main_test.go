package ringport_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also is the program that instructions are counted of.
func TestMain(m *testing.M) {
	if work := os.Getenv(countVar); work != "" {
		count(work)
		return
	}
	goleak.VerifyTestMain(m)
}
