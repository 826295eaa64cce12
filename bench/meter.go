package bench

import (
	"context"
	"time"
)

// meter measures: it takes samples at the beginning, at each interval and at the end, and makes
// of them what is reported. What is sampled may be workers, threads that send, or a host.
type meter struct {
	cfg     *Config
	rig     *rig                                   // for the interfaces' counters
	parts   []Part                                 // what is sampled: Worker, CPU, Queue are set
	sample  func() []sample                        // one for each of parts
	counted func(s *spent) (packets, bytes uint64) // which packets count
	began   time.Time
	first   []sample
	last    []sample // at the last report
	lastAt  time.Duration
}

// measure runs the time that was asked for and fills res in. It ends early when ctx does, or
// when the rig fails; what made it fail is not its business.
func (m *meter) measure(ctx context.Context, res *Result) error {
	waitFor(ctx, m.cfg.Omit, m.rig.failed)
	before, err := m.rig.links()
	if err != nil {
		return err
	}
	m.first = m.sample()
	m.began, m.last = time.Now(), m.first
	m.run(ctx)
	m.fill(res, m.sample())
	res.Interrupted = m.lastAt < m.cfg.Duration
	after, err := m.rig.links()
	res.Devices = m.rig.describe(before, after)
	for _, d := range interfaceDrops(res.Devices, res.Drops) {
		res.Drops = append(res.Drops, d)
		res.Dropped += d.Packets
	}
	return err
}

// run reports until the time is over, the context ends, or the rig fails.
func (m *meter) run(ctx context.Context) {
	for {
		next := m.lastAt + m.cfg.Interval
		if m.cfg.Duration > 0 {
			next = min(next, m.cfg.Duration)
		}
		if !waitFor(ctx, next-time.Since(m.began), m.rig.failed) {
			return
		}
		m.report(next)
		if next == m.cfg.Duration {
			return
		}
	}
}

// waitFor waits, and reports whether it was for the whole time: neither did the context end
// nor something fail.
func waitFor(ctx context.Context, d time.Duration, failed <-chan struct{}) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-failed:
	}
	return false
}

// report tells what passed since the last report.
func (m *meter) report(at time.Duration) {
	now := m.sample()
	i := Interval{Start: m.lastAt.Seconds(), End: at.Seconds()}
	i.Parts, i.Sum, i.Cost = m.between(m.last, now)
	_, i.Dropped = drops(m.last, now)
	m.last, m.lastAt = now, at
	if m.cfg.Report != nil {
		m.cfg.Report(i)
	}
}

// fill makes the result of the whole time.
func (m *meter) fill(res *Result, end []sample) {
	res.Parts, res.Sum, res.Cost = m.between(m.first, end)
	list, total := drops(m.first, end)
	res.Drops, res.Dropped = append(res.Drops, list...), total
}

// between is what each part did between two samples, and all of them together.
func (m *meter) between(from, to []sample) (parts []Part, sum Rate, cost Cost) {
	var all spent
	for i, p := range m.parts {
		s := to[i].since(&from[i])
		packets, bytes := m.counted(&s)
		p.Rate, p.Cost = newRate(packets, bytes, s.took), s.cost(packets)
		p.LongestGap = time.Duration(to[i].turns.Gaps.Max())
		parts = append(parts, p)
		sum.add(p.Rate)
		all.add(s)
	}
	for i := range parts {
		parts[i].Share = per(float64(parts[i].Rate.Packets), float64(sum.Packets))
	}
	return parts, sum, all.cost(sum.Packets)
}
