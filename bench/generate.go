package bench

import (
	"math"

	"github.com/xdpstack/xdpstack/engine/bare"
	"github.com/xdpstack/xdpstack/umem"
)

// generate sends packets of several flows in turn, at most so many a second. It is
// bare.Generate with a pace.
type generate struct {
	*bare.Generate
	template template
	flow     uint32
	pace     pace
}

func newGenerate(pool *umem.Pool, t template, rate float64) *generate {
	return &generate{
		Generate: bare.NewGenerate(pool, t.bytes, 0, math.MaxUint64),
		template: t, pace: pace{rate: rate},
	}
}

// Output makes as many packets as it is asked for, as the pace lets go, and as the pool has
// frames for.
func (g *generate) Output(now umem.Time, out []*umem.Frame) int {
	n := g.Generate.Output(now, out[:g.pace.room(now, len(out))])
	g.pace.sent(n)
	if g.template.flows > 1 {
		g.spread(out[:n])
	}
	return n
}

// spread makes each frame the next flow's.
func (g *generate) spread(frames []*umem.Frame) {
	for _, f := range frames {
		g.template.setFlow(f.Bytes(), g.flow)
		if g.flow++; g.flow == g.template.flows {
			g.flow = 0
		}
	}
}

// Deadline is when the pace lets the next packet go.
func (g *generate) Deadline() umem.Time { return g.pace.deadline() }

// pace bounds packets per second: a bucket that holds what burst says at most, so that a sender
// that was held up does not make up for it all at once.
type pace struct {
	rate  float64 // packets per second; 0: no bound
	have  float64
	until umem.Time // that have is counted to
}

// burst is how much time's worth of packets may go at once.
const burst = umem.Millisecond

func (p *pace) room(now umem.Time, want int) int {
	if p.rate == 0 {
		return want
	}
	if p.until != 0 {
		p.have += p.rate * float64(now-p.until) / 1e9
	}
	p.until = now
	p.have = min(p.have, max(p.rate*float64(burst)/1e9, 1))
	return min(want, int(p.have))
}

func (p *pace) sent(n int) {
	if p.rate != 0 {
		p.have -= float64(n)
	}
}

func (p *pace) deadline() umem.Time {
	if p.rate == 0 {
		return umem.Never
	}
	return p.until + umem.Time(math.Ceil(max(1-p.have, 0)/p.rate*1e9))
}
