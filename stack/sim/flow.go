package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/xdpstack/xdpstack/umem"
)

// Flow is one direction of a stream connection as its judge knows it: octet i of flow n
// has one value, which both ends can compute; the first eight are n itself. They arrive in
// order, each once, and the end after the last; or an error says why not.
type Flow struct {
	id      uint64
	Written int  // octets that the sender's stack took
	Read    int  // octets that the reader got
	Ended   bool // the sender has no more
	EOF     bool // the reader got the end

	// Slowest is the longest that the reader, willing, waited for the next octet of
	// what was written.
	Slowest umem.Time
	hungry  umem.Time // since when it waits; umem.Never: it does not
	idle    bool      // the reader does not want any now
}

// flowHeader is how many octets tell a flow's number.
const flowHeader = 8

// flowID is the number of the flow that begins with b.
func flowID(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// NewFlow makes a flow; no two of a run have the same number.
func NewFlow(id uint64) *Flow { return &Flow{id: id, hungry: umem.Never} }

// word is octets 8i to 8i+7 of the flow. (The mixing is that of splitmix64.)
func (f *Flow) word(i int) uint64 {
	if i == 0 {
		return f.id
	}
	x := f.id*0x9e3779b97f4a7c15 + uint64(i)*0xbf58476d1ce4e5b9
	x = (x ^ x>>30) * 0x94d049bb133111eb
	return x ^ x>>31
}

// octets fills data with the flow's octets from position at on.
func (f *Flow) octets(data []byte, at int) {
	var w [8]byte
	for n := 0; n < len(data); {
		binary.LittleEndian.PutUint64(w[:], f.word((at+n)/8))
		n += copy(data[n:], w[(at+n)%8:])
	}
}

// Compose fills data with the octets that are next to be written.
func (f *Flow) Compose(data []byte) { f.octets(data, f.Written) }

// Wrote notes that the stack took n octets of what Compose gave.
func (f *Flow) Wrote(now umem.Time, n int) {
	f.Written += n
	f.wait(now)
}

// End notes that the sender has no more.
func (f *Flow) End() { f.Ended = true }

// Pause says that the reader does not want more for now, or does again.
func (f *Flow) Pause(now umem.Time, pause bool) {
	f.idle = pause
	f.hungry = umem.Never
	f.wait(now)
}

// wait notes since when the reader waits.
func (f *Flow) wait(now umem.Time) {
	if !f.idle && f.hungry == umem.Never && f.Read < f.Written {
		f.hungry = now
	}
}

// Got judges octets that the reader got.
func (f *Flow) Got(now umem.Time, data []byte) error {
	if f.EOF {
		return fmt.Errorf("flow %d: %d octets after its end", f.id, len(data))
	}
	if over := f.Read + len(data) - f.Written; over > 0 {
		return fmt.Errorf("flow %d: %d octets were delivered that were not written yet, after %d", f.id, over, f.Written)
	}
	if i := f.differs(data); i >= 0 {
		return fmt.Errorf("flow %d: octet %d is not the one that was written", f.id, f.Read+i)
	}
	f.Read += len(data)
	if f.hungry != umem.Never {
		f.Slowest = max(f.Slowest, now-f.hungry)
		f.hungry = umem.Never
	}
	f.wait(now)
	return nil
}

// differs is the position of the first octet of data that is wrong; -1: none is.
func (f *Flow) differs(data []byte) int {
	var want [256]byte
	for n := 0; n < len(data); {
		part := data[n:min(n+len(want), len(data))]
		f.octets(want[:len(part)], f.Read+n)
		if string(part) != string(want[:len(part)]) {
			for i := range part {
				if part[i] != want[i] {
					return n + i
				}
			}
		}
		n += len(part)
	}
	return -1
}

// GotEOF judges that the reader was told of the end.
func (f *Flow) GotEOF() error {
	switch {
	case f.EOF:
		return fmt.Errorf("flow %d: its end came twice", f.id)
	case !f.Ended || f.Read != f.Written:
		return fmt.Errorf("flow %d: its end came after %d of %d octets, ended by the sender %v", f.id, f.Read, f.Written, f.Ended)
	}
	f.EOF = true
	return nil
}

// Whole reports whether all arrived, the end too.
func (f *Flow) Whole() bool { return f.EOF && f.Read == f.Written }
