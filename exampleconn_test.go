package xdpstack_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/engine/mem"
)

// joined makes two hosts on a cable within the process: 198.18.0.1 and 198.18.0.2. New makes
// one on a device.
func joined() (a, b *xdpstack.Host, closeBoth func()) {
	da, db, err := mem.Cable(mem.CableConfig{})
	if err != nil {
		panic(err)
	}
	host := func(addr string, dev xdpstack.Device) *xdpstack.Host {
		h, err := xdpstack.NewOn(context.Background(), xdpstack.Config{
			Interface: "cable", Addresses: []netip.Prefix{netip.MustParsePrefix(addr)},
			DAD: -1, Log: slog.New(slog.DiscardHandler),
		}, dev)
		if err != nil {
			panic(err)
		}
		return h
	}
	a, b = host("198.18.0.1/24", da), host("198.18.0.2/24", db)
	return a, b, func() {
		for _, h := range []*xdpstack.Host{a, b} {
			if err := h.Close(); err != nil {
				fmt.Println(err)
			}
		}
	}
}

// Package net/http as it is: a server that gets its connections from a host, and a client that
// dials through one.
func ExampleHost_Listen() {
	client, server, closeBoth := joined()
	defer closeBoth()

	l, err := server.Listen("tcp", ":80")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", r.URL.Path, r.Host)
	})}
	go srv.Serve(l)
	defer srv.Close()

	transport := &http.Transport{DialContext: client.DialContext}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	for _, path := range []string{"/once", "/again"} {
		res, err := c.Get("http://198.18.0.2" + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.Status, string(body), err)
	}
	// Output:
	// 200 OK /once from 198.18.0.2 <nil>
	// 200 OK /again from 198.18.0.2 <nil>
}

// Package crypto/tls as it is.
func ExampleHost_DialContext() {
	client, server, closeBoth := joined()
	defer closeBoth()

	l, err := server.Listen("tcp", "198.18.0.2:443")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	cert, roots := selfSigned("198.18.0.2")
	go func() {
		c, err := tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}).Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()

	conn, err := client.DialContext(context.Background(), "tcp", "198.18.0.2:443")
	if err != nil {
		fmt.Println(err)
		return
	}
	c := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "198.18.0.2"})
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(c, "a secret")
	_ = c.CloseWrite()
	echo, err := io.ReadAll(c)
	fmt.Println(string(echo), err)
	// Output: a secret <nil>
}

// selfSigned is a certificate for an address, and those that trust it.
func selfSigned(addr string) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(addr)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
