package packetdrill

import (
	"math"
	"strings"

	"github.com/xdpstack/xdpstack/stack/wire"
)

// flagLetters are the control bits in the order in which they are written.
var flagLetters = []struct {
	letter byte
	flag   wire.TCPFlags
}{
	{'S', wire.TCPSyn}, {'F', wire.TCPFin}, {'R', wire.TCPRst}, {'P', wire.TCPPsh}, {'U', wire.TCPUrg},
	{'.', wire.TCPAck}, {'E', wire.TCPEce}, {'W', wire.TCPCwr}, {'A', wire.TCPAe},
}

// packet takes a segment.
func (p *parser) packet(in bool) *Packet {
	k := &Packet{Win: -1, Urg: -1}
	if p.take(":") {
		k.Remote = uint16(p.integer(math.MaxUint16))
		if p.take(">") {
			k.Local = uint16(p.integer(math.MaxUint16))
		}
	}
	at := p.peek()
	k.Flags = p.flags()
	k.Seq = uint32(p.integer(math.MaxUint32))
	p.want(":")
	end := p.peek()
	to := uint32(p.integer(math.MaxUint32))
	p.want("(")
	k.Len = int(p.integer(maxPayload))
	p.want(")")
	if to != k.Seq+uint32(k.Len) {
		p.fail(end, "%d octets from %d on end at %d", k.Len, k.Seq, k.Seq+uint32(k.Len))
	}
	if p.take("ack") {
		k.Ack = uint32(p.integer(math.MaxUint32))
	} else if k.Flags&wire.TCPAck != 0 {
		p.fail(at, "a segment with ACK has to say what of: ack")
	}
	if p.take("win") {
		k.Win = int(p.integer(math.MaxUint16))
	} else if in && k.Flags&wire.TCPRst == 0 {
		p.fail(at, "a segment that arrives has to say its window: win")
	}
	if p.take("urg") {
		k.Urg = int(p.integer(math.MaxUint16))
	}
	p.options(k, in)
	return k
}

// maxPayload is what fits into a chunk behind all headers.
const maxPayload = 1600

// flags takes letters and points that stand together.
func (p *parser) flags() (f wire.TCPFlags) {
	first := p.peek()
	if p.take("-") { // none at all
		return 0
	}
	for n := 0; ; n++ {
		t := p.peek()
		if n > 0 && t.spaced || t.kind != kindWord && t.text != "." {
			if n == 0 {
				p.fail(first, "%v, where flags are expected", first)
			}
			return f
		}
		p.next()
	letters:
		for _, c := range []byte(t.text) {
			for _, l := range flagLetters {
				if l.letter == c && f&l.flag == 0 {
					f |= l.flag
					continue letters
				}
			}
			p.fail(t, "%q is no flag, or is there already", string(c))
		}
	}
}

// options takes those of a segment.
func (p *parser) options(k *Packet, in bool) {
	at := p.peek()
	if !p.take("<") {
		return
	}
	if p.take("...") {
		if in {
			p.fail(at, "any options are for segments that are sent")
		}
		k.AnyOptions = true
		p.want(">")
		return
	}
	for {
		k.Options = append(k.Options, p.oneOption())
		if p.take(">") {
			break
		}
		p.want(",")
	}
	if n := len(putOptions(k.Options, 0)); n > wire.TCPMaxLen-wire.TCPLen {
		p.fail(at, "options of %d octets", n)
	}
}

// Kinds of options.
const (
	optEOL, optNOP, optMSS, optScale, optSACKOK, optSACK, optTS = 0, 1, 2, 3, 4, 5, 8
)

func (p *parser) oneOption() (o Option) {
	t := p.word()
	switch t.text {
	case "eol":
		o.Kind = optEOL
	case "nop":
		o.Kind = optNOP
	case "mss":
		o.Kind, o.A = optMSS, uint32(p.integer(math.MaxUint16))
	case "wscale":
		o.Kind, o.A = optScale, uint32(p.integer(255))
	case "sackOK":
		o.Kind = optSACKOK
	case "sack":
		o.Kind = optSACK
		for p.peek().kind == kindNumber {
			o.Sack = append(o.Sack, uint32(p.integer(math.MaxUint32)))
			p.want(":")
			o.Sack = append(o.Sack, uint32(p.integer(math.MaxUint32)))
		}
	case "TS":
		p.want("val")
		o.Kind, o.A = optTS, uint32(p.integer(math.MaxUint32))
		p.want("ecr")
		o.B = uint32(p.integer(math.MaxUint32))
	default:
		p.fail(t, "option %s of a segment is not supported", t.text)
	}
	return o
}

// icmpCodes are the errors that there are: type and code of IPv4, and of IPv6.
var icmpCodes = map[string][4]uint8{
	"net_unreachable":  {3, 0, 1, 0},
	"host_unreachable": {3, 1, 1, 3},
	"port_unreachable": {3, 3, 1, 4},
}

// icmp takes an error, and which segment it is about.
func (p *parser) icmp() *ICMP {
	p.want("unreachable")
	t := p.word()
	if _, ok := icmpCodes[t.text]; !ok {
		p.fail(t, "icmp unreachable %s is not supported", strings.TrimSpace(t.text))
	}
	i := &ICMP{Code: t.text}
	p.want("[")
	i.Seq = uint32(p.integer(math.MaxUint32))
	p.want(":")
	p.integer(math.MaxUint32)
	p.want("(")
	p.integer(math.MaxUint32)
	p.want(")")
	p.want("]")
	return i
}
