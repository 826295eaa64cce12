package wire

import (
	"bytes"
	"fmt"
	"reflect"
)

// This file is the slow, plain parser that the views are compared with: the
// headers as the RFCs draw them, read bit by bit.

// field is a field of a header diagram: its first bit, its width, the octets that
// one unit stands for when it is a length or an offset.
type field struct{ at, bits, unit int }

// number reads width bits of b from bit at on, most significant first.
func number(b []byte, at, width int) (v uint64) {
	for i := at; i < at+width; i++ {
		v = v<<1 | uint64(b[i/8]>>(7-i%8)&1)
	}
	return v
}

// diagram is all that a view's accessors must return, by name: plain fields, and
// what is derived from them.
type diagram struct {
	fields  map[string]field
	derived map[string]func(b []byte) any
}

// view is what a Check returns.
type view interface{ ~[]byte }

// agree compares every exported method of v that takes nothing and returns one
// value with the diagram, read from b. A method that the diagram lacks is an error:
// every accessor has its reference.
func agree[V view](v V, b []byte, d diagram) error {
	rv := reflect.ValueOf(v)
	for i := range rv.NumMethod() {
		name, m := rv.Type().Method(i).Name, rv.Method(i)
		if m.Type().NumIn() != 0 || m.Type().NumOut() != 1 {
			continue
		}
		got := m.Call(nil)[0].Interface()
		if derive, ok := d.derived[name]; ok {
			if want := derive(b); !reflect.DeepEqual(got, want) {
				return fmt.Errorf("%s of % x: %v, want %v", name, b, got, want)
			}
			continue
		}
		f, ok := d.fields[name]
		if !ok {
			return fmt.Errorf("%T.%s has no reference", v, name)
		}
		if err := f.compare(got, b); err != nil {
			return fmt.Errorf("%s of % x: %w", name, b, err)
		}
	}
	return nil
}

// compare compares what an accessor returned with the field as it stands in b.
func (f field) compare(got any, b []byte) error {
	g := reflect.ValueOf(got)
	switch g.Kind() {
	case reflect.Array:
		a := make([]byte, g.Len())
		reflect.Copy(reflect.ValueOf(a), g)
		if want := b[f.at/8 : (f.at+f.bits)/8]; !bytes.Equal(a, want) {
			return fmt.Errorf("% x, want % x", a, want)
		}
	case reflect.Bool:
		if want := number(b, f.at, 1) == 1; g.Bool() != want {
			return fmt.Errorf("%v, want %v", g.Bool(), want)
		}
	case reflect.Int:
		if want := int(number(b, f.at, f.bits)) * max(f.unit, 1); int(g.Int()) != want {
			return fmt.Errorf("%v, want %v", g.Int(), want)
		}
	default:
		if want := number(b, f.at, f.bits); g.Uint() != want {
			return fmt.Errorf("%#x, want %#x", g.Uint(), want)
		}
	}
	return nil
}

var ethernetDiagram = diagram{
	fields: map[string]field{
		"Dst": {at: 0, bits: 48}, "Src": {at: 48, bits: 48}, "Type": {at: 96, bits: 16},
		"Group": {at: 7, bits: 1},
	},
}

var arpDiagram = diagram{
	fields: map[string]field{
		"Op": {at: 48, bits: 16}, "SenderMAC": {at: 64, bits: 48}, "SenderIP": {at: 112, bits: 32},
		"TargetMAC": {at: 144, bits: 48}, "TargetIP": {at: 192, bits: 32},
	},
}

var ipv4Diagram = diagram{
	fields: map[string]field{
		"TOS": {at: 8, bits: 8}, "TotalLen": {at: 16, bits: 16}, "ID": {at: 32, bits: 16},
		"DF": {at: 49, bits: 1}, "MF": {at: 50, bits: 1}, "FragOffset": {at: 51, bits: 13, unit: 8},
		"TTL": {at: 64, bits: 8}, "Protocol": {at: 72, bits: 8}, "Checksum": {at: 80, bits: 16},
		"Src": {at: 96, bits: 32}, "Dst": {at: 128, bits: 32},
	},
	derived: map[string]func(b []byte) any{
		"PayloadLen": func(b []byte) any { return int(number(b, 16, 16)) - int(number(b, 4, 4))*4 },
		"IsFragment": func(b []byte) any { return number(b, 50, 14) != 0 },
		"Options":    func(b []byte) any { return Options(b[20 : 4*number(b, 4, 4)]) },
		"ChecksumOK": func(b []byte) any {
			sum := uint64(0)
			for i := range 2 * number(b, 4, 4) {
				sum += number(b, int(i)*16, 16)
			}
			return sum != 0 && sum%0xffff == 0
		},
	},
}

