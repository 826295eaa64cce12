package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// Echoer sends datagrams to an echo service from sockets of a host of a lab:
// each socket is a flow, and flows spread over the queues of a device.
type Echoer struct {
	conns []net.Conn
	seq   int
	buf   []byte
}

// NewEchoer connects flows sockets to an echo service.
func NewEchoer(ctx context.Context, h *lab.Host, to netip.AddrPort, flows int) (*Echoer, error) {
	e := &Echoer{buf: make([]byte, 65536)}
	for range flows {
		c, err := h.Dial(ctx, "udp", to.String())
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e.conns = append(e.conns, c)
	}
	return e, nil
}

// Close closes the sockets.
func (e *Echoer) Close() (err error) {
	for _, c := range e.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// Echo sends size octets over the next flow and waits for them to come back.
func (e *Echoer) Echo(size int, timeout time.Duration) (time.Duration, error) {
	c := e.conns[e.seq%len(e.conns)]
	e.seq++
	data := pattern(size, e.seq)
	start := time.Now()
	if err := c.SetDeadline(start.Add(timeout)); err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	if _, err := c.Write(data); err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	for {
		n, err := c.Read(e.buf)
		took := time.Since(start)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, fmt.Errorf("probe: datagram %d of %d octets to %s: %w", e.seq, size, c.RemoteAddr(), ErrLost)
		}
		if err != nil {
			return 0, fmt.Errorf("probe: %w", err)
		}
		if bytes.Equal(e.buf[:n], data) {
			return took, nil
		}
	}
}
