// Package e2e holds the tests of the whole: the command as a user starts it, in
// one namespace of a lab, and the kernel's own clients in another. It has no
// code of its own.
//
//	host a                          host b
//	xdpstack run -i xs0      ────   the kernel: ping, UDP, TCP
//	the kernel of a, which must
//	stay reachable beside it
//
// Read first: packages internal/lab and internal/probe.
package e2e
