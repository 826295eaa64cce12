package impair

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xdpstack/xdpstack/umem"
)

// ErrConfig is what errors of Parse and New wrap.
var ErrConfig = errors.New("impair: bad configuration")

// Config says how a wire treats packets. The probabilities are from 0 to 1, for
// each packet and direction. The zero value changes nothing.
type Config struct {
	Seed      uint64
	Loss      float64
	Reorder   float64
	Duplicate float64   // received packets alone
	Corrupt   float64   // received packets alone: one bit is flipped behind the link header
	Delay     umem.Time // how long a reordered packet waits; 0 takes a millisecond
}

const defaultDelay = umem.Millisecond

// Parse reads a configuration such as "loss=1%,reorder=0.5%,delay=2ms,seed=7". The
// words are seed, loss, reorder, duplicate, corrupt and delay.
func Parse(text string) (c Config, err error) {
	for word := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		switch key {
		case "seed":
			c.Seed, err = strconv.ParseUint(value, 10, 64)
		case "loss":
			c.Loss, err = share(value)
		case "reorder":
			c.Reorder, err = share(value)
		case "duplicate":
			c.Duplicate, err = share(value)
		case "corrupt":
			c.Corrupt, err = share(value)
		case "delay":
			var d time.Duration
			d, err = time.ParseDuration(value)
			c.Delay = umem.Time(d)
		default:
			return c, fmt.Errorf("%w: %q; the words are seed, loss, reorder, duplicate, corrupt and delay, as in loss=1%%,seed=7", ErrConfig, key)
		}
		if err != nil {
			return c, fmt.Errorf("%w: %s: %w", ErrConfig, key, err)
		}
	}
	return c, c.check()
}

// share reads "1.5%" or "0.015".
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	return v, err
}

func (c *Config) check() error {
	for _, p := range []float64{c.Loss, c.Reorder, c.Duplicate, c.Corrupt} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("%w: a share of %v; from 0 to 100%% makes sense", ErrConfig, p)
		}
	}
	if c.Delay < 0 || c.Delay > umem.Second {
		return fmt.Errorf("%w: a delay of %v; up to a second makes sense", ErrConfig, time.Duration(c.Delay))
	}
	return nil
}
