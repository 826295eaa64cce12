// Package netstack makes stacks of gVisor's for TCP, set up alike for all that is measured: IPv4, one interface, one address,
// selective acknowledgements and a window that grows, as runsc has them.
//
// What it does not do: it chooses no link. In memory that is pkg/tcpip/link/pipe, over a veth pkg/tcpip/link/fdbased.
//
// Read first: New.
package netstack
