package xdpstack_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// start is what every program begins with; it needs root and a device.
func start(ctx context.Context) (*xdpstack.Host, error) {
	return xdpstack.New(ctx, xdpstack.Config{
		Interface: "eth1",
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.2/24"), netip.MustParsePrefix("2001:2::2/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("198.18.0.1")},
	})
}

func ExampleNew() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err) // one line that says what to do
	}
	defer h.Close()
	st, err := h.Stats()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("mode in force:", st.Device.Mode)
	for _, r := range st.Device.Reasons {
		fmt.Println("not possible:", r)
	}
	if err := h.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// An echo server on net.PacketConn: one copy out of the frame, one into another.
func ExampleHost_ListenPacket() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	conn, err := h.ListenPacket("udp", ":7")
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if _, err := conn.WriteTo(buf[:n], from); err != nil {
			log.Print(err)
		}
	}
}

// The same without a copy: the frame that came in goes out.
func ExampleHost_HandleDatagram() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	srv, err := h.HandleDatagram("udp", ":7", func(d *xdpstack.Datagram) {
		if len(d.Data()) > 0 {
			_ = d.Reply() // what cannot be sent is counted
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	if err := h.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func ExampleHost_Dial() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	conn, err := h.Dial("udp", net.JoinHostPort("198.18.0.1", "7"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	fmt.Println(string(buf[:n]), err)
}

// A message with its ancillary data: who sent it, when it came.
func ExampleHost_Socket() {
	h, err := start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	s, err := h.Socket(xdpstack.FamilyDatagram, 0, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind(netip.MustParseAddrPort("198.18.0.2:4000")); err != nil {
		log.Fatal(err)
	}
	m := xdpstack.Msg{Data: make([]byte, 1500)}
	n, err := s.RecvMsg(&m)
	if err != nil {
		log.Fatal(err)
	}
	if m.Flags&socket.Local != 0 {
		fmt.Printf("%d octets from process %d of user %d on this host\n", n, m.Cred.PID, m.Cred.UID)
	}
}
