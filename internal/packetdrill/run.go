package packetdrill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/wheel"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// Ports of a script that names none.
const (
	servicePort = 8080  // ours when we listen, the remote's when we connect
	clientPort  = 49152 // the remote's when we listen
)

// slack is how late timers make a segment: a tick of the wheel each.
const slack = 17 * wheel.Tick

// flow is a pair of ports.
type flow struct{ local, remote uint16 }

// numbers are what the sequence numbers of a flow count from.
type numbers struct {
	iss     uint32 // ours, as it was on the wire
	known   bool
	ourSYN  uint32 // where the SYN of the connection now is, counted from iss
	farSYN  uint32 // the remote's, counted from its own
	written uint32 // the first number of the pattern that the next call sends
}

// runner runs one script in one family.
type runner struct {
	*rig
	script *Script
	event  *Event
	base   umem.Time // of relative times
	flow   flow      // of segments that name no ports
	flows  map[flow]*numbers
	fds    map[int64]*descriptor
	blocks *blocked
	log    []string // the last packets
}

// Run runs a script in a family. The error says which line, what was expected and what came.
func Run(s *Script, f *Family) error {
	if v := s.Options["ip_version"]; v != "" && v != f.Name {
		return nil
	}
	g, err := newRig(f, s.Options)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	r := &runner{
		rig: g, script: s, base: epoch, flow: flow{servicePort, clientPort},
		flows: map[flow]*numbers{}, fds: map[int64]*descriptor{},
	}
	for i := range s.Events {
		r.event = &s.Events[i]
		if err := r.step(); err != nil {
			return r.explain(err)
		}
	}
	if err := r.end(); err != nil {
		return r.explain(err)
	}
	return nil
}

// explain puts the place before an error, and the last packets behind it.
func (r *runner) explain(err error) error {
	line := 0
	if r.event != nil {
		line = r.event.Line
	}
	last := ""
	if len(r.log) > 0 {
		last = "\nthe last packets:\n" + strings.Join(r.log, "\n")
	}
	return fmt.Errorf("%s:%d: (%s) %w%s", r.script.Name, line, r.family.Name, err, last)
}

// stamp is a time as the script counts.
func stamp(at umem.Time) string {
	us := (at - epoch) / umem.Microsecond
	return fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
}

func (r *runner) note(at umem.Time, direction string, what fmt.Stringer) {
	r.log = append(r.log, fmt.Sprintf("  %s %s %v", stamp(at), direction, what))
	if len(r.log) > 10 {
		r.log = r.log[1:]
	}
}

// step goes to the time of an event, and has it happen.
func (r *runner) step() error {
	w := r.event.When
	from, to := w.Start+epoch, w.End+epoch
	if w.Relative {
		from, to = r.base+w.Start, r.base+w.End
	}
	if from < r.base {
		return fmt.Errorf("the time %s is before that of the event before, %s", stamp(from), stamp(r.base))
	}
	if r.event.Out != nil {
		return r.expect(r.event.Out, from, to)
	}
	if err := r.reach(from); err != nil {
		return err
	}
	r.base = from
	if err := r.act(to); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	return r.unblock()
}

// reach lets the clock go to a time. What is sent on the way is not what the script says.
func (r *runner) reach(to umem.Time) error {
	for {
		if err := r.settle(); err != nil {
			return err
		}
		if err := r.unblock(); err != nil {
			return err
		}
		if len(r.sent) > 0 && r.sent[0].at < to {
			return r.unexpected()
		}
		if r.now >= to {
			return nil
		}
		r.now = min(to, max(r.s.Deadline(), r.now))
	}
}

// unexpected is the error that a segment was sent which no line expects.
func (r *runner) unexpected() error {
	s := r.sent[0]
	k, err := r.decode(s.b)
	if err != nil {
		return err
	}
	return fmt.Errorf("at %s there came, and nothing was expected before this line:\n  > %v", stamp(s.at), k)
}

// act has an event happen that is no segment of the stack's.
func (r *runner) act(until umem.Time) error {
	switch e := r.event; {
	case e.In != nil:
		return r.inject(e.In)
	case e.ICMP != nil:
		return r.injectICMP(e.ICMP)
	case e.Call != nil:
		return r.call(e.Call, e.When.Blocks, until)
	default:
		return r.assert(e.Assert)
	}
}

// anyTime is how long * waits.
const anyTime = 24 * 3600 * umem.Second

// expect waits for a segment, and compares it.
func (r *runner) expect(want *Packet, from, to umem.Time) error {
	if r.event.When.Any {
		to = r.now + anyTime
	}
	for len(r.sent) == 0 && r.now < to+slack {
		if err := r.advance(to+slack, true); err != nil {
			return err
		}
		if err := r.unblock(); err != nil {
			return err
		}
	}
	times := stamp(from)
	if r.event.When.Range {
		times += "~" + stamp(to)
	}
	if len(r.sent) == 0 {
		return fmt.Errorf("expected at %s, and nothing came:\n  > %v", times, want)
	}
	s := r.sent[0]
	got, err := r.decode(s.b)
	if err != nil {
		return err
	}
	r.sent = r.sent[1:]
	why := r.named(want).differs(got)
	switch {
	case why == "" && (s.at < from || s.at > to+slack) && !r.event.When.Any:
		why = "the time differs"
	case why == "":
		r.note(s.at, ">", got)
		r.base = from
		if r.event.When.Any || r.event.When.Range {
			r.base = s.at
		}
		return nil
	}
	return fmt.Errorf("%s:\n  expected at %s > %v\n  came at     %s > %v", why, times, want, stamp(s.at), got)
}

