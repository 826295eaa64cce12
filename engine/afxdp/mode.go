package afxdp

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine/xdp"
)

// Mode is how packets cross between the kernel and us.
type Mode uint8

// The modes. Auto is asked for, never in force.
const (
	Auto     Mode = iota // the first of the others that the kernel agrees to
	ZeroCopy             // the device reads and writes our frames
	Copy                 // the program runs in the driver; the kernel copies
	SKB                  // the program runs on the kernel's sk_buffs; the kernel copies
	numModes
)

var modeNames = [numModes]string{"auto", "zerocopy", "copy", "skb"}

// String is the name that ParseMode reads.
func (m Mode) String() string {
	if m < numModes {
		return modeNames[m]
	}
	return "unknown"
}

// ParseMode reads a mode's name: auto, zerocopy, copy or skb.
func ParseMode(name string) (Mode, error) {
	for m, n := range modeNames {
		if n == name {
			return Mode(m), nil
		}
	}
	return Auto, fmt.Errorf("afxdp: %w: mode %q; there are auto, zerocopy, copy and skb", ErrConfig, name)
}

// A rung of the ladder: what a mode means for bind and for the program.
type rung struct {
	mode   Mode
	flags  uint16   // of bind
	attach xdp.Mode // of the program
}

var ladder = [...]rung{
	{ZeroCopy, unix.XDP_ZEROCOPY, xdp.Native},
	{Copy, unix.XDP_COPY, xdp.Native},
	{SKB, unix.XDP_COPY, xdp.Generic},
}

// rungs are those to try for a mode that is asked for: all, or the one.
func rungs(m Mode) []rung {
	if m == Auto {
		return ladder[:]
	}
	return ladder[m-ZeroCopy : m-ZeroCopy+1]
}
