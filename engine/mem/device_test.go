package mem

import (
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// TestCable: what is sent on port i of one end arrives on port i of the other, and the second Close
// finds all frames back.
func TestCable(t *testing.T) {
	a, b, err := Cable(CableConfig{Workers: 2, Frames: 256})
	if err != nil {
		t.Fatal(err)
	}
	if a.MAC() == b.MAC() || a.MTU() != 1500 || len(a.Ports()) != 2 {
		t.Errorf("%v %v, MTU %d, %d ports", a.MAC(), b.MAC(), a.MTU(), len(a.Ports()))
	}
	for i := range 2 {
		f := a.Pool(i).Get(umem.ClassSend)
		a.Pool(i).Hold(f, umem.HoldTx)
		copy(f.Put(60), "a packet")
		if n := a.Ports()[i].Transmit([]*umem.Frame{f}); n != 1 {
			t.Fatalf("port %d took %d frames", i, n)
		}
		var in [2]*umem.Frame
		if n := b.Ports()[i].Receive(0, in[:]); n != 1 || string(in[0].Bytes()[:8]) != "a packet" {
			t.Fatalf("port %d: %d packets arrived", i, n)
		}
		b.Pool(i).Free(in[0])
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestCableCountsFrames: one that an end keeps is said at the second Close.
func TestCableCountsFrames(t *testing.T) {
	a, b, err := Cable(CableConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f := b.Pool(0).Get(umem.ClassSend)
	b.Pool(0).Hold(f, umem.HoldApp)
	if err := b.Close(); err != nil {
		t.Errorf("the first Close: %v", err)
	}
	if err := a.Close(); err == nil {
		t.Error("a frame is missing, and nobody says so")
	}
}

func TestWrongCables(t *testing.T) {
	for _, c := range []CableConfig{{Frames: 100}, {Frames: 4}, {Workers: umem.MaxWorkers + 1, Frames: 64}} {
		if _, _, err := Cable(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
