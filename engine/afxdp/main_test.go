package afxdp

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childVar makes the test binary another process of a test.
const childVar = "AFXDP_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		goleak.VerifyTestMain(m)
	case "flood":
		childFloods()
	default:
		fmt.Println("unknown role")
	}
}
