package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// callAll calls every exported method of a view that a Check accepted, setters
// too, the latter on a copy: none may panic.
func callAll[V view](v V) {
	for _, w := range []V{v, bytes.Clone(v)} {
		rv := reflect.ValueOf(w)
		for i := range rv.NumMethod() {
			m := rv.Method(i)
			setter := m.Type().NumIn() > 0 || m.Type().NumOut() == 0
			if setter == (&w[0] == &v[0]) {
				continue
			}
			args := make([]reflect.Value, m.Type().NumIn())
			for j := range args {
				args[j] = reflect.Zero(m.Type().In(j))
			}
			m.Call(args)
		}
	}
}

// walkOptions walks to the end, and fails on more steps than there are octets.
func walkOptions(t *testing.T, o Options) {
	valid, steps := o.Valid(), 0
	for _, data, rest, ok := o.Next(); ok; _, data, rest, ok = rest.Next() {
		if steps++; steps > len(o) || len(data) > len(o) {
			t.Fatalf("% x: no end", o)
		}
	}
	if list, want := referenceOptions(o); valid != want || steps != len(list) {
		t.Fatalf("% x: %v after %d, want %v after %d", o, valid, steps, want, len(list))
	}
}

// fuzz runs check over what the fuzzer finds, whole and as the start of a longer
// chain, and for what is accepted compares with the diagram and calls everything.
// A view never reaches beyond the octets given.
func fuzz[V view](f *testing.F, d diagram, seeds [][]byte, check func(b []byte) (V, bool), then func(t *testing.T, v V, b []byte)) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b):len(b)]
		before := bytes.Clone(b)
		v, ok := check(b)
		if !ok {
			return
		}
		if err := agree(v, b, d); err != nil {
			t.Fatal(err)
		}
		callAll(v)
		if then != nil {
			then(t, v, b)
		}
		if !bytes.Equal(b, before) {
			t.Fatalf("% x: changed", before)
		}
	})
}

func FuzzEthernet(f *testing.F) {
	fuzz(f, ethernetDiagram, [][]byte{make([]byte, 14)}, CheckEthernet, nil)
}

func FuzzARP(f *testing.F) {
	b := make([]byte, ARPLen)
	PutARP(b, ARPFields{Op: ARPRequest})
	fuzz(f, arpDiagram, [][]byte{b}, CheckARP, nil)
}

func FuzzIPv4(f *testing.F) {
	b := make([]byte, IPv4MaxLen+8)
	PutIPv4(b, IPv4Fields{PayloadLen: 8, Options: bytes.Repeat([]byte{7, 4, 4, 0}, 10)})
	check := func(b []byte) (IPv4, bool) {
		h, ok := CheckIPv4(b)
		if g, gok := CheckIPv4Chain(b, 1<<16); !ok {
			return g, gok
		}
		return h, ok
	}
	fuzz(f, ipv4Diagram, [][]byte{b, b[:20]}, check, func(t *testing.T, h IPv4, b []byte) {
		walkOptions(t, h.Options())
		if q, transport, ok := CheckQuotedIPv4(b); ok && (len(q)+len(transport) > len(b) || len(transport) < 8) {
			t.Fatalf("% x: a quote of %d octets", b, len(transport))
		}
	})
}

func FuzzIPv6(f *testing.F) {
	for _, c := range extCases {
		f.Add(c.packet())
	}
	check := func(b []byte) (IPv6, bool) {
		h, ok := CheckIPv6(b)
		if g, gok := CheckIPv6Chain(b, 1<<16+40); !ok {
			return g, gok
		}
		return h, ok
	}
	fuzz(f, ipv6Diagram, nil, check, func(t *testing.T, h IPv6, b []byte) {
		checkWalk(t, b, DefaultExtLimits)
		checkWalk(t, b, ExtLimits{Headers: 3, Options: 2, Octets: 48})
		if q, _, transport, ok := CheckQuotedIPv6(b, DefaultExtLimits); ok && (len(q)+len(transport) > len(b) || len(transport) < 8) {
			t.Fatalf("% x: a quote of %d octets", b, len(transport))
		}
	})
}

func FuzzICMPv4(f *testing.F) {
	fuzz(f, icmpv4Diagram, [][]byte{{8, 0, 0, 0, 0, 1, 0, 1}, {3, 4, 0, 0, 0, 0, 5, 0xdc}}, CheckICMPv4, nil)
}

func FuzzICMPv6(f *testing.F) {
	fuzz(f, icmpv6Diagram, [][]byte{{128, 0, 0, 0, 0, 1, 0, 1}, {2, 0, 0, 0, 0, 0, 5, 0}}, CheckICMPv6, nil)
}

func FuzzNDP(f *testing.F) {
	b := make([]byte, 32)
	f.Add(bytes.Clone(PutNDP(b, NDPFields{Type: ICMPv6NeighborSolicitation, LinkAddr: MAC{2}})))
	f.Add(bytes.Clone(PutNDP(b, NDPFields{Type: ICMPv6NeighborAdvertisement, Flags: NDPOverride, LinkAddr: MAC{2}})))
	fuzz(f, ndpDiagram, nil, CheckNDP, func(t *testing.T, n NDP, b []byte) {
		want, ok := referenceNDP(b)
		if got, has := n.LinkAddr(); !ok || has != (want != nil) || has && !bytes.Equal(got[:], want) {
			t.Fatalf("% x: %x %v, want %x %v", b, got, has, want, ok)
		}
	})
}

func FuzzUDP(f *testing.F) {
	b := make([]byte, 12)
	PutUDP(b, UDPFields{PayloadLen: 4})
	check := func(b []byte) (UDP, bool) {
		u, ok := CheckUDP(b)
		if g, gok := CheckUDPChain(b, 1<<16); !ok {
			return g, gok
		}
		return u, ok
	}
	fuzz(f, udpDiagram, [][]byte{b}, check, nil)
}

func FuzzTCP(f *testing.F) {
	b := make([]byte, TCPMaxLen)
	PutTCP(b, TCPFields{Flags: TCPSyn, Options: bytes.Repeat([]byte{1, 1, 4, 2}, 10)})
	fuzz(f, tcpDiagram, [][]byte{b, b[:20]}, CheckTCP, func(t *testing.T, h TCP, _ []byte) { walkOptions(t, h.Options()) })
}
