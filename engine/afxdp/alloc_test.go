package afxdp

import (
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// No turn allocates, on a real device, whether packets come or not.
func TestNoAllocations(t *testing.T) {
	l := newLab(t, 1)
	p := open(t, l, configFor(l)).Ports()[0]
	conns := udpFlows(t, l, 4, 1)
	word := []byte("no allocation")
	got := 0
	now := umem.Time(0)
	echo := func() {
		var batch, out [64]*umem.Frame
		n := p.Reap(batch[:])
		p.Pool().ReleaseBatch(batch[:n], umem.HoldTx)
		now += checkEvery // so that the check for the device is in it as well
		n = p.Receive(now, batch[:min(len(batch), p.TxRoom())])
		for i, f := range batch[:n] {
			turnRound(f.Bytes())
			p.Pool().Hold(f, umem.HoldTx)
			out[i] = f
		}
		got += n
		p.Transmit(out[:n])
		p.Refill()
		if err := p.Kick(); err != nil {
			t.Fatal(err)
		}
		if p.Ready() && p.Pending() && p.InFill()+p.InTx() == 0 {
			t.Fatal("unreachable")
		}
	}
	allocs := testing.AllocsPerRun(2000, func() {
		_, _ = conns[0].Write(word)
		echo()
	})
	if allocs != 0 {
		t.Errorf("%.0f allocations in a turn", allocs)
	}
	if got < 1000 {
		t.Errorf("only %d packets in the turns measured", got)
	}
}
