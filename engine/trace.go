package engine

import "github.com/xdpstack/xdpstack/umem"

// Stage is a point on the way of a packet through a worker.
type Stage uint8

// The stages, in the order in which a packet passes them.
const (
	StagePolled    Stage = iota // about to look at the RX ring
	StageRead                   // the frame is ours
	StageInput                  // the program's Input is through
	StageEvents                 // handlers have run
	StageOutput                 // the program gave the frame that answers
	StagePublished              // that frame is on the TX ring
	StageKicked                 // the kernel was told; in copy mode it has sent
	StageCompleted              // its completion was seen
	NumStages
)

var stageNames = [NumStages]string{
	"polled", "read from RX", "input", "handlers", "output", "published on TX", "kicked", "completed",
}

// String is the stage's name in reports.
func (s Stage) String() string {
	if s < NumStages {
		return stageNames[s]
	}
	return "unknown"
}

// A Trace is the way of one packet that went through: the first of the batch
// that came in after TraceNext.
type Trace struct {
	At    [NumStages]umem.Time
	Port  int  // that it came in on
	Bytes int  // received
	Batch int  // frames that came with it
	Sent  int  // bytes of the answer
	Same  bool // the frame received was the frame sent; else: the first sent after it
}

// tracer follows one packet.
type tracer struct {
	Trace
	out   chan<- Trace
	in    *umem.Frame // once read
	reply *umem.Frame // once output
}

// TraceNext asks for the trace of the next packet. It comes when the packet's answer is
// complete, once; a later TraceNext takes the place of one that is still open.
//
// Stamps cost a reading of the clock at each stage, of that packet alone.
func (w *Worker) TraceNext() <-chan Trace {
	c := make(chan Trace, 1)
	w.Do(func() { w.trace = &tracer{out: c} })
	return c
}

// traceArmed stamps the look at a port that may bring the packet.
func (w *Worker) traceArmed() {
	if t := w.trace; t != nil && t.in == nil {
		t.At[StagePolled] = w.clock()
	}
}

func (w *Worker) traceRead(port int, frames []*umem.Frame) {
	if t := w.trace; t != nil && t.in == nil {
		t.in, t.Port, t.Bytes, t.Batch = frames[0], port, frames[0].TotalLen(), len(frames)
		t.At[StageRead] = w.clock()
	}
}

// traceStage stamps a stage when the packet gets there for the first time.
func (w *Worker) traceStage(s Stage) {
	if t := w.trace; t != nil && t.in != nil {
		t.stamp(s, w.clock)
	}
}

func (t *tracer) stamp(s Stage, clock func() umem.Time) {
	if t.At[s] == 0 && t.At[s-1] != 0 {
		t.At[s] = clock()
	}
}

func (w *Worker) traceOutput(frames []*umem.Frame) {
	t := w.trace
	if t == nil || t.in == nil || t.reply != nil {
		return
	}
	for _, f := range frames {
		switch {
		case f.Port >= umem.PortWorker:
			if f == t.in { // its way goes on at another worker: follow the next one
				*t = tracer{out: t.out}
				return
			}
		case t.reply == nil || f == t.in:
			t.reply, t.Same = f, f == t.in
		}
	}
	if t.reply == nil {
		return
	}
	t.Sent = t.reply.TotalLen()
	t.stamp(StageOutput, w.clock)
}

func (w *Worker) traceCompleted(frames []*umem.Frame) {
	t := w.trace
	if t == nil || t.reply == nil {
		return
	}
	for _, f := range frames {
		if f == t.reply {
			t.stamp(StageCompleted, w.clock)
			t.out <- t.Trace
			w.trace = nil
			return
		}
	}
}
