package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack"
)

var someSockets = []xdpstack.SocketInfo{
	{Network: "tcp", State: "LISTEN", Local: netip.MustParseAddrPort("[::]:80"), SendQueue: 1024, Owner: xdpstack.Owner{PID: 12}},
	{
		Network: "tcp", State: "ESTABLISHED", Local: netip.MustParseAddrPort("198.18.0.2:80"), Peer: netip.MustParseAddrPort("198.18.0.1:40000"),
		RecvQueue: 3, SendQueue: 1448, Worker: 1, MSS: 1448, Cwnd: 14480, RTO: 200e6, SRTT: 51000, Retransmits: 2, Owner: xdpstack.Owner{PID: 12},
	},
	{Network: "udp", State: "UNCONN", Local: netip.MustParseAddrPort("198.18.0.2:7")},
}

// TestSocketsAsSSPrintsThem: columns, the peer of what has none, and ss -i's words.
func TestSocketsAsSSPrintsThem(t *testing.T) {
	var b strings.Builder
	printSockets(&b, someSockets, true)
	for _, want := range []string{
		"Netid  State ", "LISTEN  ", "[::]:80", "*:*", "198.18.0.1:40000", "pid=12,uid=0",
		"mss:1448 cwnd:10 rto:200ms rtt:51µs retrans:2",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, &b)
		}
	}
	// The lines between do not part the columns.
	at := -1
	for row := range strings.Lines(b.String()) {
		i := strings.Index(row, "*:*")
		if i < 0 {
			i = strings.Index(row, "198.18.0.1:40000")
		}
		if i >= 0 && at >= 0 && i != at {
			t.Errorf("the peer's column moves:\n%s", &b)
		}
		at = max(at, i)
	}
}

// TestSocketsAsJSON: keys are small letters, the owner's too.
func TestSocketsAsJSON(t *testing.T) {
	text, err := json.Marshal(someSockets[0])
	if err != nil || !strings.Contains(string(text), `"owner":{"uid":0,"gid":0,"pid":12}`) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestSSFilters: letters choose as ss(8)'s do.
func TestSSFilters(t *testing.T) {
	for _, c := range []struct {
		f    ssFlags
		want string
	}{
		{ssFlags{}, "LISTEN ESTABLISHED UNCONN"},
		{ssFlags{tcp: true}, "LISTEN ESTABLISHED"},
		{ssFlags{udp: true}, "UNCONN"},
		{ssFlags{raw: true}, ""},
		{ssFlags{listening: true, tcp: true}, "LISTEN"},
		{ssFlags{connected: true}, "ESTABLISHED"},
	} {
		var got []string
		for i := range someSockets {
			if c.f.shows(&someSockets[i]) {
				got = append(got, someSockets[i].State)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%+v shows %q, not %q", c.f, s, c.want)
		}
	}
}

// TestCountersAreSummed: over the workers, by the names of the JSON; gaps are not.
func TestCountersAreSummed(t *testing.T) {
	st := xdpstack.Stats{Workers: make([]xdpstack.WorkerStats, 2)}
	for i := range st.Workers {
		w := &st.Workers[i]
		w.Port.RxPackets, w.Loop.GapP50 = 5, 7
		w.Drops = []xdpstack.Drop{{Reason: "no_socket", Packets: 3}}
	}
	now, err := counters(&st)
	if err != nil {
		t.Fatal(err)
	}
	if now["port.rx_packets"] != 10 || now["drops.no_socket"] != 6 || now["loop.gap_p50_ns"] != 0 {
		t.Errorf("%v", now)
	}
	var b strings.Builder
	printCounters(&b, now, map[string]float64{"port.rx_packets": 9}, false)
	if lines := strings.Fields(b.String()); strings.Join(lines, " ") != "drops.no_socket 6 port.rx_packets 1" {
		t.Errorf("%q", b.String())
	}
}