var ipv6Diagram = diagram{
	fields: map[string]field{
		"TrafficClass": {at: 4, bits: 8}, "FlowLabel": {at: 12, bits: 20}, "PayloadLen": {at: 32, bits: 16},
		"NextHeader": {at: 48, bits: 8}, "HopLimit": {at: 56, bits: 8},
		"Src": {at: 64, bits: 128}, "Dst": {at: 192, bits: 128},
	},
	derived: map[string]func(b []byte) any{
		"TotalLen": func(b []byte) any { return 40 + int(number(b, 32, 16)) },
	},
}

var udpDiagram = diagram{
	fields: map[string]field{
		"SrcPort": {at: 0, bits: 16}, "DstPort": {at: 16, bits: 16}, "Length": {at: 32, bits: 16}, "Checksum": {at: 48, bits: 16},
	},
	derived: map[string]func(b []byte) any{
		"PayloadLen": func(b []byte) any { return int(number(b, 32, 16)) - 8 },
	},
}

var tcpDiagram = diagram{
	fields: map[string]field{
		"SrcPort": {at: 0, bits: 16}, "DstPort": {at: 16, bits: 16}, "Seq": {at: 32, bits: 32}, "Ack": {at: 64, bits: 32},
		"Flags": {at: 103, bits: 9}, "Window": {at: 112, bits: 16}, "Checksum": {at: 128, bits: 16}, "Urgent": {at: 144, bits: 16},
	},
	derived: map[string]func(b []byte) any{
		"Options": func(b []byte) any { return Options(b[20 : 4*number(b, 96, 4)]) },
	},
}

var icmpFields = map[string]field{
	"Type": {at: 0, bits: 8}, "Code": {at: 8, bits: 8}, "Checksum": {at: 16, bits: 16},
	"Rest": {at: 32, bits: 32}, "ID": {at: 32, bits: 16}, "Seq": {at: 48, bits: 16}, "MTU": {at: 48, bits: 16},
}

var icmpv4Diagram = diagram{
	fields: icmpFields,
	derived: map[string]func(b []byte) any{
		"IsError": func(b []byte) any { return bytes.IndexByte([]byte{3, 4, 5, 11, 12}, b[0]) >= 0 },
	},
}

var icmpv6Diagram = diagram{
	fields:  icmpFields,
	derived: map[string]func(b []byte) any{"IsError": func(b []byte) any { return number(b, 0, 1) == 0 }},
}

var ndpDiagram = diagram{
	fields: map[string]field{
		"Type": {at: 0, bits: 8}, "Checksum": {at: 16, bits: 16}, "Target": {at: 64, bits: 128},
	},
	derived: map[string]func(b []byte) any{
		"Flags": func(b []byte) any { return uint8(number(b, 32, 3) << 5) },
	},
}

// referenceNDPOptions returns the options as kinds and bodies, or ok false.
func referenceNDPOptions(o []byte) (kinds []byte, bodies [][]byte, ok bool) {
	if len(o) == 0 {
		return nil, nil, true
	}
	if len(o) < 8 || o[1] == 0 || len(o) < int(o[1])*8 {
		return nil, nil, false
	}
	n := int(o[1]) * 8
	kinds, bodies, ok = referenceNDPOptions(o[n:])
	return append([]byte{o[0]}, kinds...), append([][]byte{o[2:n]}, bodies...), ok
}

// referenceNDP says what CheckNDP and LinkAddr must find.
func referenceNDP(b []byte) (linkAddr []byte, ok bool) {
	if len(b) < 24 || b[0] != 135 && b[0] != 136 || b[1] != 0 || b[8] == 0xff {
		return nil, false
	}
	kinds, bodies, ok := referenceNDPOptions(b[24:])
	if !ok {
		return nil, false
	}
	for i, k := range kinds {
		if k != 1 && k != 2 {
			continue
		}
		if len(bodies[i]) != 6 {
			return nil, false
		}
		if linkAddr == nil && k == b[0]-134 {
			linkAddr = bodies[i]
		}
	}
	return linkAddr, true
}

// option is an option as the reference reads it.
type option struct {
	kind byte
	data []byte
}

// referenceOptions reads IPv4 or TCP options up to their end, or to the first that
// is impossible.
func referenceOptions(o []byte) (list []option, valid bool) {
	if len(o) == 0 || o[0] == 0 {
		return nil, true
	}
	if o[0] == 1 {
		return referenceOptions(o[1:])
	}
	if len(o) == 1 || o[1] < 2 || int(o[1]) > len(o) {
		return nil, false
	}
	rest, valid := referenceOptions(o[o[1]:])
	return append([]option{{o[0], o[2:o[1]]}}, rest...), valid
}
