package contender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/netstack"
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/services"
)

// Ports of the servers of HTTP.
const (
	HTTPPort   = 80
	GoHTTPPort = 8080
)

// ServerKind is a program that serves, over TCP.
type ServerKind string

// The servers. Each but nginx is this very program. What it serves stands for the directory of files, if it has one.
const (
	Services     ServerKind = "services"      // this project's: echo, discard, chargen, http and go-http, on a dedicated worker
	GoServices   ServerKind = "go-services"   // the same, its worker among the goroutines, all on the one core
	KernelServer ServerKind = "kernel-server" // echo, discard and chargen on the kernel's sockets, by epoll
	KernelBusy   ServerKind = "kernel-busy"   // the same, never asleep
	KernelHTTP   ServerKind = "kernel-http"   // net/http on the kernel's sockets
	GVisorHTTP   ServerKind = "gvisor-http"   // net/http on gVisor's netstack, over AF_PACKET
	Nginx        ServerKind = "nginx"         // on the kernel's sockets
)

// StackSide reports whether the server answers at the stack's address, and not at the kernel's.
func (k ServerKind) StackSide() bool {
	return k == Services || k == GoServices || k == GVisorHTTP || k == Proxy
}

// servers are those that are this program again.
var servers = map[string]func(ctx context.Context, dir, name string, cpu int) error{
	string(Services):     serveServices(engine.Dedicated),
	string(GoServices):   serveServices(engine.Shared),
	string(KernelServer): serveKernel(false),
	string(KernelBusy):   serveKernel(true),
	string(KernelHTTP):   serveKernelHTTP,
	string(GVisorHTTP):   serveGVisor,
	string(Proxy):        serveProxy,
	clientWord:           client,
}

// noDir stands for no directory in arguments.
const noDir = "-"

// Serve starts a server in host h, on core cpu alone, with files of dir, which may be empty. It does not
// wait until it serves.
func Serve(ctx context.Context, h *lab.Host, kind ServerKind, dir string, cpu int) (*Process, error) {
	if kind == Nginx {
		return nginx(ctx, h, dir, cpu)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("contender: %w", err)
	}
	if dir == "" {
		dir = noDir
	}
	argv := []string{self, childWord, string(kind), dir, h.Interface().Name, strconv.Itoa(cpu)}
	if kind != Services { // which pins its worker, and wants another core for all else
		argv = append([]string{"taskset", "-c", strconv.Itoa(cpu)}, argv...)
	}
	return start(ctx, h, string(kind), argv...)
}

// stackPrefix is the stack's address in a lab.
var stackPrefix = netip.MustParsePrefix("198.18.0.2/24")

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// serveServices is Services, or GoServices.
func serveServices(scheduling engine.Mode) func(ctx context.Context, dir, name string, cpu int) error {
	return func(ctx context.Context, dir, name string, cpu int) error {
		cfg := xdpstack.Config{
			Interface: name, Addresses: []netip.Prefix{stackPrefix},
			Scheduling: scheduling, Poll: engine.Adaptive, Log: quiet(),
		}
		if scheduling == engine.Dedicated {
			cfg.CPUs = []int{cpu}
		}
		return serveHost(ctx, cfg, dir)
	}
}

// serveHost runs a host and its services.
func serveHost(ctx context.Context, cfg xdpstack.Config, dir string) (err error) {
	h, err := xdpstack.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	list := []string{"echo", "discard", "chargen"}
	if dir != noDir {
		list = append(list, fmt.Sprintf("http=:%d,%s", HTTPPort, dir), fmt.Sprintf("go-http=:%d,%s", GoHTTPPort, dir))
	}
	specs, err := services.ParseAll(list)
	if err != nil {
		return err
	}
	for _, s := range specs {
		if _, err := services.Start(h, s); err != nil {
			return err
		}
	}
	return h.Wait(ctx)
}

func serveKernel(busy bool) func(ctx context.Context, _, _ string, cpu int) error {
	return func(ctx context.Context, _, _ string, cpu int) error {
		return bench.TCPServer(ctx, bench.TCPServerConfig{CPUs: []int{cpu}, Busy: busy})
	}
}

func serveKernelHTTP(ctx context.Context, dir, _ string, _ int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(GoHTTPPort)))
	if err != nil {
		return err
	}
	return serveHTTP(ctx, l, dir)
}

// serveHTTP serves files by net/http.
func serveHTTP(ctx context.Context, l net.Listener, dir string) error {
	s := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveGVisor is GVisorHTTP: a link as runsc makes one, with many frames a system call.
func serveGVisor(ctx context.Context, dir, name string, _ int) error {
	itf, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: itf.Index}); err != nil {
		return err
	}
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{fd}, MTU: uint32(itf.MTU), EthernetHeader: true, Address: tcpip.LinkAddress(itf.HardwareAddr),
		PacketDispatchMode: fdbased.RecvMMsg,
	})
	if err != nil {
		return err
	}
	s, err := netstack.New(link, stackPrefix)
	if err != nil {
		return err
	}
	// The stack ends with the process: Destroy may wait for a packet.
	l, err := gonet.ListenTCP(s, netstack.Full(netip.AddrPortFrom(stackPrefix.Addr(), GoHTTPPort)), ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	return serveHTTP(ctx, l, dir)
}

const clientWord = "client"

// client asks a server: what is its test and, if it is busy, a mark; to is the server. It prints the result.
func client(ctx context.Context, what, to string, cpu int) error {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return fmt.Errorf("%w: server %q", ErrUsage, to)
	}
	name, busy := strings.CutSuffix(what, busyMark)
	run, ok := clients[name]
	if !ok {
		return fmt.Errorf("%w: test %q", ErrUsage, what)
	}
	res, err := run(ctx, bench.TCPConfig{
		To: addr, CPUs: []int{cpu}, Busy: busy, Receive: name == StreamIn, Omit: settle, Duration: measured,
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

// Tests of a client of the kernel's sockets.
const (
	RR        = "tcp-rr"
	StreamOut = "tcp-stream-out"
	StreamIn  = "tcp-stream-in"
	CRR       = "tcp-crr"
	busyMark  = "-busy"

	settle   = 300 * time.Millisecond
	measured = time.Second
)

var clients = map[string]func(context.Context, bench.TCPConfig) (bench.TCPResult, error){
	RR: bench.TCPRR, StreamOut: bench.TCPStream, StreamIn: bench.TCPStream, CRR: bench.TCPCRR,
}

// Ask runs a client in host h, on core cpu, and returns what it measured.
func Ask(ctx context.Context, h *lab.Host, test string, busy bool, to netip.AddrPort, cpu int) (res bench.TCPResult, err error) {
	self, err := os.Executable()
	if err != nil {
		return res, fmt.Errorf("contender: %w", err)
	}
	if busy {
		test += busyMark
	}
	var said tail
	cmd := h.Command(ctx, "nice", "-n", niceness, self, childWord, clientWord, test, to.String(), strconv.Itoa(cpu))
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &res)
	}
	if err != nil {
		return res, fmt.Errorf("contender: client of %s: %w: %s", to, err, &said)
	}
	return res, nil
}
