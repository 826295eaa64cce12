package probe

import (
	"slices"
	"time"
)

// Times are round trips.
type Times []time.Duration

// Quantile is the round trip that a share q of them, from 0 to 1, did not
// exceed; 0 when there are none.
func (t Times) Quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
