package wire

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestMain prints the seed of everything random here; TEST_SEED sets it.
func TestMain(m *testing.M) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TEST_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			panic("TEST_SEED: " + err.Error())
		}
		seed = v
	}
	flag.Parse()
	// To rapid a seed of zero means another one each time.
	for name, value := range map[string]string{"rapid.seed": strconv.FormatUint(seed|1, 10), "rapid.nofailfile": "true", "rapid.checks": "1000"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	fmt.Printf("TEST_SEED=%d\n", seed)
	m.Run()
}
