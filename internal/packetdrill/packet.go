package packetdrill

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/xdpstack/xdpstack/stack/wire"
)

// octet is what a payload has at a sequence number.
func octet(seq uint32) byte { return byte(seq*31>>2) ^ byte(seq>>9) }

// pattern is a payload of n octets from seq on.
func pattern(seq uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = octet(seq + uint32(i))
	}
	return b
}

// putOptions writes options, padded; base is the number that those of a SACK count from.
func putOptions(list []Option, base uint32) (b []byte) {
	for _, o := range list {
		switch o.Kind {
		case optEOL, optNOP:
			b = append(b, o.Kind)
		case optMSS:
			b = binary.BigEndian.AppendUint16(append(b, optMSS, 4), uint16(o.A))
		case optScale:
			b = append(b, optScale, 3, uint8(o.A))
		case optSACKOK:
			b = append(b, optSACKOK, 2)
		case optSACK:
			b = append(b, optSACK, uint8(2+4*len(o.Sack)))
			for _, s := range o.Sack {
				b = binary.BigEndian.AppendUint32(b, base+s)
			}
		case optTS:
			b = binary.BigEndian.AppendUint32(append(b, optTS, 10), o.A)
			b = binary.BigEndian.AppendUint32(b, o.B)
		}
	}
	for len(b)%4 != 0 {
		b = append(b, optEOL)
	}
	return b
}

// readOptions is its reverse. What it does not know becomes an option of that kind alone, which no script has.
func readOptions(o wire.Options, base uint32) (list []Option) {
	for len(o) > 0 {
		if o[0] == optEOL || o[0] == optNOP {
			if o[0] == optEOL {
				return list
			}
			list = append(list, Option{Kind: optNOP})
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return append(list, Option{Kind: 255})
		}
		list = append(list, readOption(o[0], o[2:o[1]], base))
		o = o[o[1]:]
	}
	return list
}

func readOption(kind uint8, b []byte, base uint32) Option {
	o := Option{Kind: kind}
	switch {
	case kind == optMSS && len(b) == 2:
		o.A = uint32(binary.BigEndian.Uint16(b))
	case kind == optScale && len(b) == 1:
		o.A = uint32(b[0])
	case kind == optSACK:
		for ; len(b) >= 4; b = b[4:] {
			o.Sack = append(o.Sack, binary.BigEndian.Uint32(b)-base)
		}
	case kind == optTS && len(b) == 8:
		o.A, o.B = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	}
	return o
}

// String is o in the script's words.
func (o Option) String() string {
	switch o.Kind {
	case optEOL:
		return "eol"
	case optNOP:
		return "nop"
	case optMSS:
		return fmt.Sprintf("mss %d", o.A)
	case optScale:
		return fmt.Sprintf("wscale %d", o.A)
	case optSACKOK:
		return "sackOK"
	case optSACK:
		s := "sack"
		for i := 0; i+1 < len(o.Sack); i += 2 {
			s += fmt.Sprintf(" %d:%d", o.Sack[i], o.Sack[i+1])
		}
		return s
	case optTS:
		return fmt.Sprintf("TS val %d ecr %d", o.A, o.B)
	}
	return fmt.Sprintf("kind %d", o.Kind)
}

// String is k in the script's words, without < or >.
func (k *Packet) String() string {
	var b strings.Builder
	if k.Remote != 0 {
		fmt.Fprintf(&b, ":%d", k.Remote)
		if k.Local != 0 {
			fmt.Fprintf(&b, ">%d", k.Local)
		}
		b.WriteByte(' ')
	}
	if k.Flags == 0 {
		b.WriteByte('-')
	}
	for _, l := range flagLetters {
		if k.Flags&l.flag != 0 {
			b.WriteByte(l.letter)
		}
	}
	fmt.Fprintf(&b, " %d:%d(%d)", k.Seq, k.Seq+uint32(k.Len), k.Len)
	if k.Flags&wire.TCPAck != 0 {
		fmt.Fprintf(&b, " ack %d", k.Ack)
	}
	if k.Win >= 0 {
		fmt.Fprintf(&b, " win %d", k.Win)
	}
	if k.Urg >= 0 {
		fmt.Fprintf(&b, " urg %d", k.Urg)
	}
	switch {
	case k.AnyOptions:
		b.WriteString(" <...>")
	case len(k.Options) > 0:
		list := make([]string, len(k.Options))
		for i, o := range k.Options {
			list[i] = o.String()
		}
		fmt.Fprintf(&b, " <%s>", strings.Join(list, ","))
	}
	return b.String()
}

// sameOptions compares what the script wants with what came.
func (k *Packet) sameOptions(got *Packet) bool {
	if k.AnyOptions {
		return true
	}
	if len(k.Options) != len(got.Options) {
		return false
	}
	for i, o := range k.Options {
		if o.String() != got.Options[i].String() {
			return false
		}
	}
	return true
}

// differs says in what a segment that came is not the one wanted; empty: in nothing.
func (k *Packet) differs(got *Packet) string {
	switch {
	case k.Remote != got.Remote || k.Local != got.Local:
		return "the ports differ"
	case k.Flags != got.Flags:
		return "the flags differ"
	case k.Seq != got.Seq:
		return "the sequence number differs"
	case k.Len != got.Len:
		return "the length of the payload differs"
	case k.Flags&wire.TCPAck != 0 && k.Ack != got.Ack:
		return "the acknowledgment number differs"
	case k.Win >= 0 && k.Win != got.Win:
		return "the window differs"
	case k.Urg >= 0 && k.Urg != got.Urg:
		return "the urgent pointer differs"
	case !k.sameOptions(got):
		return "the options differ"
	}
	return ""
}
