package sim

import (
	"encoding/binary"
	"io"

	"github.com/xdpstack/xdpstack/umem"
)

// Blocks and options of the PCAP Next Generation format
// (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6

	byteOrderMagic = 0x1a2b3c4d
	linkEthernet   = 1
	optName        = 2 // if_name
	optResolution  = 9 // if_tsresol
	optComment     = 1
	nanoseconds    = 9 // if_tsresol: powers of ten
)

// Capture writes what crosses the wires as pcapng, which Wireshark and tcpdump
// read. Each tap is an interface of its own.
type Capture struct {
	w    io.Writer
	taps int
	err  error
}

// NewCapture begins a capture with the section header. The caller keeps w, and
// closes it after the run.
func NewCapture(w io.Writer) *Capture {
	c := &Capture{w: w}
	body := binary.LittleEndian.AppendUint32(nil, byteOrderMagic)
	body = binary.LittleEndian.AppendUint16(body, 1) // version 1.0
	body = binary.LittleEndian.AppendUint16(body, 0)
	body = binary.LittleEndian.AppendUint64(body, ^uint64(0)) // length of the section: not known
	c.block(blockSection, body)
	return c
}

// Err is the first error of the writer.
func (c *Capture) Err() error { return c.err }

// tap adds an interface and returns its number.
func (c *Capture) tap(name string) int {
	body := binary.LittleEndian.AppendUint16(nil, linkEthernet)
	body = binary.LittleEndian.AppendUint16(body, 0)
	body = binary.LittleEndian.AppendUint32(body, 0) // whole packets
	body = appendOption(body, optName, []byte(name))
	body = appendOption(body, optResolution, []byte{nanoseconds})
	body = appendOption(body, 0, nil)
	c.block(blockInterface, body)
	c.taps++
	return c.taps - 1
}

// packet writes one packet that a tap saw, with a remark when there is one.
func (c *Capture) packet(tap int, now umem.Time, data []byte, remark string) {
	body := binary.LittleEndian.AppendUint32(nil, uint32(tap))
	body = binary.LittleEndian.AppendUint32(body, uint32(uint64(now)>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(now))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	body = pad(append(body, data...))
	if remark != "" {
		body = appendOption(body, optComment, []byte(remark))
		body = appendOption(body, 0, nil)
	}
	c.block(blockPacket, body)
}

// block writes a block: its length stands before and after the body.
func (c *Capture) block(kind uint32, body []byte) {
	if c.err != nil {
		return
	}
	n := uint32(len(body) + 12)
	b := binary.LittleEndian.AppendUint32(nil, kind)
	b = binary.LittleEndian.AppendUint32(b, n)
	b = append(b, body...)
	b = binary.LittleEndian.AppendUint32(b, n)
	_, c.err = c.w.Write(b)
}

func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to a multiple of four octets.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
