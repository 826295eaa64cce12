package ip

import "github.com/xdpstack/xdpstack/umem"

// Bucket is a token bucket, kept as one time: that at which it would be full
// again. ICMP errors pass through one (RFC 4443, section 2.4 (f)).
type Bucket struct {
	full     umem.Time
	interval umem.Time // between tokens
	burst    umem.Time // intervals that the bucket holds
}

// NewBucket gives rate tokens a second, and up to burst at once.
func NewBucket(rate, burst int) Bucket {
	interval := umem.Second / umem.Time(rate)
	return Bucket{interval: interval, burst: umem.Time(burst) * interval}
}

// Take takes a token, if there is one.
func (b *Bucket) Take(now umem.Time) bool {
	at := max(b.full, now)
	if at+b.interval-now > b.burst {
		return false
	}
	b.full = at + b.interval
	return true
}
