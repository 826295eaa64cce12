package afxdp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/umem"
)

// The kernel frees a queue some time after the sockets are closed; opening it again waits for that,
// and leaves nothing behind however often.
func TestCloseAndOpenAgain(t *testing.T) {
	l := newLab(t, 2)
	fds := descriptors(t)
	for range 20 {
		d, err := try(l, configFor(l))
		if err != nil {
			t.Fatal(err)
		}
		closeAndAudit(t, d)
		if err := d.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if attached(t, l) != 0 {
			t.Fatal("the program is still attached")
		}
	}
	if after := descriptors(t); after != fds {
		t.Errorf("%d descriptors, %d before", after, fds)
	}
}

// EBUSY of a late release is waited for: here the kernel says it five times.
func TestBusyForAWhile(t *testing.T) {
	l := newLab(t, 1)
	busy := 5
	openWith(t, l, configFor(l), &faulty{bindErr: func(*unix.SockaddrXDP) error {
		if busy--; busy >= 0 {
			return unix.EBUSY
		}
		return nil
	}})
}

// Frames in flight come back when a port closes in full traffic.
func TestCloseInFullTraffic(t *testing.T) {
	l := newLab(t, 2)
	d := open(t, l, configFor(l))
	conns := udpFlows(t, l, 4, 8)
	for range 300 {
		for _, c := range conns {
			_, _ = c.Write([]byte("traffic"))
		}
	}
	for _, p := range d.Ports() {
		for range 20 {
			turn(t, p, func(f *umem.Frame) bool { turnRound(f.Bytes()); return true })
		}
		sendWithoutKick(t, p, 100)
		if p.TX.Pending() == 0 {
			t.Error("the TX ring is empty before it should be")
		}
	}
}

// The program goes before the first socket does: nothing is redirected to one on its way out.
func TestFirstPortToCloseDetaches(t *testing.T) {
	l := newLab(t, 2)
	d := open(t, l, configFor(l))
	if err := d.Ports()[1].Close(); err != nil {
		t.Fatal(err)
	}
	if attached(t, l) != 0 || d.Program() != nil {
		t.Error("the program is still attached")
	}
	if p := d.Ports()[1]; p.Ready() || p.Pending() || p.FD() != -1 || !errors.Is(p.Kick(), engine.ErrGone) {
		t.Error("a closed port does not say so")
	}
	turn(t, d.Ports()[0], func(*umem.Frame) bool { return false })
}

// A frame of another worker that was left in the TX ring goes home.
func TestCloseReturnsBorrowedFrames(t *testing.T) {
	l := newLab(t, 2)
	d := open(t, l, configFor(l))
	p, home := d.Ports()[0], d.Ports()[1].Pool()
	f := home.Get(umem.ClassSend)
	clear(f.Put(60))
	home.Lend(f)
	p.Pool().Borrow(f)
	p.Pool().Hold(f, umem.HoldTx)
	if p.Transmit([]*umem.Frame{f}) != 1 {
		t.Fatal("not sent")
	}
	setLink(t, l, netlink.LinkDel) // so that it stays
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	var back [2]*umem.Frame
	if n := p.Pool().TakeAway(1, back[:]); n != 1 || back[0] != f {
		t.Fatalf("%d frames to send home: %+v", n, p.Pool().Books())
	}
	home.Return(back[:1])
}

// sendWithoutKick leaves frames in the TX ring.
func sendWithoutKick(t *testing.T, p *Port, n int) {
	t.Helper()
	for range n {
		f := p.Pool().Get(umem.ClassSend)
		clear(f.Put(60))
		p.Pool().Hold(f, umem.HoldTx)
		if p.Transmit([]*umem.Frame{f}) != 1 {
			t.Fatal("the TX ring is full")
		}
	}
}

// An interface that is removed is noticed by a port that only receives, and its frames
// come back.
func TestInterfaceRemoved(t *testing.T) {
	l := newLab(t, 2)
	d := open(t, l, configFor(l))
	sendWithoutKick(t, d.Ports()[1], 10)
	setLink(t, l, netlink.LinkDel)
	for _, p := range d.Ports() {
		var err error
		start := umem.Time(time.Now().UnixNano())
		now := start
		until(t, "noticed", func() bool {
			now = umem.Time(time.Now().UnixNano())
			p.Receive(now, nil)
			err = p.Kick()
			return err != nil
		})
		if !errors.Is(err, engine.ErrGone) || now-start > 2*checkEvery {
			t.Fatalf("queue %d: after %d ms: %v", p.Queue(), (now-start)/umem.Millisecond, err)
		}
		if err := p.Kick(); !errors.Is(err, engine.ErrGone) {
			t.Errorf("and then: %v", err)
		}
		if p.Pending() {
			t.Error("a port that is gone asks to be kicked")
		}
	}
}

// A device that is down says so, lets its worker sleep, and sends what waited once it is up.
func TestInterfaceDownAndUp(t *testing.T) {
	l := newLab(t, 1)
	d := open(t, l, configFor(l))
	p := d.Ports()[0]
	setLink(t, l, netlink.LinkSetDown)
	sendWithoutKick(t, p, 3)
	if err := p.Kick(); !errors.Is(err, engine.ErrDown) || !strings.Contains(err.Error(), "ip link set dev xs0 up") {
		t.Fatalf("%v", err)
	}
	if p.Pending() {
		t.Error("a port that is down asks to be kicked")
	}
	setLink(t, l, netlink.LinkSetUp)
	until(t, "three frames sent", func() bool {
		if err := p.Kick(); err != nil {
			t.Fatal(err)
		}
		p.reapAll()
		return p.InTx() == 0
	})
	balance(t, p)
}

