package sim

import (
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// TestFlowSeesEverything that a stream can do wrong.
func TestFlowSeesEverything(t *testing.T) {
	compose := func(f *Flow, n int) []byte {
		b := make([]byte, n)
		f.Compose(b)
		f.Wrote(Start, n)
		return b
	}
	for _, tt := range []struct {
		name string
		run  func(f *Flow) error
		want string
	}{
		{"nothing", func(f *Flow) error {
			data := compose(f, 1000)
			for _, n := range []int{0, 1, 7, 300, 692} {
				if err := f.Got(Start, data[:n]); err != nil {
					return err
				}
				data = data[n:]
			}
			f.End()
			return f.GotEOF()
		}, ""},
		{"an octet changed", func(f *Flow) error {
			data := compose(f, 700)
			data[600]++
			return f.Got(Start, data)
		}, "octet 600 is not"},
		{"octets left out", func(f *Flow) error { return f.Got(Start, compose(f, 700)[8:]) }, "octet 0 is not"},
		{"octets twice", func(f *Flow) error {
			data := compose(f, 700)
			_ = f.Got(Start, data[:300])
			return f.Got(Start, data[:300])
		}, "octet 300 is not"},
		{"octets of another flow", func(f *Flow) error {
			compose(f, 20)
			return f.Got(Start, compose(NewFlow(8), 20))
		}, "octet 0 is not"},
		{"octets that nobody wrote", func(f *Flow) error { return f.Got(Start, make([]byte, 3)) }, "3 octets were delivered that"},
		{"an end too soon", func(f *Flow) error { compose(f, 5); f.End(); return f.GotEOF() }, "after 0 of 5 octets"},
		{"an end that was not sent", func(f *Flow) error { return f.GotEOF() }, "ended by the sender false"},
		{"an end twice", func(f *Flow) error { f.End(); _ = f.GotEOF(); return f.GotEOF() }, "came twice"},
		{"octets after the end", func(f *Flow) error { f.End(); _ = f.GotEOF(); return f.Got(Start, compose(f, 2)) }, "2 octets after its end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.run(NewFlow(7))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestFlowKnowsTheSlowest: the time that a willing reader waits is what counts.
func TestFlowKnowsTheSlowest(t *testing.T) {
	f := NewFlow(1)
	b := make([]byte, 10)
	f.Compose(b)
	f.Wrote(Start, 10)
	f.Pause(Start+3, true)
	f.Pause(Start+100*umem.Second, false)
	if err := f.Got(Start+101*umem.Second, b[:5]); err != nil || f.Slowest != umem.Second {
		t.Errorf("%d ns, %v", f.Slowest, err)
	}
	if err := f.Got(Start+105*umem.Second, b[5:]); err != nil || f.Slowest != 4*umem.Second || f.hungry != umem.Never {
		t.Errorf("%d ns, %v", f.Slowest, err)
	}
}
