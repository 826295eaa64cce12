// Package probe has the kernel's clients: what talks to the stack under test
// from another namespace of a lab, through the kernel's own sockets.
//
//	Pinger    ICMP and ICMPv6 echo requests, one after the other
//	Echoer    datagrams to an echo service, one after the other, over many ports
//	Times     the round trips that they took
//
// They are for tests and for the demo, so that those need no program installed.
// Round trips are measured by the clock around a blocking read, and contain what
// the Go runtime needs to wake a goroutine: some microseconds.
package probe
