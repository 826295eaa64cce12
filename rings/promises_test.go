package rings_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/rings/ringtest"
)

// roundTrip takes a batch of frames through all four rings.
func roundTrip(sock ringtest.Socket, k *ringtest.Kernel, batch uint32) {
	n := sock.Fill.Reserve(batch)
	for i := range n {
		sock.Fill.Set(i, uint64(i)*testChunk)
	}
	sock.Fill.Submit(n)
	k.Receive(batch)
	n = sock.RX.Peek(batch)
	sent := sock.TX.Reserve(n)
	for i := range n {
		d := sock.RX.At(i)
		sock.TX.Set(i, d.Addr, d.Len, 0)
	}
	sock.RX.Release(n)
	sock.TX.Submit(sent)
	k.Transmit(batch)
	k.Complete(batch)
	n = sock.Completion.Peek(batch)
	for i := range n {
		sink += sock.Completion.At(i)
	}
	sock.Completion.Release(n)
}

// sink keeps what benchmarks read from being thrown away.
var sink uint64

func TestNoAllocs(t *testing.T) {
	sock, k := ringtest.NewKernel(socketConfig(128, ringtest.Faults{}))
	allocs := testing.AllocsPerRun(1000, func() {
		roundTrip(sock, k, 64)
		sink += uint64(sock.Fill.Free()+sock.TX.Pending()+sock.RX.Available()+sock.Completion.Available()) +
			sock.Fill.Consumed() + sock.RX.Produced() + sock.TX.Produced() + sock.Completion.Consumed() + sock.RX.Corrupt()
		sink += uint64(len(sock.RX.Run(0, 64)) + len(sock.Fill.Run(0, 64)))
		if sock.TX.NeedWakeup() || sock.Fill.NeedWakeup() {
			sink++
		}
	})
	want(t, "allocations", allocs, 0)
	want(t, "frames that went round", sock.Completion.Consumed(), 64*1001)
}

// What runs once a descriptor costs no call, and what runs once a batch neither, but for
// Reserve and Peek.
func TestInlining(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", "github.com/xdpstack/xdpstack/rings").CombinedOutput()
	if err != nil {
		t.Fatalf("go build -gcflags=-m: %v\n%s", err, out)
	}
	for _, f := range []string{
		"(*RX).At", "(*TX).Set", "(*Fill).Set", "(*Completion).At",
		"(*producer).Submit", "(*consumer).Release", "(*producer).NeedWakeup", "(*producer).Pending",
	} {
		if !strings.Contains(string(out), ": can inline "+f+"\n") {
			t.Errorf("%s is not inlined; see go build -gcflags=-m=2", f)
		}
	}
}
