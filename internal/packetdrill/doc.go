// Package packetdrill runs scripts in the language of google/packetdrill against a stack.Stack, in virtual
// time: what a connection says to each segment and call, to the millisecond. It is for tests alone, and
// shares no code with the tool whose language it speaks.
//
//	0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3          a call, and what it gives
//	+0  < S 0:0(0) win 65535 <mss 1000>                    a segment that arrives
//	+0  > S. 0:0(0) ack 1 <...>                            one that the stack sends, at that time
//	+.1 < . 1:1(0) ack 1 win 257
//	+0  accept(3, ..., ...) = 4
//	+0...0.2 read(4, ..., 1000) = 100                      a call that blocks, from when until when
//	+.2 < P. 1:101(100) ack 1 win 257
//	+0  %{ assert tcpi_state == TCP_ESTABLISHED }%
//
// The scripts of this project are in stack/tcp/testdata/drill, named after the section of the RFC that each shows. TestScripts
// runs them all, over IPv4 and over IPv6; one elsewhere runs with
//
//	go test ./internal/packetdrill -run TestScripts -script=/path/to/x.pkt
//
// # Nouns
//
// A Script is what Parse made of a text: Options and Events. A rig is one Stack with a device, a clock and a
// remote host that answers ARP and neighbour discovery by itself. A runner takes the events one by one, and
// lets the clock go to each; what the stack sends meanwhile waits to be claimed by the next ">" of the script. A segment that
// none claims fails the script, as does one that comes early, late, or with another field.
//
// # The language
//
//   - Times are 1.5 (since the start), +.1 (since the event before), a range of these (+0~+.2, of ">" alone), * (whenever), and
//     0.1...0.3 for a call that blocks; the event after a call that blocks counts from its beginning. Timers
//     of the stack run by the ticks of its wheel, up to 66 µs late, each: a segment counts as in time up to 17 ticks, 1.1 ms, after its time,
//     which is what 16 timeouts in a row add up to; never before it.
//   - Flags are S F R P U E W A(E) and "." for ACK, compared all. seq:end(len) counts from the initial number of its
//     sender, ack from the other's. The numbers of both wrap soon in one of the two families. What a closed port answers is not moved: it has no initial
//     number. A flow keeps its initial number when the ports are used again.
//   - win is the field as it is on the wire, unscaled, and compared if it is there. A segment that arrives needs one, but for RST.
//   - Options: mss, wscale, sackOK, sack, TS val ecr, nop, eol; of ">" none means that there is none, and <...> any.
//   - Payload is a pattern of its sequence numbers; both directions are compared with it.
//   - Local port 8080 is bound to, remote port 8080 connected to, and 49152 is the remote port of what arrives; "< :5000 S …"
//     and "< :5000>81 S …" name others (an addition), and "> :5000 …" the same.
//   - "< icmp unreachable host_unreachable [1:1(0)]": net_, host_ and port_unreachable, about a segment of ours.
//   - Calls: socket bind listen accept accept4 connect read write send recv close shutdown fcntl setsockopt getsockopt. Addresses are "...",
//     or {sin_port=htons(81)}. SO_RCVBUF and SO_SNDBUF are octets, not doubled; socket descriptors count from 3.
//   - assert knows tcpi_state, tcpi_snd_cwnd, tcpi_snd_ssthresh (segments), tcpi_snd_mss, tcpi_rto, tcpi_rtt (µs), tcpi_total_retrans, tcpi_unacked (octets
//     that are queued), sk_rmem (octets to read), cwnd, ssthresh (octets), the states (TCP_ESTABLISHED…), and every
//     counter of package tcp as nstat.TCPTimeouts; it knows or, and, not, comparisons, + - * / % and brackets. It is not Python.
//   - Options of a script: --ip_version=ipv4 or ipv6 (both, when not there), --mtu=N (the MSS is 1460 in both families without it), and
//     --streams=N, --syn_backlog=N for the stack's limits.
//
// Comments are //, /* */ and #. Everything else is refused with line and column: shell commands in backticks, poll,
// UDP, ECN marks, sendfile.
//
// Read first: packetdrill: Scriptable Network Stack Testing, from Sockets to Packets (USENIX ATC 2013).
package packetdrill
