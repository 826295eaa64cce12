package e2e

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/testenv"
)

// TestStreamsOverVeth: 100 MB to the stack and back over a wire that treats them well.
func TestStreamsOverVeth(t *testing.T) {
	const size = 100 << 20
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		trace(t, l)
		began := time.Now()
		if err := exchange(dial(t, l, at(l, family, echoPort)), size, testenv.Seed(t)); err != nil {
			t.Error(err)
		}
		t.Logf("%d MB each way in %v", size>>20, time.Since(began))
		p.gone()
		p.summary()
	})
}

// TestStreamsOverABadWire: 20 MB each way while 1 % of the packets of each direction are lost and 1 % are late. The time goes by
// in waiting for timeouts, so the wires are all there at once.
func TestStreamsOverABadWire(t *testing.T) {
	const (
		size  = 20 << 20
		limit = 60 * time.Second // some 10 s on a machine that does little else
	)
	eachLabAtOnce(t, func(t *testing.T, l *lab.Lab, family int) {
		seed := testenv.Seed(t)
		p := serve(t, l, "--impair", fmt.Sprintf("loss=1%%,reorder=1%%,seed=%d", seed))
		trace(t, l)
		began := time.Now()
		if err := exchange(dial(t, l, at(l, family, echoPort)), size, seed); err != nil {
			t.Error(err)
		}
		took := time.Since(began)
		st := p.stats()
		c := st.TCP
		t.Logf("%d MB each way in %v: %d segments sent again, %d of them after timeouts; %d came out of order",
			size>>20, took, c.RetransSegs, c.TCPTimeouts, c.TCPOFOQueue)
		if took > limit {
			t.Errorf("it took %v, more than %v", took, limit)
		}
		if c.RetransSegs == 0 || c.TCPOFOQueue == 0 {
			t.Error("the wire was not bad")
		}
		p.gone()
		p.summary()
	})
}

// TestCharactersWithoutEnd: what chargen sends is RFC 864's pattern, without a gap, however slowly it is read.
func TestCharactersWithoutEnd(t *testing.T) {
	const size = 20 << 20
	eachLab(t, func(t *testing.T, l *lab.Lab, family int) {
		p := serve(t, l)
		c := dial(t, l, at(l, family, chargenPort))
		if err := compare(io.LimitReader(c, size), io.LimitReader(&pattern{}, size)); err != nil {
			t.Error(err)
		}
		reset(c)
		p.gone()
		p.summary()
	})
}

// pattern is RFC 864's: lines of 72 characters out of a ring of 95, each line beginning one later.
type pattern struct{ line, column int }

// Read implements io.Reader.
func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		switch p.column {
		case 72:
			b[i] = '\r'
		case 73:
			b[i] = '\n'
		default:
			b[i] = ' ' + byte((p.line+p.column)%95)
		}
		if p.column++; p.column == 74 {
			p.line, p.column = p.line+1, 0
		}
	}
	return len(b), nil
}
