package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/bench/peers/meter"
	"github.com/xdpstack/xdpstack/internal/lab"
)

const (
	fileSize    = 612 // as nginx's index.html has it
	fileName    = "612.html"
	connections = 32
	wrkTime     = 2 * time.Second
	// wrkBusy is from what share of its core on wrk, and not the server, is what is measured.
	wrkBusy = 95
)

// errWrk says that wrk did not say what it should.
var errWrk = errors.New("wrk")

// The columns of a comparison of servers of HTTP.
const (
	perSecond = iota
	p50
	clientBusy // percent of the client's core
	serverBusy
	cycles // of the server's core, for a request
)

var httpColumns = []column{
	{"requests/s", "%.0f"}, {"p50 µs", "%.0f"}, {"% of wrk's core", "%.0f"}, {"% of the server's core", "%.0f"}, {"cycles/request", "%.0f"},
}

// httpServer is a server and its port.
type httpServer struct {
	name string
	kind contender.ServerKind
	port uint16
}

// httpContests are compared: the first with each other.
var httpContests = []struct {
	servers []httpServer
	least   []float64 // of each other's, of the first's; 0 is not asked
}{
	{[]httpServer{{"http", contender.Services, contender.HTTPPort}, {"nginx", contender.Nginx, contender.HTTPPort}}, []float64{1}},
	{
		[]httpServer{
			{"go-http", contender.GoServices, contender.GoHTTPPort},
			{"gvisor", contender.GVisorHTTP, contender.GoHTTPPort},
			{"net/http, kernel", contender.KernelHTTP, contender.GoHTTPPort},
		}, []float64{2, 0},
	},
}

// httpLab compares servers of HTTP, asked by wrk over a veth.
func httpLab(ctx context.Context, lim limits, progress io.Writer) (list []section) {
	for _, h := range httpContests {
		c := &contest{
			name: "http over a veth", twoCores: true, columns: httpColumns,
			head: []string{
				fmt.Sprintf("HTTP/1.1 over a veth: a file of %d octets, %d connections that stay open, wrk on core %d, server on core %d", fileSize, connections, sourceCPU, workerCPU),
				"No offloads at either end. Cycles are all that the server's core spent, others' work, and a worker's looks for work, included.",
				"Where wrk fills its core with the other's, the cycles for a request compare, and not the rate.",
			},
		}
		s0 := h.servers[0]
		for i, s := range h.servers {
			c.entrants = append(c.entrants, entrant{s.name, func(ctx context.Context) ([]float64, string, error) { return wrkInLab(ctx, s) }})
			if i > 0 {
				c.wants = append(c.wants,
					want{what: s0.name + ", requests per second, or per cycle of the server's core where wrk fills its own with the other's", theirs: i, least: h.least[i-1], ratio: served},
					want{what: "requests per second", column: perSecond, theirs: i},
					want{what: "cycles for a request", column: cycles, theirs: i})
			}
		}
		list = append(list, c.compare(ctx, lim, progress))
	}
	return list
}

// served is by how much ours served more: requests in a second, or, where wrk was what was measured with theirs, for a
// cycle of the server's core. Where it was with ours alone, ours could have served more: the rates still say how much at least.
func served(ours, theirs *trial) float64 {
	if theirs.figures[clientBusy] > wrkBusy {
		return per(theirs.figures[cycles], ours.figures[cycles])
	}
	return per(ours.figures[perSecond], theirs.figures[perSecond])
}

// wrkInLab has wrk ask a server in a new lab.
func wrkInLab(ctx context.Context, s httpServer) (list []float64, note string, err error) {
	dir, err := os.MkdirTemp("", "xdpstack-peers-")
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, fileName), bytes.Repeat([]byte("x"), fileSize), 0o644); err != nil {
		return nil, "", err
	}
	err = serving(ctx, s.kind, dir, s.port, func(far *lab.Host, _ *contender.Process, to netip.AddrPort) (err error) {
		list, err = runWrk(ctx, far, fmt.Sprintf("http://%s/%s", to, fileName))
		return err
	})
	return list, "", err
}

// runWrk measures both cores meanwhile.
func runWrk(ctx context.Context, h *lab.Host, url string) (list []float64, err error) {
	counters, err := meter.OpenCore(workerCPU)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, counters.Close()) }()
	cores := []int{sourceCPU, workerCPU}
	before, err := meter.Idle(cores)
	if err != nil {
		return nil, err
	}
	first, err := counters.Read()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	out, err := h.Command(ctx, "nice", "-n", "-20", "taskset", "-c", strconv.Itoa(sourceCPU), "wrk", "-t1", fmt.Sprint("-c", connections),
		"-d"+wrkTime.String(), "--latency", url).CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %s", errWrk, err, bytes.TrimSpace(out))
	}
	last, err := counters.Read()
	if err != nil {
		return nil, err
	}
	after, err := meter.Idle(cores)
	if err != nil {
		return nil, err
	}
	said, err := parseWrk(string(out))
	if err != nil {
		return nil, err
	}
	busy := func(i int) float64 { return 100 * (1 - per(float64(after[i]-before[i]), float64(took))) }
	return []float64{said.rate, said.p50, busy(0), busy(1), per(float64(last.Since(first).Cycles), said.requests)}, nil
}

// wrkSaid is what wrk prints.
type wrkSaid struct {
	requests, rate float64
	p50            float64 // in microseconds
}

var wrkLine = regexp.MustCompile(`(?m)^\s*(?:(50%)\s+([0-9.]+)(us|ms|s)|([0-9]+) requests in .*|Requests/sec:\s+([0-9.]+)|(Socket errors: .*|Non-2xx.*))\s*$`)

// parseWrk reads what wrk printed; errors that it counted are one.
func parseWrk(out string) (s wrkSaid, err error) {
	for _, m := range wrkLine.FindAllStringSubmatch(out, -1) {
		number := func(text string) float64 {
			f, e := strconv.ParseFloat(text, 64)
			err = errors.Join(err, e)
			return f
		}
		switch {
		case m[1] != "":
			s.p50 = number(m[2]) * map[string]float64{"us": 1, "ms": 1e3, "s": 1e6}[m[3]]
		case m[4] != "":
			s.requests = number(m[4])
		case m[5] != "":
			s.rate = number(m[5])
		default:
			err = errors.Join(err, fmt.Errorf("%w: %s", errWrk, m[6]))
		}
	}
	if err == nil && (s.requests == 0 || s.rate == 0 || s.p50 == 0) {
		err = fmt.Errorf("%w said %q", errWrk, strings.Join(strings.Fields(out), " "))
	}
	return s, err
}
