package xdpstack

import (
	"time"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/tcp"
)

// lingerLook is how often linger looks again.
const lingerLook = time.Millisecond

// linger waits until no connection that was closed has octets on their way, or
// Config.Linger is over. A kernel outlives the processes whose data it sends; a host does
// not outlive itself.
func (h *Host) linger() {
	if h.cfg.Linger < 0 {
		return
	}
	end := time.NewTimer(h.cfg.Linger)
	defer end.Stop()
	look := time.NewTicker(lingerLook)
	defer look.Stop()
	for h.sending() {
		select {
		case <-look.C:
		case <-end.C:
			return
		case <-h.ended:
			return
		}
	}
}

// sending reports whether a closed connection waits for its last acknowledgement, or for room
// to send what was written.
func (h *Host) sending() bool {
	waits := false
	for worker := range h.shards {
		for from := 0; !waits; {
			err := h.on(worker, func(s *shard) { waits, from = s.sending(from) })
			if err != nil || from == 0 {
				break
			}
		}
	}
	return waits
}

// sending looks at the worker's streams from a position on, and returns where to go on, 0 at the end.
func (s *shard) sending(from int) (waits bool, next int) {
	var infos [socketsAtOnce]stack.SocketInfo
	if from == 0 {
		for i := range s.streams {
			if c, ok := s.streams[i].recv.(*tcpConn); ok && c.did(connClosed) {
				return true, 0
			}
		}
	}
	n, next := s.stack.Sockets(from, infos[:])
	for i := range infos[:n] {
		switch infos[i].State {
		case tcp.FinWait1.String(), tcp.Closing.String(), tcp.LastAck.String():
			return true, 0
		}
	}
	return false, next
}
