package packetdrill

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/umem"
)

// states are the names that scripts have for a connection's states.
var states = []struct {
	name  string
	state tcp.State
}{
	{"TCP_CLOSE", tcp.Closed}, {"TCP_LISTEN", tcp.Listen}, {"TCP_SYN_SENT", tcp.SynSent}, {"TCP_SYN_RECV", tcp.SynReceived},
	{"TCP_ESTABLISHED", tcp.Established}, {"TCP_FIN_WAIT1", tcp.FinWait1}, {"TCP_FIN_WAIT2", tcp.FinWait2},
	{"TCP_CLOSE_WAIT", tcp.CloseWait}, {"TCP_CLOSING", tcp.Closing}, {"TCP_LAST_ACK", tcp.LastAck}, {"TCP_TIME_WAIT", tcp.TimeWait},
}

// fields are the names of what is seen of a connection.
var fields = map[string]func(*stack.SocketInfo) int64{
	"tcpi_state":         stateOf,
	"tcpi_snd_cwnd":      func(i *stack.SocketInfo) int64 { return int64(i.Cwnd / max(i.Mss, 1)) },
	"tcpi_snd_ssthresh":  func(i *stack.SocketInfo) int64 { return int64(i.Ssthresh / max(i.Mss, 1)) },
	"tcpi_snd_mss":       func(i *stack.SocketInfo) int64 { return int64(i.Mss) },
	"tcpi_rto":           func(i *stack.SocketInfo) int64 { return int64(i.Rto / umem.Microsecond) },
	"tcpi_rtt":           func(i *stack.SocketInfo) int64 { return int64(i.Srtt / umem.Microsecond) },
	"tcpi_total_retrans": func(i *stack.SocketInfo) int64 { return int64(i.Retransmits) },
	"tcpi_unacked":       func(i *stack.SocketInfo) int64 { return int64(i.SendQueue) },
	"sk_rmem":            func(i *stack.SocketInfo) int64 { return int64(i.RecvQueue) },
	"cwnd":               func(i *stack.SocketInfo) int64 { return int64(i.Cwnd) },
	"ssthresh":           func(i *stack.SocketInfo) int64 { return int64(i.Ssthresh) },
}

func stateOf(i *stack.SocketInfo) int64 {
	for _, s := range states {
		if s.state.String() == i.State {
			return int64(s.state)
		}
	}
	return int64(tcp.Closed)
}

// counters begin with this.
const counters = "nstat."

// known reports whether an assert may name it.
func known(name string) bool {
	if c, ok := strings.CutPrefix(name, counters); ok {
		f, ok := reflect.TypeFor[tcp.Counters]().FieldByName(c)
		return ok && f.Type.Kind() == reflect.Uint64
	}
	for _, s := range states {
		if s.name == name {
			return true
		}
	}
	return fields[name] != nil
}

// value is what a name stands for, of the connection of the flow; one that is gone is closed.
func (r *runner) value(name string) int64 {
	if c, ok := strings.CutPrefix(name, counters); ok {
		return int64(reflect.ValueOf(r.s.Counters().TCP).FieldByName(c).Uint())
	}
	for _, s := range states {
		if s.name == name {
			return int64(s.state)
		}
	}
	i := r.info()
	return fields[name](&i)
}

// info is what is seen of the flow's connection, or of who listens at its port.
func (r *runner) info() (found stack.SocketInfo) {
	var out [1]stack.SocketInfo
	for from := 0; ; {
		n, next := r.s.Sockets(from, out[:])
		if n == 1 && out[0].Local.Port == r.flow.local {
			switch {
			case out[0].Peer.Port == r.flow.remote:
				return out[0]
			case out[0].Peer == socket.Addr{}:
				found = out[0]
			}
		}
		if next == 0 {
			return found
		}
		from = next
	}
}

// assert evaluates each expression.
func (r *runner) assert(list []*Expr) error {
	if err := r.settle(); err != nil {
		return err
	}
	for _, e := range list {
		v, err := e.eval(r.value)
		if err != nil {
			return err
		}
		if v != 0 {
			continue
		}
		var is []string
		e.names(func(name string) { is = append(is, fmt.Sprintf("%s is %d", name, r.value(name))) })
		return fmt.Errorf("at %s assert %s does not hold: %s", stamp(r.now), e.Text, strings.Join(is, ", "))
	}
	return nil
}
