package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/hosttest"
	"github.com/xdpstack/xdpstack/internal/services"
)

// servedHosts are two hosts on a wire, of which the second serves.
func servedHosts(t *testing.T, workers int) (a, b *xdpstack.Host) {
	t.Helper()
	a, b = hosttest.Pair(t, workers, func(c *xdpstack.Config) { c.LedgerEvery = 0 })
	specs, err := services.ParseAll([]string{"echo,discard,chargen"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if _, err := services.Start(b, s); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// TestTCPHost: the client on the event API, from one worker and from two, over both families.
func TestTCPHost(t *testing.T) {
	for _, workers := range []int{1, 2} {
		for _, to := range []netip.Addr{hosttest.Addrs4[1], hosttest.Addrs6[1]} {
			t.Run(fmt.Sprintf("%d workers/%v", workers, to), func(t *testing.T) {
				a, _ := servedHosts(t, workers)
				for _, c := range tcpTests {
					for _, connections := range []int{1, 3} {
						for _, reset := range []bool{false, c.name == "tcp-crr"} {
							cfg := TCPConfig{Host: a, Shared: true, To: netip.AddrPortFrom(to, c.port), Connections: connections, Receive: c.receive, Reset: reset}
							res, intervals := askOn(t, c.run, cfg)
							checkTCP(t, &res, intervals)
							if res.Via != "xdpstack" || !strings.Contains(res.Cost.CountersMissing, "shared") {
								t.Errorf("%+v", res)
							}
						}
					}
				}
			})
		}
	}
}

func TestTCPHostSizes(t *testing.T) {
	a, _ := servedHosts(t, 1)
	for _, size := range []int{1, 1461, MaxRequest} {
		for _, run := range []func(context.Context, TCPConfig) (TCPResult, error){TCPRR, TCPCRR} {
			res, intervals := askOn(t, run, TCPConfig{Host: a, Shared: true, To: netip.AddrPortFrom(hosttest.Addrs4[1], EchoPort), Size: size})
			checkTCP(t, &res, intervals)
		}
	}
	res, intervals := askOn(t, TCPCRR, TCPConfig{Host: a, Shared: true, To: netip.AddrPortFrom(hosttest.Addrs4[1], EchoPort)}) // nothing is asked
	if res.Transactions == 0 || res.Octets != 0 {
		t.Errorf("%+v, %+v", res, intervals)
	}
}

// silentConn is a connection that says nothing.
type silentConn struct{ xdpstack.StreamEvents }

func (silentConn) Data(*xdpstack.Stream, []xdpstack.Segment) {}

// rudeConn is one that is reset when it opens.
type rudeConn struct{ xdpstack.StreamEvents }

func (rudeConn) Opened(c *xdpstack.Stream) { _ = c.Abort() }

func TestTCPHostErrors(t *testing.T) {
	a, b := hosttest.Pair(t, 1)
	for port, h := range map[uint16]xdpstack.StreamHandler{7777: silentConn{}, 7778: rudeConn{}} {
		if _, err := b.HandleStream("tcp", fmt.Sprintf(":%d", port), func(*xdpstack.Stream) xdpstack.StreamHandler { return h }); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range tcpTests {
		for port, want := range map[uint16]string{c.port: "nobody listens", 7777: "no answer", 7778: "bench: "} {
			if port == 7777 && c.name == "tcp-stream" && !c.receive {
				continue // it takes all
			}
			_, err := c.run(bounded(t), TCPConfig{
				Host: a, Shared: true, To: netip.AddrPortFrom(hosttest.Addrs4[1], port), Connections: 2, Receive: c.receive, Size: 10, Timeout: 50 * time.Millisecond,
			})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, port %d: %v", c.name, port, err)
			}
		}
	}
	if _, err := TCPRR(t.Context(), TCPConfig{Host: a, To: netip.MustParseAddrPort("198.18.0.2:7"), Busy: true}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}
