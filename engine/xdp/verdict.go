package xdp

// Verdict says what became of a packet, and why. Each packet has one, so the
// counters of all verdicts sum up to the packets that the program saw.
type Verdict uint8

// The verdicts, as enum verdict of bpf/maps.h has them. Taken packets went to
// the socket of their queue, passed ones to the kernel.
const (
	TakenIPv4       = Verdict(objectVerdictTAKEN_IPV4)       // to an IPv4 address that is ours alone
	TakenIPv6       = Verdict(objectVerdictTAKEN_IPV6)       // to an IPv6 address that is ours alone
	TakenARP        = Verdict(objectVerdictTAKEN_ARP)        // ARP about an address that is ours alone
	TakenND         = Verdict(objectVerdictTAKEN_ND)         // multicast solicitation or advertisement of one
	TakenPort       = Verdict(objectVerdictTAKEN_PORT)       // to a port of ours on a shared address
	TakenEcho       = Verdict(objectVerdictTAKEN_ECHO)       // echo reply to an identifier of ours on one
	TakenICMPError  = Verdict(objectVerdictTAKEN_ICMP_ERROR) // ICMP error that quotes a packet of ours from one
	TakenAll        = Verdict(objectVerdictTAKEN_ALL)        // Filter.All
	PassedSocket    = Verdict(objectVerdictPASSED_SOCKET)    // would be taken, but its queue has no socket
	PassedAddress   = Verdict(objectVerdictPASSED_ADDRESS)   // to, or about, no address of ours
	PassedPort      = Verdict(objectVerdictPASSED_PORT)      // to a port of the host's on a shared address
	PassedICMP      = Verdict(objectVerdictPASSED_ICMP)      // ICMP of the host's on one
	PassedNeighbour = Verdict(objectVerdictPASSED_NEIGHBOUR) // ARP or ND about one: both sides need it
	PassedFragment  = Verdict(objectVerdictPASSED_FRAGMENT)  // fragment to one: no ports to go by
	PassedProtocol  = Verdict(objectVerdictPASSED_PROTOCOL)  // another transport, or too many extension headers, to one
	PassedVLAN      = Verdict(objectVerdictPASSED_VLAN)      // VLAN-tagged
	PassedEthertype = Verdict(objectVerdictPASSED_ETHERTYPE) // neither IP nor ARP
	PassedShort     = Verdict(objectVerdictPASSED_SHORT)     // ends within its headers
	PassedMalformed = Verdict(objectVerdictPASSED_MALFORMED) // wrong version, header length or hardware type

	// NumVerdicts is how many there are.
	NumVerdicts = int(objectVerdictVERDICTS)
)

var verdictNames = [NumVerdicts]string{
	TakenIPv4:       "taken-ipv4",
	TakenIPv6:       "taken-ipv6",
	TakenARP:        "taken-arp",
	TakenND:         "taken-nd",
	TakenPort:       "taken-port",
	TakenEcho:       "taken-echo",
	TakenICMPError:  "taken-icmp-error",
	TakenAll:        "taken-all",
	PassedSocket:    "passed-no-socket",
	PassedAddress:   "passed-address",
	PassedPort:      "passed-port",
	PassedICMP:      "passed-icmp",
	PassedNeighbour: "passed-neighbour",
	PassedFragment:  "passed-fragment",
	PassedProtocol:  "passed-protocol",
	PassedVLAN:      "passed-vlan",
	PassedEthertype: "passed-ethertype",
	PassedShort:     "passed-short",
	PassedMalformed: "passed-malformed",
}

// String is the verdict's name in counters and reports.
func (v Verdict) String() string {
	if int(v) >= NumVerdicts {
		return "unknown"
	}
	return verdictNames[v]
}

// Taken reports whether the packet goes to user space.
func (v Verdict) Taken() bool { return v < Verdict(objectVerdictFIRST_PASSED) }

// Counts has the number of packets for each Verdict, since loading.
type Counts [NumVerdicts]uint64

// Taken is the number of packets that went to user space.
func (c *Counts) Taken() uint64 {
	return c.sum(true)
}

// Passed is the number of packets that went to the kernel.
func (c *Counts) Passed() uint64 {
	return c.sum(false)
}

func (c *Counts) sum(taken bool) (n uint64) {
	for v, count := range c {
		if Verdict(v).Taken() == taken {
			n += count
		}
	}
	return n
}
