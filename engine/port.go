package engine

import "github.com/xdpstack/xdpstack/umem"

// Port is what a worker drives: one queue of one device. Its methods are called
// by one goroutine, the worker's, and none of them blocks.
//
// The verbs follow a frame's way: Refill gives free frames to the device,
// Receive takes filled ones from it, Transmit gives frames to it, Reap takes
// those back that it is done with. Frames move in batches; the places of
// package umem move with them.
type Port interface {
	// Receive fills out with frames that arrived, in order, and returns how many.
	// They are the caller's, in place stack, without a hold, stamped with now
	// and with the port's number. A descriptor that makes no sense is counted
	// in Stats and dropped here.
	Receive(now umem.Time, out []*umem.Frame) int

	// Transmit puts frames on the TX ring, in order, and returns how many it
	// took: fewer than len(frames) when the ring is full. Each must be in place
	// stack with a HoldTx. They belong to the device until Reap returns them;
	// the caller keeps the rest.
	Transmit(frames []*umem.Frame) int

	// TxRoom is how many frames Transmit would take now, read afresh.
	TxRoom() int

	// Reap fills out with frames whose transmission is complete and returns how
	// many. They are in place stack and still have their HoldTx.
	Reap(out []*umem.Frame) int

	// Refill gives free frames of the pool to the device until its fill ring is
	// full or the pool has none left.
	Refill()

	// Kick makes the system calls that the rings ask for (need_wakeup), so that
	// what was transmitted leaves and what arrives is announced. In copy mode it
	// is the kernel's transmit loop: see afxdp. An error is of the device
	// (interface down or gone), never of a packet; the worker counts it, and
	// ends when it wraps ErrGone.
	Kick() error

	// Ready reports whether Receive or Reap would return something now. A worker
	// asks it last before it sleeps.
	Ready() bool

	// Pending reports whether the port needs Kick again soon although nothing
	// arrives: frames wait in the TX ring.
	Pending() bool

	// FD is a descriptor that polls readable when Receive would return something,
	// or -1 when the port has none: its worker never sleeps, or is woken by its
	// peer (mem).
	FD() int

	// InFill and InTx are how many addresses are with the device: the rings' own
	// counts, for the ledger.
	InFill() int
	InTx() int

	// Stats adds the port's counters to s.
	Stats(s *PortStats)

	// Close gives the device back. Frames that were with it are returned to the
	// pool only here, when the kernel can no longer write to them.
	Close() error
}

// PortStats are a port's counters since it was opened. Packets and bytes are
// counted where they cross the rings.
type PortStats struct {
	RxPackets  uint64 `json:"rx_packets"`
	RxBytes    uint64 `json:"rx_bytes"`
	TxPackets  uint64 `json:"tx_packets"`
	TxBytes    uint64 `json:"tx_bytes"`
	RxInvalid  uint64 `json:"rx_invalid"` // descriptors that made no sense
	TxInvalid  uint64 `json:"tx_invalid"` // completions that made no sense
	TxRefused  uint64 `json:"tx_refused"` // frames that cannot be sent: too short, or of a chain
	RxBatches  uint64 `json:"rx_batches"` // calls of Receive that returned something
	TxBatches  uint64 `json:"tx_batches"`
	Kicks      uint64 `json:"kicks"`       // system calls for TX
	Wakes      uint64 `json:"wakes"`       // system calls for RX
	KickErrors uint64 `json:"kick_errors"` // of them EAGAIN, ENOBUFS, EBUSY: tried again

	// The kernel's own, struct xdp_statistics (uapi/linux/if_xdp.h).
	RxDropped      uint64 `json:"rx_dropped"`
	RxInvalidDescs uint64 `json:"rx_invalid_descs"`
	TxInvalidDescs uint64 `json:"tx_invalid_descs"`
	RxRingFull     uint64 `json:"rx_ring_full"`
	RxFillEmpty    uint64 `json:"rx_fill_ring_empty_descs"`
	TxRingEmpty    uint64 `json:"tx_ring_empty_descs"`
}

// Add adds o to s, counter by counter.
func (s *PortStats) Add(o *PortStats) {
	s.RxPackets += o.RxPackets
	s.RxBytes += o.RxBytes
	s.TxPackets += o.TxPackets
	s.TxBytes += o.TxBytes
	s.RxInvalid += o.RxInvalid
	s.TxInvalid += o.TxInvalid
	s.TxRefused += o.TxRefused
	s.RxBatches += o.RxBatches
	s.TxBatches += o.TxBatches
	s.Kicks += o.Kicks
	s.Wakes += o.Wakes
	s.KickErrors += o.KickErrors
	s.RxDropped += o.RxDropped
	s.RxInvalidDescs += o.RxInvalidDescs
	s.TxInvalidDescs += o.TxInvalidDescs
	s.RxRingFull += o.RxRingFull
	s.RxFillEmpty += o.RxFillEmpty
	s.TxRingEmpty += o.TxRingEmpty
}
