package main

import (
	"fmt"
	"io"

	"github.com/xdpstack/xdpstack/engine"
)

// packetLife is the way of one packet through the layers, from stamps of that
// very packet.
type packetLife struct {
	Worker int         `json:"worker"`
	Bytes  int         `json:"bytes"`      // received
	Sent   int         `json:"sent"`       // bytes of the answer
	Same   bool        `json:"same_frame"` // the frame received was the one sent
	Batch  int         `json:"batch"`      // packets that came with it
	Stages []lifeStage `json:"stages"`
}

type lifeStage struct {
	Stage string `json:"stage"`
	At    int64  `json:"at_ns"`   // since the worker looked at the RX ring
	Took  int64  `json:"took_ns"` // since the stage before
}

func newPacketLife(worker int, t engine.Trace) packetLife {
	l := packetLife{Worker: worker, Bytes: t.Bytes, Sent: t.Sent, Same: t.Same, Batch: t.Batch}
	for s := engine.StageRead; s < engine.NumStages; s++ {
		l.Stages = append(l.Stages, lifeStage{s.String(), int64(t.At[s] - t.At[engine.StagePolled]), int64(t.At[s] - t.At[s-1])})
	}
	return l
}

// total is the time from the look at the RX ring to the completion.
func (l *packetLife) total() int64 { return l.Stages[len(l.Stages)-1].At }

func (l packetLife) print(w io.Writer) {
	fmt.Fprintf(w, "worker %d: a packet of %d bytes, answered with %d bytes, in the same frame: %v\n", l.Worker, l.Bytes, l.Sent, l.Same)
	for _, s := range l.Stages {
		fmt.Fprintf(w, "  %7d ns  +%6d  %s\n", s.At, s.Took, s.Stage)
	}
}
