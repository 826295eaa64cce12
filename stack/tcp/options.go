package tcp

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/wire"
)

// Kinds of options, beside those of package wire.
const (
	optionMSS           = 2 // RFC 9293, section 3.7.1
	optionWindowScale   = 3 // RFC 7323, section 2
	optionSACKPermitted = 4 // RFC 2018, section 2
	optionSACK          = 5 // RFC 2018, section 3
	optionTimestamps    = 8 // RFC 7323, section 3
)

// MaxWindowScale is the largest shift of a window; a larger one is taken as this
// (RFC 7323, section 2.3).
const MaxWindowScale = 14

// NoWindowScale as a scale says that the option is not there.
const NoWindowScale = 0xff

// maxSACKBlocks is how many fit into 40 octets.
const maxSACKBlocks = 4

// SACKBlock is a run of octets that the peer received: Start up to, and not
// including, End.
type SACKBlock struct{ Start, End Seq }

// Options is what the options of a segment say.
type Options struct {
	TSVal, TSEcr  uint32
	SACK          [maxSACKBlocks]SACKBlock
	MSS           uint16 // 0: not there
	SACKBlocks    uint8  // how many of SACK
	WindowScale   uint8  // NoWindowScale: not there
	SACKPermitted bool
	Timestamps    bool // TSVal and TSEcr are there
}

// ParseOptions reads the options of a segment; syn says that it has SYN, without
// which MSS, window scale and SACK-permitted mean nothing and are left alone. An
// option of the wrong length is skipped, and what follows one of an impossible
// length is not read: options are a courtesy, and the segment counts without them
// (RFC 9293, section 3.1, MUST-7).
func ParseOptions(o wire.Options, syn bool) (p Options) {
	p.WindowScale = NoWindowScale
	for {
		kind, data, rest, ok := o.Next()
		if !ok {
			return p
		}
		o = rest
		switch {
		case kind == optionTimestamps && len(data) == 8:
			p.Timestamps = true
			p.TSVal, p.TSEcr = binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
		case kind == optionSACK && !syn:
			p.sack(data)
		case syn:
			p.handshake(kind, data)
		}
	}
}

// handshake reads an option that only a SYN has.
func (p *Options) handshake(kind uint8, data []byte) {
	switch {
	case kind == optionMSS && len(data) == 2:
		p.MSS = binary.BigEndian.Uint16(data)
	case kind == optionWindowScale && len(data) == 1:
		p.WindowScale = min(data[0], MaxWindowScale)
	case kind == optionSACKPermitted && len(data) == 0:
		p.SACKPermitted = true
	}
}

// sack reads the blocks of a SACK option: as many as are whole.
func (p *Options) sack(data []byte) {
	if len(data)%8 != 0 {
		return
	}
	p.SACKBlocks = 0
	for len(data) >= 8 && p.SACKBlocks < maxSACKBlocks {
		p.SACK[p.SACKBlocks] = SACKBlock{Seq(binary.BigEndian.Uint32(data)), Seq(binary.BigEndian.Uint32(data[4:]))}
		p.SACKBlocks++
		data = data[8:]
	}
}

// SYNOptionsLen is the most that PutSYNOptions writes.
const SYNOptionsLen = 8

// PutSYNOptions writes the options of a SYN, MSS and, unless it is NoWindowScale,
// window scale, padded, to the front of b, and returns how many octets: a multiple
// of 4.
func PutSYNOptions(b []byte, mss uint16, windowScale uint8) int {
	b[0], b[1] = optionMSS, 4
	binary.BigEndian.PutUint16(b[2:], mss)
	if windowScale == NoWindowScale {
		return 4
	}
	b[4], b[5], b[6], b[7] = wire.OptionNop, optionWindowScale, 3, windowScale
	return 8
}
