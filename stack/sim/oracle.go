package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/xdpstack/xdpstack/umem"
)

// A datagram of the oracle names itself, so that whoever gets one can judge it:
//
//	0      4        12       14     15   16                  len-8      len
//	│ magic │ number │ length │ from │ to │ pattern of number … │ sum of all │
const (
	magic = 0x78647073

	// MinDatagram is the shortest datagram that an Oracle composes.
	MinDatagram = 24
	sumLength   = 8
)

// Oracle knows what was sent, and so what may be delivered: what was sent, whole,
// to whom it was sent, and no more often than it was sent or duplicated. A datagram
// is a request on its way there, and a reply when it comes back as it is.
type Oracle struct {
	sent []sent

	// Slowest is the longest that a datagram took to be delivered, there or there
	// and back.
	Slowest umem.Time
}

// sent is what is known of one datagram.
type sent struct {
	at        umem.Time
	length    int
	from, to  int
	accepted  bool // the stack took it
	copies    int  // that wires added, of request and reply
	delivered int
	answers   int // replies sent
	answered  int // replies delivered
}

// Compose fills data, at least MinDatagram octets, with the next datagram, from one
// host to another, and returns its number.
func (o *Oracle) Compose(now umem.Time, data []byte, from, to int) int {
	number := len(o.sent)
	o.sent = append(o.sent, sent{at: now, length: len(data), from: from, to: to})
	binary.BigEndian.PutUint32(data, magic)
	binary.BigEndian.PutUint64(data[4:], uint64(number))
	binary.BigEndian.PutUint16(data[12:], uint16(len(data)))
	data[14], data[15] = byte(from), byte(to)
	body := data[16 : len(data)-sumLength]
	x := uint64(number)
	for i := range body {
		x = x*6364136223846793005 + 1442695040888963407
		body[i] = byte(x >> 56)
	}
	binary.BigEndian.PutUint64(data[len(data)-sumLength:], payloadSum(data[:len(data)-sumLength]))
	return number
}

func payloadSum(b []byte) uint64 {
	t := newTrace()
	t.bytes(b)
	return uint64(t)
}

// Accepted notes that the stack took a datagram to be sent.
func (o *Oracle) Accepted(number int) { o.sent[number].accepted = true }

// Answer notes that a datagram received was sent back.
func (o *Oracle) Answer(number int) { o.sent[number].answers++ }

// Copied notes that a wire duplicated a frame: of which datagram, its end tells,
// whatever the headers before it.
func (o *Oracle) Copied(frame []byte) {
	for i := 0; i+MinDatagram <= len(frame); i += 2 {
		if binary.BigEndian.Uint32(frame[i:]) != magic {
			continue
		}
		if n := binary.BigEndian.Uint64(frame[i+4:]); n < uint64(len(o.sent)) {
			o.sent[n].copies++
		}
		return
	}
}

// Request judges a datagram that host received, and returns its number.
func (o *Oracle) Request(now umem.Time, host int, data []byte) (int, error) {
	n, err := o.judge(now, data)
	if err != nil {
		return 0, err
	}
	s := &o.sent[n]
	if s.delivered++; s.delivered > 1+s.copies {
		return n, fmt.Errorf("datagram %d was delivered %d times; wires made %d copies", n, s.delivered, s.copies)
	}
	if s.to != host {
		return n, fmt.Errorf("datagram %d for host %d was delivered to host %d", n, s.to, host)
	}
	return n, nil
}

// Reply judges a datagram that came back to host.
func (o *Oracle) Reply(now umem.Time, host int, data []byte) (int, error) {
	n, err := o.judge(now, data)
	if err != nil {
		return 0, err
	}
	s := &o.sent[n]
	if s.answered++; s.answered > s.answers+s.copies {
		return n, fmt.Errorf("datagram %d was answered %d times and delivered back %d times; wires made %d copies",
			n, s.answers, s.answered, s.copies)
	}
	if s.from != host {
		return n, fmt.Errorf("the reply to datagram %d of host %d was delivered to host %d", n, s.from, host)
	}
	return n, nil
}

// judge finds out which datagram data is, and that it is whole.
func (o *Oracle) judge(now umem.Time, data []byte) (int, error) {
	if len(data) < MinDatagram || binary.BigEndian.Uint32(data) != magic {
		return 0, fmt.Errorf("a datagram of %d octets was delivered that nobody sent", len(data))
	}
	n := binary.BigEndian.Uint64(data[4:])
	if n >= uint64(len(o.sent)) {
		return 0, fmt.Errorf("datagram %d was delivered; only %d were sent", n, len(o.sent))
	}
	body, sum := data[:len(data)-sumLength], binary.BigEndian.Uint64(data[len(data)-sumLength:])
	if len(data) != o.sent[n].length || payloadSum(body) != sum {
		return 0, fmt.Errorf("datagram %d of %d octets was delivered damaged, as %d octets", n, o.sent[n].length, len(data))
	}
	if !o.sent[n].accepted {
		return 0, fmt.Errorf("datagram %d was delivered although the stack had refused it", n)
	}
	o.Slowest = max(o.Slowest, now-o.sent[n].at)
	return int(n), nil
}

// Score sums up what became of the datagrams.
type Score struct {
	Composed  int
	Accepted  int
	Copies    int // that wires made
	Delivered int // copies included
	Missing   int // accepted, and not delivered once
	Answers   int
	Answered  int // copies included
	Silent    int // answers that did not come back once
}

// Score sums up.
func (o *Oracle) Score() (s Score) {
	s.Composed = len(o.sent)
	for i := range o.sent {
		d := &o.sent[i]
		s.Copies += d.copies
		s.Delivered += d.delivered
		s.Answers += d.answers
		s.Answered += d.answered
		s.Silent += max(d.answers-d.answered, 0)
		if d.accepted {
			s.Accepted++
			if d.delivered == 0 {
				s.Missing++
			}
		}
	}
	return s
}
