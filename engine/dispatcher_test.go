package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine"
)

// TestDispatcher: after each Wake the function runs once more, and sees what was stored before.
func TestDispatcher(t *testing.T) {
	var stored atomic.Int64
	seen := make(chan int64, 1)
	d, err := engine.NewDispatcher(func() {
		select {
		case <-seen: // the older value
		default:
		}
		seen <- stored.Load()
	})
	if err != nil {
		t.Fatal(err)
	}
	late := time.After(patience)
	for i := int64(1); i <= 10000; i++ {
		stored.Store(i)
		d.Wake()
		for v := int64(0); v < i && i%10 == 0; {
			select {
			case v = <-seen:
			case <-late:
				t.Fatalf("a wake was lost after %d", i)
			}
		}
	}
	if n := testing.AllocsPerRun(100, d.Wake); n != 0 {
		t.Errorf("%v allocations a wake", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	d.Wake()
}
