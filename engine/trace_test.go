package engine

import (
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// TestTraceOfAPacketHandedOff: a packet that goes on to another worker is never
// completed here; its trace follows the next packet instead of waiting for ever.
func TestTraceOfAPacketHandedOff(t *testing.T) {
	region, err := umem.NewRegion(make([]byte, 2*umem.MinChunk), umem.MinChunk)
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{clock: Now}
	away, answered := region.Frame(0), region.Frame(1)
	away.Port = umem.PortWorker + 1
	w.trace = &tracer{}
	w.traceArmed()
	w.traceRead(0, []*umem.Frame{away})
	w.traceOutput([]*umem.Frame{away})
	if w.trace.in != nil || w.trace.reply != nil {
		t.Fatalf("it still follows the packet handed off: %+v", w.trace)
	}
	w.traceArmed()
	w.traceRead(0, []*umem.Frame{answered})
	w.traceOutput([]*umem.Frame{away, answered})
	if w.trace.reply != answered || !w.trace.Same {
		t.Errorf("the answer is %p, same %v", w.trace.reply, w.trace.Same)
	}
}
