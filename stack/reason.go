package stack

// Reason says why a frame was dropped. Every drop is counted under one, and
// freed, in Stack.drop.
type Reason uint8

// The reasons. reasons has their names and what they mean.
const (
	noReason Reason = iota

	// Link layer.
	NoInterface
	PullupFailed
	LinkTooShort
	OtherHost
	LinkGroup
	EtherType

	// Network layer, received.
	IPMalformed
	IPChecksum
	IPOptions
	SourceRoute
	MartianSource
	OwnSource
	NotForUs
	NotMember
	Fragment
	ExtHeaders
	NoNextHeader
	UnknownProtocol

	// ARP, ND, ICMP.
	ARPMalformed
	ARPNotForUs
	NDInvalid
	NDNotForUs
	AddressConflict
	ICMPMalformed
	ICMPChecksum
	ICMPIgnored
	EchoGroup

	// Transport layer.
	UDPMalformed
	UDPChecksum
	NoSocket
	TCPMalformed
	TCPChecksum
	NoConnection
	OutsideWindow
	TCPForged
	ListenOverflow

	// Bounds.
	ReceiveQueueFull
	ReceiveQuota
	EventsFull
	QdiscFull
	LocalFull
	HandoffFull
	PendingFull
	NeighbourFailed
	NoRoute
	TooBig
	RawNoFrame
	SocketClosed
	numReasons
)

// NumReasons is how many reasons there are.
const NumReasons = int(numReasons)

// reasons: the name, as counters show it, and one line for whoever reads it.
var reasons = [numReasons]struct{ name, meaning string }{
	noReason:         {"none", "not dropped"},
	NoInterface:      {"no_interface", "came from a device that no interface is configured for"},
	PullupFailed:     {"pullup_failed", "its headers are spread over fragments and do not fit into one"},
	LinkTooShort:     {"link_too_short", "shorter than an Ethernet header"},
	OtherHost:        {"other_host", "sent to another station's Ethernet address"},
	LinkGroup:        {"link_group", "a packet to one host in an Ethernet broadcast (RFC 1122, 3.3.6)"},
	EtherType:        {"ethertype", "neither IPv4 nor IPv6 nor ARP"},
	IPMalformed:      {"ip_malformed", "the IP header contradicts itself or the frame's length"},
	IPChecksum:       {"ip_checksum", "the IPv4 header's checksum is wrong"},
	IPOptions:        {"ip_options", "IPv4 options that cannot be walked"},
	SourceRoute:      {"source_route", "an IPv4 source route (RFC 7126, 4.3 and 4.4)"},
	MartianSource:    {"martian_source", "a source address that no host can have"},
	OwnSource:        {"own_source", "came from a wire with an address of this host as its source"},
	NotForUs:         {"not_for_us", "to an address that this host does not have; it is no router"},
	NotMember:        {"not_member", "to a group that this host is not in"},
	Fragment:         {"fragment", "a part of a packet: reassembly is not there yet"},
	ExtHeaders:       {"ext_headers", "IPv6 extension headers malformed, refused or beyond the limits"},
	NoNextHeader:     {"no_next_header", "an IPv6 packet that says that it has no payload"},
	UnknownProtocol:  {"unknown_protocol", "no such transport protocol here"},
	ARPMalformed:     {"arp_malformed", "not an ARP packet for IPv4 over Ethernet, or a senseless one"},
	ARPNotForUs:      {"arp_not_for_us", "ARP between others"},
	NDInvalid:        {"nd_invalid", "neighbor discovery that fails RFC 4861, 7.1"},
	NDNotForUs:       {"nd_not_for_us", "neighbor discovery for others"},
	AddressConflict:  {"address_conflict", "ARP or ND from another host with our address"},
	ICMPMalformed:    {"icmp_malformed", "an ICMP message, or the packet that it quotes, cut short"},
	ICMPChecksum:     {"icmp_checksum", "the ICMP checksum is wrong"},
	ICMPIgnored:      {"icmp_ignored", "an ICMP message that a host does not act on"},
	EchoGroup:        {"echo_group", "an ICMP echo to a broadcast or group (RFC 1122, 3.2.2.6)"},
	UDPMalformed:     {"udp_malformed", "the UDP length contradicts the packet's"},
	UDPChecksum:      {"udp_checksum", "the UDP checksum is wrong, or missing over IPv6"},
	NoSocket:         {"no_socket", "nobody listens on the port"},
	TCPMalformed:     {"tcp_malformed", "the TCP header's length contradicts the packet's, or it was sent to a group"},
	TCPChecksum:      {"tcp_checksum", "the TCP checksum is wrong"},
	NoConnection:     {"no_connection", "no TCP connection or listener that it could be for: answered with RST"},
	OutsideWindow:    {"outside_window", "a TCP segment outside the window, or that the connection's state does not take"},
	TCPForged:        {"tcp_forged", "a RST or SYN that may be forged: answered with an ACK (RFC 5961)"},
	ListenOverflow:   {"listen_overflow", "a listener's queue, or the table of streams, is full: accept faster, or raise Backlog or Streams"},
	ReceiveQueueFull: {"receive_queue_full", "the socket's receive queue is full: read faster, or raise RecvFrames or RecvBytes"},
	ReceiveQuota:     {"receive_quota", "sockets and application hold as many frames as the pool allows: release them"},
	EventsFull:       {"events_full", "the event queue is full: call Events more often, or raise Limits.Events"},
	QdiscFull:        {"qdisc_full", "the queue before the device is full"},
	LocalFull:        {"local_full", "the queue of packets from this host to itself is full"},
	HandoffFull:      {"handoff_full", "the queue of packets for other workers is full"},
	PendingFull:      {"pending_full", "too many packets wait for neighbours' link addresses"},
	NeighbourFailed:  {"neighbour_failed", "the next hop did not answer"},
	NoRoute:          {"no_route", "an answer that no route, source address or neighbour entry was there for"},
	TooBig:           {"too_big", "an answer larger than the way back takes"},
	RawNoFrame:       {"raw_no_frame", "no free frame for a raw socket's copy"},
	SocketClosed:     {"socket_closed", "waited in a socket that was closed"},
}

// String is the reason's name, as counters show it.
func (r Reason) String() string {
	if r < numReasons {
		return reasons[r].name
	}
	return "unknown"
}

// Meaning is one line on what happened, and where there is something to do about
// it, what.
func (r Reason) Meaning() string {
	if r < numReasons {
		return reasons[r].meaning
	}
	return "unknown"
}
