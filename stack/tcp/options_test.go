package tcp

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xdpstack/xdpstack/stack/wire"
)

func TestParseOptions(t *testing.T) {
	none := Options{WindowScale: NoWindowScale}
	with := func(edit func(o *Options)) Options {
		o := none
		edit(&o)
		return o
	}
	for _, tt := range []struct {
		name  string
		bytes []byte
		syn   bool
		want  Options
	}{
		{"none", nil, true, none},
		{"only padding", []byte{1, 1, 1, 0}, true, none},
		{"MSS", []byte{2, 4, 5, 180}, true, with(func(o *Options) { o.MSS = 1460 })},
		{"MSS without SYN", []byte{2, 4, 5, 180}, false, none},
		{"MSS of 3 octets", []byte{2, 3, 5, 0}, true, none},
		{"Linux's SYN", []byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7}, true, with(func(o *Options) {
			o.MSS, o.WindowScale, o.SACKPermitted, o.Timestamps, o.TSVal = 1460, 7, true, true, 7
		})},
		{"scale of 15 is 14", []byte{3, 3, 15, 0}, true, with(func(o *Options) { o.WindowScale = 14 })},
		{"unknown ones are skipped", []byte{254, 4, 1, 2, 30, 2, 3, 3, 1}, true, with(func(o *Options) { o.WindowScale = 1 })},
		{"length 0 ends it", []byte{254, 0, 3, 3, 1}, true, none},
		{"length beyond the end ends it", []byte{3, 3, 2, 2, 40, 1}, true, with(func(o *Options) { o.WindowScale = 2 })},
		{"end ends it", []byte{0, 3, 3, 1}, true, none},
		{"timestamps and two blocks", append([]byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 18},
			0, 0, 0, 3, 0, 0, 0, 4, 255, 255, 255, 255, 0, 0, 0, 9), false, with(func(o *Options) {
			o.Timestamps, o.TSVal, o.TSEcr, o.SACKBlocks = true, 1, 2, 2
			o.SACK[0], o.SACK[1] = SACKBlock{3, 4}, SACKBlock{1<<32 - 1, 9}
		})},
		{"block cut short", []byte{5, 6, 0, 0, 0, 3}, false, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, ParseOptions(tt.bytes, tt.syn)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPutSYNOptions(t *testing.T) {
	b := bytes.Repeat([]byte{0xaa}, SYNOptionsLen)
	for _, scale := range []uint8{0, 7, 14, NoWindowScale} {
		n := PutSYNOptions(b, 1440, scale)
		p := ParseOptions(b[:n], true)
		if n%4 != 0 || !wire.Options(b[:n]).Valid() || p.MSS != 1440 || p.WindowScale != scale {
			t.Errorf("scale %d: %d octets % x are read as %+v", scale, n, b[:n], p)
		}
	}
}

// FuzzOptions: no options make it panic, or say what cannot be.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7}, true)
	f.Add(append([]byte{5, 34}, make([]byte, 32)...), false)
	f.Fuzz(func(t *testing.T, b []byte, syn bool) {
		p := ParseOptions(b[:min(len(b), 40)], syn)
		if p.SACKBlocks > maxSACKBlocks || p.WindowScale > MaxWindowScale && p.WindowScale != NoWindowScale {
			t.Errorf("%+v", p)
		}
		if !syn && (p.MSS != 0 || p.WindowScale != NoWindowScale || p.SACKPermitted) {
			t.Errorf("without SYN: %+v", p)
		}
	})
}
