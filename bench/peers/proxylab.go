package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/internal/lab"
)

// proxyLab compares proxies between wrk and nginx, in three namespaces.
func proxyLab(ctx context.Context, lim limits, progress io.Writer) []section {
	c := &contest{
		name: "proxy over veths", twoCores: true, columns: httpColumns,
		head: []string{
			fmt.Sprintf("A TCP proxy between wrk and nginx, in three namespaces: a file of %d octets, %d connections that stay open", fileSize, connections),
			fmt.Sprintf("The proxy (here called server) is alone on core %d; wrk, nginx, and the kernel that routes between the proxy and nginx are on core %d.", workerCPU, sourceCPU),
			"No offloads at any end. Cycles are all that the proxy's core spent, and while it waits it spins. The other core is full throughout.",
		},
		wants: []want{
			{what: "requests per second", column: perSecond, theirs: 1, least: 1},
			{what: "p50", column: p50, theirs: 1, most: 1},
			{what: "cycles for a request", column: cycles, theirs: 1},
		},
	}
	for _, kind := range []contender.ServerKind{contender.Proxy, contender.HAProxy} {
		c.entrants = append(c.entrants, entrant{string(kind), func(ctx context.Context) ([]float64, string, error) {
			return wrkThrough(ctx, kind)
		}})
	}
	return []section{c.compare(ctx, lim, progress)}
}

// wrkThrough has wrk ask nginx through a proxy, in a new lab.
//
//	a (proxy) ═══ b (wrk, routes) ═══ c (nginx)
func wrkThrough(ctx context.Context, kind contender.ServerKind) (list []float64, note string, err error) {
	dir, err := os.MkdirTemp("", "xdpstack-peers-")
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, fileName), bytes.Repeat([]byte("x"), fileSize), 0o644); err != nil {
		return nil, "", err
	}
	l, err := lab.Up(lab.Config{Name: fmt.Sprintf("peers%d", os.Getpid()), Hosts: []string{"b", "a", "c"}, Queues: 1})
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	if err := routed(l); err != nil {
		return nil, "", err
	}
	proxyHost, clients, backends := l.Host("a"), l.Host("b"), l.Host("c")
	backend, err := contender.Serve(ctx, backends, contender.Nginx, dir, sourceCPU)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, backend.End()) }()
	to := netip.AddrPortFrom(backends.Interface().KernelAddr(4), contender.HTTPPort)
	if err := accepts(ctx, clients, backend, to); err != nil {
		return nil, "", err
	}
	server, err := contender.ServeProxy(ctx, proxyHost, kind, dir, to, workerCPU)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, server.End()) }()
	at := proxyHost.Interface().KernelAddr(4)
	if kind.StackSide() {
		at = clients.Interface().StackAddr(4)
	}
	if err := accepts(ctx, clients, server, netip.AddrPortFrom(at, contender.HTTPPort)); err != nil {
		return nil, "", err
	}
	list, err = runWrk(ctx, clients, fmt.Sprintf("http://%s:%d/%s", at, contender.HTTPPort, fileName))
	return list, "", err
}

// routed has the hub carry IPv4 between the others, whose default route it becomes, and silences all.
func routed(l *lab.Lab) error {
	if err := l.Hosts()[0].Setting("ipv4/ip_forward", "1"); err != nil {
		return err
	}
	for _, h := range l.Hosts() {
		for _, i := range h.Interfaces() {
			if err := h.Setting("ipv6/conf/"+i.Name+"/disable_ipv6", "1"); err != nil {
				return err
			}
		}
	}
	for i, leaf := range l.Hosts()[1:] {
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		err := leaf.Do(func() error {
			return netlink.RouteAdd(&netlink.Route{
				LinkIndex: leaf.Interface().Index, Dst: all, Gw: l.Hosts()[0].Interfaces()[i].Kernel4.Addr().AsSlice(),
			})
		})
		if err != nil {
			return fmt.Errorf("route of host %s: %w", leaf.Name(), err)
		}
	}
	return nil
}
