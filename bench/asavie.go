package bench

import (
	"errors"
	"fmt"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/asavie"
	"github.com/xdpstack/xdpstack/umem"
)

// checkAsavie says what that library cannot do.
func (c *Config) checkAsavie() error {
	switch {
	case c.Port != Asavie:
		return nil
	case c.Mode != 0:
		return fmt.Errorf("bench: %w: port asavie takes what the kernel gives; leave the mode at auto", ErrConfig)
	case len(c.Interfaces) > 1 || len(c.Queues) > 1:
		return fmt.Errorf("bench: %w: port asavie takes one queue of one interface; name one", ErrConfig)
	case len(c.Take) > 0:
		return fmt.Errorf("bench: %w: port asavie takes all packets; name no addresses", ErrConfig)
	}
	return nil
}

// asavieWait is how long a queue that is in use is waited for: the kernel frees one some milliseconds after its
// socket was closed. The port of the project's own does that by itself.
const asavieWait = 2 * time.Second

// openAsavie opens the first queue, or the one that is named.
func (r *rig) openAsavie(*job) error {
	r.queues = r.queues[:1]
	cfg := asavie.Config{Interface: r.itfs[0].Name, Queue: r.queues[0]}
	p, err := asavie.Open(cfg)
	for deadline := time.Now().Add(asavieWait); errors.Is(err, engine.ErrBusy) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		p, err = asavie.Open(cfg)
	}
	if err != nil {
		return err
	}
	r.pools, r.ports = []*umem.Pool{p.Pool()}, [][]engine.Port{{p}}
	r.detach = func() error { return nil } // the library has no way; close does it
	r.release = func() error { return errors.Join(p.Close(), r.audit()) }
	return nil
}
