package sim

import (
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// lies changes some segments that a stack sends, and makes their checksums right again: whatever sees that
// is not the checksum.
type lies struct {
	Verbs
	seen   int
	change func(h wire.TCP, payload []byte) bool
}

func (b *lies) Output(now umem.Time, out []*umem.Frame) int {
	n := b.Verbs.Output(now, out)
	for _, f := range out[:n] {
		frame := f.Bytes()
		id, h, length, ok := parseSegment(frame)
		if !ok || h.Flags().Has(wire.TCPSyn) {
			continue
		}
		segment := frame[len(frame)-len(h)-length:]
		if b.seen++; b.seen%5 == 0 && b.change(h, segment[len(h):]) {
			wire.SealTCP(segment, ip.From4(id.src[:4]).Sum()+ip.From4(id.dst[:4]).Sum()+wire.ProtoTCP+uint32(len(segment)))
		}
	}
	return n
}

// deaf forgets the events of streams after the first few.
type deaf struct {
	Verbs
	seen int
}

func (b *deaf) Events(out []stack.Event) int {
	n := b.Verbs.Events(out)
	for i := range out[:n] {
		if out[i].Kind != stack.Stream {
			continue
		}
		if b.seen++; b.seen > 3 {
			out[i].Ready = 0
		}
	}
	return n
}

// TestBrokenStreamIsSeen: an echo over a stack that is broken in one way, and the run has to end with the right
// words.
func TestBrokenStreamIsSeen(t *testing.T) {
	seed := testenv.Seed(t)
	lie := func(change func(h wire.TCP, payload []byte) bool) func(Verbs) Verbs {
		return func(v Verbs) Verbs { return &lies{Verbs: v, change: change} }
	}
	for _, tt := range []struct {
		name string
		wrap func(Verbs) Verbs
		want string
	}{
		{"as it is", func(v Verbs) Verbs { return v }, ""},
		{"damages an octet", lie(func(_ wire.TCP, payload []byte) bool {
			if len(payload) > 100 {
				payload[100] ^= 1
			}
			return len(payload) > 100
		}), "is not the one that was written"},
		{"takes a window back", lie(func(h wire.TCP, _ []byte) bool { h.SetWindow(h.Window() / 2); return true }), "of its window"},
		{"acknowledges what was not sent", lie(func(h wire.TCP, _ []byte) bool { h.SetAck(h.Ack() + 5000); return true }), "was sent"},
		{"sends beyond the window", lie(func(h wire.TCP, payload []byte) bool { h.SetSeq(h.Seq() + 1<<20); return len(payload) > 0 }), "beyond the window"},
		{"loses events", func(v Verbs) Verbs { return &deaf{Verbs: v} }, "waited in vain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := runBrokenStream(seed, tt.wrap)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("the run said %v, want %q", err, tt.want)
			}
		})
	}
}

// runBrokenStream runs one talk with an echo.
func runBrokenStream(seed uint64, wrap func(Verbs) Verbs) error {
	s, err := quietStreams(seed, func(c *HostConfig) { c.Wrap = wrap })
	if err != nil {
		return err
	}
	s.echo(0, 1, 50000)
	if err := s.net.RunUntil(s.net.Now()+4*idleTime, "the connections to end", s.ended(1)); err != nil {
		return err
	}
	return s.verdict()
}
