package tcp

// Counters are what a Table counted, with Linux's names, of /proc/net/snmp and netstat, where Linux
// has the same.
type Counters struct {
	ActiveOpens, PassiveOpens uint64
	AttemptFails              uint64 // handshakes that failed
	EstabResets               uint64
	CurrEstab                 uint64 // now, in ESTABLISHED and the states after it but TIME-WAIT
	InSegs, OutSegs           uint64
	RetransSegs               uint64
	InErrs                    uint64 // malformed, or with a wrong checksum
	InCsumErrors              uint64
	OutRsts                   uint64
	TCPTimeouts               uint64
	TCPFastRetrans            uint64
	ListenOverflows           uint64 // the accept queue was full
	ListenDrops               uint64
	TCPReqQFullDrop           uint64 // the oldest half-open connection went for a new one
	TCPSpuriousRtxHostQueues  uint64 // retransmissions put off: the frame is still with the device
	TCPOFOQueue               uint64 // segments out of order
	TCPOFOPruned              uint64 // and dropped for want of room
	TCPRcvCoalesce            uint64 // payloads appended to the frame of an earlier one
	TCPRcvQDrop               uint64 // segments that there was no room for
	TCPTimeWaited             uint64 // connections that entered TIME-WAIT
	TCPTimeWaitOverflow       uint64 // and left it early: the table was full
	TCPChallengeACK           uint64
	TCPACKSkipped             uint64 // challenge ACKs that the limit kept back
	TCPAbortOnData            uint64 // data came after Close
	TCPAbortOnClose           uint64 // Close with data unread
	TCPAbortOnTimeout         uint64
	TCPWinProbe               uint64
	Splits                    uint64 // segments cut to fit a window: their rest was copied
	NoSendFrame               uint64 // the pool had no frame for data
	NoControlFrame            uint64 // nor for an ACK, SYN, FIN or RST
	FlowsFound                uint64 // segments of another worker that belong here
	HandedOn                  uint64 // segments that no table here knows, given to other workers

	ForwardedFrames uint64 // sent on without a copy
	ForwardedOctets uint64
	ForwardCopies   [NumCopyReasons]uint64 `json:"-"` // by CopyReason
}

// CopyReason is why Forward copied.
type CopyReason uint8

// The reasons.
const (
	CopyHeld  CopyReason = iota // something else holds the frame: it was retained, or is being sent already
	CopyLarge                   // larger than the other connection's segments
	CopyRoom                    // no room for headers before the payload
	CopyQuota                   // of the frames that may be received and not freed yet, half wait to be acknowledged
	NumCopyReasons
)

var copyReasons = [NumCopyReasons]string{"held", "large", "headroom", "quota"}

// String is the reason's name, as counters show it.
func (r CopyReason) String() string {
	if r < NumCopyReasons {
		return copyReasons[r]
	}
	return "unknown"
}
