package afxdp

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// Every packet of the kernel's arrives once, in the order of its flow, on both queues.
func TestReceiveOnTwoQueues(t *testing.T) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprint("IPv", family), func(t *testing.T) {
			const flows, each = 16, 200
			l := newLab(t, 2)
			d := open(t, l, configFor(l))
			conns := udpFlows(t, l, family, flows)
			next := map[uint16]uint32{}
			for _, c := range conns {
				next[portOf(c)] = 0
			}
			take := func(f *umem.Frame) bool {
				data, from, ok := payload(f.Bytes())
				if !ok || len(data) != 4 {
					t.Fatalf("a packet of %d bytes: % x", f.Len(), f.Bytes())
				}
				if n := binary.BigEndian.Uint32(data); n != next[from] {
					t.Fatalf("flow %d: packet %d, want %d", from, n, next[from])
				}
				next[from]++
				return false
			}
			got := 0
			for i := range uint32(each) {
				for _, c := range conns {
					if _, err := c.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
						t.Fatal(err)
					}
				}
				for _, p := range d.Ports() {
					got += turn(t, p, take)
				}
			}
			until(t, "all arrived", func() bool {
				for _, p := range d.Ports() {
					got += turn(t, p, take)
					balance(t, p)
				}
				return got >= flows*each
			})
			if got != flows*each {
				t.Errorf("%d packets, want %d", got, flows*each)
			}
			for _, p := range d.Ports() {
				var s engine.PortStats
				p.Stats(&s)
				t.Logf("queue %d: %+v", p.Queue(), s)
				if s.RxPackets == 0 {
					t.Errorf("queue %d received nothing", p.Queue())
				}
				if s.RxDropped+s.RxInvalid+s.RxInvalidDescs+s.RxRingFull != 0 {
					t.Errorf("queue %d lost packets: %+v", p.Queue(), s)
				}
			}
		})
	}
}

// What comes in goes out by the way it came, and the kernel's sockets hear their own words.
func TestForwardToTheKernel(t *testing.T) {
	for _, mode := range []Mode{Copy, SKB} {
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprint(mode, "/IPv", family), func(t *testing.T) {
				l := newLab(t, 2)
				cfg := configFor(l)
				cfg.Mode = mode
				d := open(t, l, cfg)
				echo := func(f *umem.Frame) bool {
					turnRound(f.Bytes())
					return true
				}
				for _, c := range udpFlows(t, l, family, 8) {
					for size := 0; size <= 1400; size += 280 {
						sent := make([]byte, size)
						for i := range sent {
							sent[i] = byte(i * size)
						}
						if _, err := c.Write(sent); err != nil {
							t.Fatal(err)
						}
						answered := false
						until(t, "echo served", func() bool {
							for _, p := range d.Ports() {
								answered = turn(t, p, echo) > 0 || answered
							}
							return answered
						})
						_ = c.SetReadDeadline(time.Now().Add(patience))
						back := make([]byte, 2000)
						n, err := c.Read(back)
						if err != nil {
							t.Fatal(err)
						}
						if string(back[:n]) != string(sent) {
							t.Fatalf("%d bytes came back of %d", n, size)
						}
					}
				}
				for _, p := range d.Ports() {
					balance(t, p)
				}
			})
		}
	}
}
