// Package proxy carries TCP connections between clients and backends, over one
// host of package xdpstack: frames that come from the one side go out on the
// other as they are.
//
//	client ──▶ listener ──▶ session ──▶ backend 1
//	                           │
//	                           └──────▶ backend 2, when 1 does not answer
//
// # Nouns
//
//   - Proxy: the listeners of a Config, and all that comes of them.
//   - Listener: an address, and the backends that its clients go to in turn.
//   - session: a client and its backend, from accept to the end of both. It lives
//     on the client's worker, and dials from there: none of its packets needs
//     another.
//   - side: one of a session's two connections, with what it received and the other
//     has no room for.
//
// # How octets go
//
// A received segment is given away by Stream.Forward: its frame is queued on the
// other connection with new headers before the payload, and stays there until it
// is acknowledged, so that what is sent again is the frame that was received.
// The window of the side that it came from opens only then. When the other side
// has no room, segments wait, retained, and the window closes of itself: memory
// is bounded by it. Many small segments would take a frame each; they are copied
// together.
//
// The stack copies where a frame cannot go on as it is: the other side's segments are smaller (IPv4 in, IPv6
// out), or the frame is of another worker's memory. It counts that by reason.
//
// # How connections end
//
// That one side sends no more is told to the other behind the last octet, and
// the other direction goes on. A reset is carried across at once. Connections on
// which nothing comes end after IdleTimeout, HalfClosedTimeout when one direction has
// ended.
//
// # What it does not do
//
// It does not look into the octets: no HTTP, no TLS. It does not ask backends
// whether they are well: a connection that fails is how it learns. All backends
// of a listener have the same weight.
//
// Read first: StreamHandler of package xdpstack; of the PROXY protocol, haproxy.org,
// doc/proxy-protocol.txt.
package proxy
