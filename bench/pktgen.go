package bench

import (
	"context"
	"fmt"
)

// Via is how Pktgen sends.
type Via uint8

// The ways to send.
const (
	Sockets Via = iota // AF_XDP sockets, as TxOnly does
	Live               // live frames of BPF_PROG_RUN, redirected: for a veth, and what else takes redirected frames
)

var viaNames = [...]string{"afxdp", "live"}

// String is the word for v in flags.
func (v Via) String() string { return viaNames[int(v)%len(viaNames)] }

// ParseVia reads the word for a way to send.
func ParseVia(s string) (Via, error) {
	for i, name := range viaNames {
		if s == name {
			return Via(i), nil
		}
	}
	return 0, fmt.Errorf("bench: %w: there is no way to send called %q; there are afxdp and live", ErrConfig, s)
}

// Pktgen is a source of packets for somebody else to receive: TxOnly, or live frames. With the
// latter a thread on each of Config.CPUs sends (on the first usable core if there
// are none given), by no queue and at no rate, and Poll, Batch, Port and Shared mean nothing.
func Pktgen(ctx context.Context, cfg Config) (Result, error) {
	if cfg.Via == Live {
		return live(ctx, cfg)
	}
	return transmit(ctx, cfg, "pktgen")
}
