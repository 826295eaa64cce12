package packetdrill

import (
	"errors"
	"fmt"
	"slices"

	"github.com/xdpstack/xdpstack/stack/socket"
)

// shutdown of the reading side does nothing that a peer would see, and is not supported.
func (r *runner) shutdown(b *blocked) (result, error) {
	how := b.call.Args[1]
	if !slices.Contains(how.Words, "SHUT_WR") {
		return result{}, errors.New("only SHUT_WR is supported")
	}
	return gave(0, r.s.Shutdown(r.fd(b).h))
}

func (r *runner) fcntl(b *blocked) (result, error) {
	d := r.fd(b)
	switch c := b.call.Args[1].Words; {
	case slices.Equal(c, []string{"F_GETFL"}):
		return result{n: 2}, nil // O_RDWR
	case !slices.Equal(c, []string{"F_SETFL"}):
		return result{}, errors.New("only F_GETFL and F_SETFL are supported")
	}
	for _, w := range b.call.Args[2].Words {
		if w != "O_RDWR" && w != "O_NONBLOCK" {
			return result{}, fmt.Errorf("%s is not supported", w)
		}
	}
	d.nonblock = slices.Contains(b.call.Args[2].Words, "O_NONBLOCK")
	return result{}, nil
}

// optionName is that of a setsockopt or getsockopt, and optionValue its one number: n or [n].
func optionName(c *Call) string {
	if w := c.Args[2].Words; len(w) == 1 {
		return w[0]
	}
	return "an option without a name"
}

func optionValue(a *Arg) (int64, bool) {
	if a.IsList && len(a.List) == 1 {
		a = a.List[0]
	}
	return a.Number, a.IsNumber
}

func (r *runner) setsockopt(b *blocked) (result, error) {
	d := r.fd(b)
	name, a := optionName(b.call), b.call.Args[3]
	if name == "SO_LINGER" {
		on, time := a.Fields["onoff"], a.Fields["linger"]
		if on == nil || time == nil || !on.IsNumber || !time.IsNumber || time.Number != 0 {
			return result{}, errors.New("SO_LINGER wants {onoff=n, linger=0}: a close that waits is not supported")
		}
		d.linger0 = on.Number != 0
		return result{}, nil
	}
	n, ok := optionValue(a)
	if !ok {
		return result{}, fmt.Errorf("%s wants a number", name)
	}
	switch name {
	case "SO_REUSEADDR": // as it always is
		return result{}, nil
	case "TCP_NODELAY":
		d.options.NoDelay = n != 0
	case "SO_RCVBUF":
		d.options.RecvBytes = int(n)
	case "SO_SNDBUF":
		d.options.SendBytes = int(n)
	case "IP_TTL":
		d.options.TTL = uint8(n)
	default:
		return result{}, fmt.Errorf("option %s of a socket is not supported", name)
	}
	return gave(0, r.s.SetOptions(d.h, d.options))
}

// getsockopt knows SO_ERROR: [ECONNRESET], or [0].
func (r *runner) getsockopt(b *blocked) (result, error) {
	if name := optionName(b.call); name != "SO_ERROR" {
		return result{}, fmt.Errorf("option %s of a socket cannot be read", name)
	}
	a := b.call.Args[3]
	if !a.IsList || len(a.List) != 1 {
		return result{}, errors.New("SO_ERROR gives [ERROR], or [0]")
	}
	_, err := r.s.Take(r.fd(b).h, nil)
	var got socket.Errno
	if err != nil && !errors.As(err, &got) {
		return result{}, err
	}
	want := "0"
	if w := a.List[0].Words; len(w) == 1 {
		want = w[0]
	}
	if errnoName(got) != want {
		return result{}, fmt.Errorf("SO_ERROR is %s, expected %s", errnoName(got), want)
	}
	return result{}, nil
}
