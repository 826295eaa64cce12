package tcp

import (
	"encoding/binary"

	"github.com/dchest/siphash"
	"github.com/xdpstack/xdpstack/umem"
)

// nextISSGap is how far the numbers of a connection begin behind those of one with the
// same ends that was in TIME-WAIT: more than any window (RFC 6191, section 2, without timestamps: the
// initial number is greater than the last of the old connection). Linux has 65535 + 2.
const nextISSGap = 1<<16 + 1

// chooseISS is the initial sequence number of c: a clock of 4 µs, and a keyed hash of both
// ends that nobody outside can know (RFC 6528, section 3).
func (t *Table) chooseISS(now umem.Time, c *Conn) Seq {
	if t.cfg.ISN != nil {
		return Seq(t.cfg.ISN(now, c.Local(), c.Peer()))
	}
	var b [36]byte
	c.local.Put16(b[0:])
	c.peer.Put16(b[16:])
	binary.BigEndian.PutUint16(b[32:], c.localPort)
	binary.BigEndian.PutUint16(b[34:], c.peerPort)
	return Seq(now/(4*umem.Microsecond)) + Seq(siphash.Hash(t.cfg.Key[0], t.cfg.Key[1], b[:]))
}