// A TCP connection to the kernel's own address on our interface goes on, byte for byte, while we
// open, work and close.
func TestOtherTrafficGoesOn(t *testing.T) {
	l := newLab(t, 2)
	listener, err := l.Host("a").Listen("tcp", l.Host("a").Interface().KernelAddr(4).String()+":8080")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer listener.Close()
		if c, err := listener.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	c, err := l.Host("b").Dial(context.Background(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exchange := func(when string) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(patience))
		sent, back := make([]byte, 4096), make([]byte, 4096)
		for i := range sent {
			sent[i] = byte(i) ^ when[i%len(when)]
		}
		if _, err := c.Write(sent); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if _, err := io.ReadFull(c, back); err != nil || string(back) != string(sent) {
			t.Fatalf("%s: %v", when, err)
		}
	}
	exchange("before")
	for round := range 3 {
		d := open(t, l, configFor(l))
		exchange("open")
		flows := udpFlows(t, l, 4, 8)
		for range 50 {
			for _, f := range flows {
				_, _ = f.Write([]byte("ours"))
			}
			for _, p := range d.Ports() {
				turn(t, p, func(f *umem.Frame) bool {
					if _, _, ok := payload(f.Bytes()); !ok {
						t.Errorf("taken: % x", f.Bytes())
					}
					return false
				})
			}
			exchange(fmt.Sprint("in traffic, round ", round))
		}
		closeAndAudit(t, d)
		exchange("closed")
	}
}

// childFloods is a process that opens host a's device and echoes until it is killed.
func childFloods() {
	err := func() error {
		d, err := Open(Config{Interface: "xs0", Filter: floodFilter(), Log: quiet()})
		if err != nil {
			return err
		}
		fmt.Println("open")
		var batch, out [64]*umem.Frame
		for {
			for _, p := range d.Ports() {
				p.reapAll()
				n := p.Receive(0, batch[:min(len(batch), p.TxRoom())])
				for i, f := range batch[:n] {
					turnRound(f.Bytes())
					p.Pool().Hold(f, umem.HoldTx)
					out[i] = f
				}
				p.Transmit(out[:n])
				p.Refill()
				if err := p.Kick(); err != nil {
					return err
				}
			}
		}
	}()
	fmt.Println(err)
}

// After kill -9 in full traffic the kernel answers ping within a second, nothing is
// attached, and the next start works at once. A busy machine may hold up one ping, but
// not three.
func TestKill(t *testing.T) {
	l := newLab(t, 2)
	conns := udpFlows(t, l, 4, 8)
	stop := make(chan struct{})
	ended := make(chan struct{})
	defer func() { close(stop); <-ended }()
	go flood(conns, stop, ended)

	answered := patience
	for try := 0; try < 3 && answered > time.Second; try++ {
		answered = min(answered, answeredAfterKill(t, l, conns[0]))
	}
	if answered > time.Second {
		t.Errorf("the kernel answered after %s at best", answered)
	}
	start := time.Now()
	d := open(t, l, configFor(l))
	t.Logf("ping after %s, next start took %s", answered, time.Since(start))
	got := 0
	until(t, "traffic again", func() bool {
		for _, p := range d.Ports() {
			got += turn(t, p, func(*umem.Frame) bool { return false })
		}
		return got > 100
	})
}

// answeredAfterKill kills a child that echoes, and returns how long the kernel took then
// to answer.
func answeredAfterKill(t *testing.T, l *lab.Lab, flow net.Conn) time.Duration {
	t.Helper()
	child := startChild(t, l)
	_ = flow.SetReadDeadline(time.Now().Add(patience))
	if _, err := flow.Read(make([]byte, 100)); err != nil {
		t.Fatalf("the child does not echo: %v", err)
	}
	if attached(t, l) == 0 {
		t.Fatal("the child has no program")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	start := time.Now()
	ping(t, l)
	answered := time.Since(start)
	if id := attached(t, l); id != 0 {
		t.Errorf("program %d is still attached", id)
	}
	return answered
}

func flood(conns []net.Conn, stop <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	for {
		select {
		case <-stop:
			return
		default:
		}
		for _, c := range conns {
			_, _ = c.Write([]byte("flood"))
		}
	}
}

func startChild(t *testing.T, l *lab.Lab) *exec.Cmd {
	t.Helper()
	cmd := l.Host("a").Command(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=flood", floodVar+"="+l.Host("a").Interface().StackAddr(4).String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "open\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd.Cmd
}

// ping asks host a's kernel, from host b, until it answers.
func ping(t *testing.T, l *lab.Lab) {
	t.Helper()
	var fd int
	within(t, l.Host("b"), func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
		return err
	})
	defer unix.Close(fd)
	timeout := unix.Timeval{Usec: 50_000}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Addr: l.Host("a").Interface().KernelAddr(4).As4()}
	request := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	until(t, "ping answered", func() bool {
		if err := unix.Sendto(fd, request, 0, to); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, 200)
		n, from, err := unix.Recvfrom(fd, back, 0)
		if err != nil {
			return false
		}
		sender, ok := from.(*unix.SockaddrInet4)
		return ok && sender.Addr == to.Addr && n >= 28 && back[20] == 0
	})
}
