package xdpstack

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a host, a worker or a waker outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