// named is a packet with the flow's ports where it names none.
func (r *runner) named(k *Packet) *Packet {
	n := *k
	if f := r.flowOf(k); f != r.flow {
		n.Local, n.Remote = f.local, f.remote
	} else {
		n.Local, n.Remote = 0, 0
	}
	return &n
}

func (r *runner) flowOf(k *Packet) flow {
	f := r.flow
	if k.Remote != 0 {
		f.remote = k.Remote
	}
	if k.Local != 0 {
		f.local = k.Local
	}
	return f
}

func (r *runner) numbers(f flow) *numbers {
	if r.flows[f] == nil {
		r.flows[f] = &numbers{}
	}
	return r.flows[f]
}

// decode reads a segment that the stack sent, and checks all that no script says.
func (r *runner) decode(b []byte) (*Packet, error) {
	b = b[wire.EthernetLen+r.family.header:]
	t, ok := wire.CheckTCP(b)
	if !ok || !checksum.Valid(checksum.Sum(b, r.pseudo(wire.ProtoTCP, len(b)))) {
		return nil, errors.New("a segment without a header, or with a wrong checksum, was sent")
	}
	f := flow{t.SrcPort(), t.DstPort()}
	n := r.numbers(f)
	if t.Flags()&wire.TCPSyn != 0 {
		if !n.known {
			n.known, n.iss = true, t.Seq()
		}
		n.ourSYN = t.Seq() - n.iss
		n.written = n.ourSYN + 1
	}
	k := &Packet{Flags: t.Flags(), Seq: t.Seq() - n.iss, Len: len(b) - len(t), Win: int(t.Window()), Urg: -1,
		Options: readOptions(t.Options(), r.family.far)}
	if k.Flags&wire.TCPAck != 0 {
		k.Ack = t.Ack() - r.family.far
	}
	if k.Flags&wire.TCPUrg != 0 {
		k.Urg = int(t.Urgent())
	}
	if f != r.flow {
		k.Local, k.Remote = f.local, f.remote
	}
	for i, c := range b[len(t):] {
		if c != octet(k.Seq+uint32(i)) {
			return nil, fmt.Errorf("the octet at %d is not what was written there, in\n  > %v", k.Seq+uint32(i), k)
		}
	}
	return k, nil
}

// begins reports whether a SYN that arrives now begins a connection.
func (r *runner) begins() bool {
	i := r.info()
	switch tcp.State(stateOf(&i)) {
	case tcp.Closed, tcp.Listen, tcp.SynSent, tcp.TimeWait:
		return true
	}
	return false
}

// inject has a segment arrive.
func (r *runner) inject(k *Packet) error {
	f := r.flowOf(k)
	n := r.numbers(f)
	if k.Flags&wire.TCPSyn != 0 && r.begins() {
		n.farSYN = k.Seq
	}
	options := putOptions(k.Options, n.iss)
	b := make([]byte, wire.TCPLen+len(options), wire.TCPLen+len(options)+k.Len)
	fields := wire.TCPFields{
		SrcPort: f.remote, DstPort: f.local, Seq: r.family.far + k.Seq, Flags: k.Flags,
		Window: uint16(max(k.Win, 0)), Urgent: uint16(max(k.Urg, 0)), Options: options,
	}
	if k.Flags&wire.TCPAck != 0 {
		fields.Ack = n.iss + k.Ack
	}
	wire.PutTCP(b, fields)
	b = append(b, pattern(k.Seq, k.Len)...)
	wire.SealTCP(b, r.pseudo(wire.ProtoTCP, len(b)))
	r.note(r.now, "<", k)
	return r.receive(r.packet(wire.ProtoTCP, 64, b))
}

// String is i as the script writes it.
func (i *ICMP) String() string {
	return fmt.Sprintf("icmp unreachable %s [%d:%d(0)]", i.Code, i.Seq, i.Seq)
}

// injectICMP has an error arrive that quotes a segment of ours.
func (r *runner) injectICMP(i *ICMP) error {
	f := r.family
	b := make([]byte, wire.ICMPLen+f.header+8)
	r.putIP(b[wire.ICMPLen:], wire.ProtoTCP, 63, wire.TCPLen, f.us, f.peer)
	quoted := b[wire.ICMPLen+f.header:]
	binary.BigEndian.PutUint16(quoted[0:2], r.flow.local)
	binary.BigEndian.PutUint16(quoted[2:4], r.flow.remote)
	binary.BigEndian.PutUint32(quoted[4:8], r.numbers(r.flow).iss+i.Seq)
	code := icmpCodes[i.Code]
	r.note(r.now, "<", i)
	if f.peer.Is4() {
		wire.PutICMPv4(b, wire.ICMPFields{Type: code[0], Code: code[1]})
		wire.SealICMPv4(b)
		return r.receive(r.packet(wire.ProtoICMPv4, 64, b))
	}
	wire.PutICMPv6(b, wire.ICMPFields{Type: code[2], Code: code[3]})
	wire.SealICMPv6(b, r.pseudo(wire.ProtoICMPv6, len(b)))
	return r.receive(r.packet(wire.ProtoICMPv6, 64, b))
}

// end checks that nothing is left: no call that blocks, no segment, and every frame is accounted for.
func (r *runner) end() error {
	if err := r.settle(); err != nil {
		return err
	}
	if r.blocks != nil {
		if err := r.reach(r.blocks.until + slack); err != nil {
			return err
		}
	}
	if len(r.sent) > 0 {
		k, err := r.decode(r.sent[0].b)
		if err != nil {
			return err
		}
		return fmt.Errorf("at %s, at the end of the script, there came, and was not expected:\n  > %v", stamp(r.sent[0].at), k)
	}
	if r.blocks != nil {
		return fmt.Errorf("%s of line %d still blocks at the end of the script", r.blocks.call.Name, r.blocks.line)
	}
	return r.balance()
}
