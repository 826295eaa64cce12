package xdpstack

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine/impair"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// TestHostCloseLosesNothing: what was written before Close and Host.Close is read whole by
// the peer, although packets are lost on the way.
func TestHostCloseLosesNothing(t *testing.T) {
	for _, f := range families {
		linger := time.Minute // of a; b has nobody left to wait for
		a, b := pair(t, 1, func(c *Config) {
			c.Linger, linger = linger, -1
			c.Impair = impair.Config{Seed: testenv.Seed(t), Loss: 0.02}
		})
		l, err := b.Listen("tcp", net.JoinHostPort(f.b, "80"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Repeat([]byte("last words "), 20000)
		ended := make(chan error, 1)
		go func() {
			_, err := c.Write(want)
			if err == nil {
				err = c.Close()
			}
			if err == nil {
				err = a.Close()
			}
			ended <- err
		}()
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("IPv%s: %d octets of %d, %v", f.name, len(got), len(want), err)
		}
		_ = peer.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
