package afxdp

import (
	"github.com/xdpstack/xdpstack/engine/xdp"
)

// Status is what is in force on a device, read back from the kernel, and why.
type Status struct {
	Interface Interface
	Asked     Mode     // of the configuration
	Mode      Mode     // of queue 0
	Attached  xdp.Mode // where the program runs
	ChunkSize int      // bytes
	HugePages bool
	Queues    []QueueStatus
	Reasons   []string // for each thing that was not possible
}

// QueueStatus is what is in force on a queue.
type QueueStatus struct {
	Queue    int // number on the device
	Mode     Mode
	Shared   bool // uses another queue's registration of the memory
	TxBudget int  // frames that one system call sends, in copy mode
}

// Status returns what was in force when the device was opened.
func (d *Device) Status() Status { return d.status }

// report completes the status and tells the log.
func (d *Device) report() {
	for i, p := range d.ports {
		d.status.Queues = append(d.status.Queues, QueueStatus{
			Queue: d.queues[i], Mode: p.mode, Shared: p.shared, TxBudget: p.budget,
		})
	}
	s := &d.status
	log := d.cfg.Log.With("interface", d.itf.Name)
	for _, reason := range s.Reasons {
		log.Info("not possible", "reason", reason)
	}
	if d.itf.RxOnly > 0 {
		log.Warn("receive queues without a transmit queue stay with the kernel; \"ethtool -L\" evens them out",
			"queues", d.itf.RxOnly)
	}
	if s.Mode == ZeroCopy && s.ChunkSize < ZeroCopyChunk {
		log.Warn("some drivers cut packets over 1,024 bytes in two with such chunks (igb); take 4096", "chunk", s.ChunkSize)
	}
	log.Info("device open", "mode", s.Mode, "asked", s.Asked, "xdp", s.Attached, "driver", d.itf.Driver,
		"queues", len(d.queues), "chunk", s.ChunkSize, "frames", d.mem.region.Len(), "huge", s.HugePages)
}
