// Package control lets other processes look into a running host: its sockets and
// its counters, over a Unix socket.
//
//	xdpstack run ── Server ── /run/xdpstack/PID.sock ── Client ── xdpstack ss, stats
//
// The socket is a file of mode 0600, and the server asks the kernel who connects
// (SO_PEERCRED): the server's own user and root are let in, nobody else, however the
// file's mode was changed. What is spoken is HTTP with JSON answers, so that
//
//	curl --unix-socket /run/xdpstack/PID.sock http://host/v1/sockets
//
// works too.
//
// # Nouns
//
//   - Server: answers for one host, from Serve to Close.
//   - Client: asks one server.
//   - Find: the servers that run on this machine. A socket that nobody listens on
//     is of a process that was killed: Serve and Find remove it.
//
// # What is not here
//
// Nothing can be changed through it: it is for looking. The network of the machine
// never sees it.
//
// Read first: unix(7), SO_PEERCRED.
package control
