package engine

import (
	"math/bits"

	"github.com/xdpstack/xdpstack/umem"
)

// A GapHistogram counts times between two polls of a worker, in log-linear
// buckets: sixteen to each doubling, so a value read back is at most a sixteenth
// too high. It has no pointer and never grows; the zero value is empty.
type GapHistogram struct {
	counts [gapBuckets]uint64
	max    umem.Time
}

const (
	gapBits    = 4
	gapLinear  = 1 << gapBits
	gapBuckets = (64 - gapBits) * gapLinear
)

// Note counts one gap. A negative one counts as 0.
func (h *GapHistogram) Note(gap umem.Time) {
	gap = max(gap, 0)
	h.counts[gapBucket(uint64(gap))]++
	h.max = max(h.max, gap)
}

// gapBucket is the bucket of v: v itself below 16, then sixteen to each doubling.
func gapBucket(v uint64) int {
	e := max(bits.Len64(v)-gapBits-1, 0)
	return e<<gapBits + int(v>>(uint(e)&63))
}

// gapUpper is the highest value of a bucket.
func gapUpper(bucket int) umem.Time {
	if bucket < 2*gapLinear {
		return umem.Time(bucket)
	}
	e := uint(bucket>>gapBits - 1)
	v := uint64(bucket&(gapLinear-1) + gapLinear)
	return umem.Time((v+1)<<e - 1)
}

// Count is how many gaps were counted.
func (h *GapHistogram) Count() uint64 {
	n := uint64(0)
	for _, c := range h.counts {
		n += c
	}
	return n
}

// Max is the longest gap, exactly.
func (h *GapHistogram) Max() umem.Time { return h.max }

// Percentile is the gap that p percent of all are not longer than, rounded up to the end
// of its bucket, and never more than Max. It is 0 for an empty histogram.
func (h *GapHistogram) Percentile(p float64) umem.Time {
	total := h.Count()
	rank := uint64(float64(total) * p / 100)
	seen := uint64(0)
	for i, c := range h.counts {
		seen += c
		if c != 0 && seen >= rank {
			return min(gapUpper(i), h.max)
		}
	}
	return h.max
}

// Merge adds the counts of o.
func (h *GapHistogram) Merge(o *GapHistogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.max = max(h.max, o.max)
}

// A GapBucket is a part of a GapHistogram: Count gaps of UpTo or less, and longer than
// those of the bucket before.
type GapBucket struct {
	UpTo  umem.Time
	Count uint64
}

// Buckets returns the buckets that are not empty, shortest first.
func (h *GapHistogram) Buckets() []GapBucket {
	var out []GapBucket
	for i, c := range h.counts {
		if c != 0 {
			out = append(out, GapBucket{UpTo: gapUpper(i), Count: c})
		}
	}
	return out
}
