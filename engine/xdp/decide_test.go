package xdp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

var nop = []byte{1, 1, 1, 1}

// decisions are packets under testFilter, with the verdict that each must have.
var decisions = []struct {
	name   string
	packet []byte
	want   Verdict
}{
	{"own address, UDP", packet(v4, ip4(own4, 17), udp(9, 9)), TakenIPv4},
	{"own address, TCP", packet(v4, ip4(own4, 6), tcp(9, 9)), TakenIPv4},
	{"own address, any protocol", packet(v4, ip4(own4, 132)), TakenIPv4},
	{"own address, options", packet(v4, ip4(own4, 17, nop...), udp(9, 9)), TakenIPv4},
	{"own address, first fragment", packet(v4, frag4(ip4(own4, 17), 0x2000), udp(9, 9)), TakenIPv4},
	{"own address, last fragment", packet(v4, frag4(ip4(own4, 17), 185), nop), TakenIPv4},
	{"own address, echo request", packet(v4, ip4(own4, 1), icmp(8, 1)), TakenIPv4},
	{"own address, IPv6", packet(v6, ip6(own6, 17), udp(9, 9)), TakenIPv6},
	{"own address, IPv6 extensions", packet(v6, ip6(own6, 0), ext(60, 0), ext(17, 0), udp(9, 9)), TakenIPv6},
	{"own address, IPv6 fragment", packet(v6, ip6(own6, 44), frag6(17, 8), nop), TakenIPv6},
	{"own address, IPv6 unicast solicitation", packet(v6, ip6(own6, 58), nd(135, own6)), TakenIPv6},
	{"own address, IPv6 unicast advertisement", packet(v6, ip6(own6, 58), nd(136, other6)), TakenIPv6},

	{"other address", packet(v4, ip4(other4, 17), udp(9, 9)), PassedAddress},
	{"other address, IPv6", packet(v6, ip6(other6, 17), udp(9, 9)), PassedAddress},
	{"broadcast: DHCP", packet(v4, ip4(ip("255.255.255.255"), 17), udp(67, 68)), PassedAddress},
	{"multicast: all hosts", packet(v4, ip4(ip("224.0.0.1"), 2)), PassedAddress},
	{"IPv4-mapped address in IPv6", packet(v6, ip6(ip("::ffff:198.18.0.2"), 17), udp(9, 9)), PassedAddress},
	{"IPv4-mapped ND target", packet(v6, ip6(allNodes, 58), nd(136, ip("::ffff:198.18.0.2"))), PassedAddress},

	{"ARP request for own", arp(1, other4, own4), TakenARP},
	{"ARP reply to own", arp(2, other4, own4), TakenARP},
	{"ARP probe of own", arp(1, ip("0.0.0.0"), own4), TakenARP},
	{"ARP announcement of own by another", arp(1, own4, own4), TakenARP},
	{"ARP reply that answers our probe", arp(2, own4, ip("0.0.0.0")), TakenARP},
	{"ARP request for shared", arp(1, other4, shared4), PassedNeighbour},
	{"ARP reply to shared", arp(2, other4, shared4), PassedNeighbour},
	{"ARP request from shared for own", arp(1, shared4, own4), TakenARP},
	{"ARP announcement of a neighbour", arp(1, other4, other4), PassedAddress},
	{"ARP, short", arp(1, other4, own4)[:41], PassedShort},
	{"ARP, longer addresses", replace(arp(1, other4, own4), 18, 8), PassedMalformed},
	{"ARP, other hardware", replace(arp(1, other4, own4), 15, 6), PassedMalformed},
	{"ARP, other protocol", replace(arp(1, other4, own4), 17, 1), PassedMalformed},
	{"ARP, other protocol length", replace(arp(1, other4, own4), 19, 16), PassedMalformed},

	{"ND solicitation of own", packet(v6, ip6(solicited(own6), 58), nd(135, own6)), TakenND},
	{"ND solicitation behind options", packet(v6, ip6(solicited(own6), 0), ext(58, 0), nd(135, own6)), TakenND},
	{"ND solicitation of shared", packet(v6, ip6(solicited(shared6), 58), nd(135, shared6)), PassedNeighbour},
	{"ND solicitation of another", packet(v6, ip6(solicited(other6), 58), nd(135, other6)), PassedAddress},
	{"ND solicitation to all nodes", packet(v6, ip6(allNodes, 58), nd(135, own6)), PassedAddress},
	{"ND solicitation to a group near by", packet(v6, ip6(ip("ff02::1:fe00:2"), 58), nd(135, own6)), PassedAddress},
	{"ND solicitation to a group of the site", packet(v6, ip6(ip("ff05::1:ff00:2"), 58), nd(135, own6)), PassedAddress},
	{"ND solicitation, short", packet(v6, ip6(solicited(own6), 58), nd(135, own6)[:23]), PassedAddress},
	{"ND solicitation, fragmented", packet(v6, ip6(solicited(own6), 44), frag6(58, 1), nd(135, own6)), PassedAddress},
	{"ND advertisement of own to all nodes", packet(v6, ip6(allNodes, 58), nd(136, own6)), TakenND},
	{"ND advertisement of a neighbour to all nodes", packet(v6, ip6(allNodes, 58), nd(136, other6)), PassedAddress},
	{"router advertisement", packet(v6, ip6(allNodes, 58), nd(134, own6)), PassedAddress},
	{"MLD query", packet(v6, ip6(allNodes, 0), ext(58, 0), nd(130, own6)), PassedAddress},

	{"shared, our TCP port", packet(v4, ip4(shared4, 6), tcp(9, 80)), TakenPort},
	{"shared, our port behind options", packet(v4, ip4(shared4, 6, nop...), tcp(9, 80)), TakenPort},
	{"shared, our port as UDP", packet(v4, ip4(shared4, 17), udp(9, 80)), PassedPort},
	{"shared, our port as source", packet(v4, ip4(shared4, 6), tcp(80, 9)), PassedPort},
	{"shared, port below ours", packet(v4, ip4(shared4, 17), udp(9, 49151)), PassedPort},
	{"shared, first ephemeral port", packet(v4, ip4(shared4, 17), udp(9, 49152)), TakenPort},
	{"shared, last ephemeral port", packet(v4, ip4(shared4, 17), udp(9, 65535)), TakenPort},
	{"shared, port 0", packet(v4, ip4(shared4, 17), udp(9, 0)), PassedPort},
	{"shared, a port of this address", packet(v4, ip4(shared4, 6), tcp(9, 6443)), TakenPort},
	{"shared, a port of the other address", packet(v6, ip6(shared6, 6), tcp(9, 6443)), PassedPort},
	{"shared, IPv6, our port", packet(v6, ip6(shared6, 6), tcp(9, 80)), TakenPort},
	{"shared, IPv6, behind options", packet(v6, ip6(shared6, 0), ext(43, 3), ext(60, 0), ext(6, 1), tcp(9, 80)), TakenPort},
	{"shared, IPv6, five extensions", packet(v6, ip6(shared6, 0), exts(4), ext(6, 0), tcp(9, 80)), TakenPort},
	{"shared, IPv6, six extensions", packet(v6, ip6(shared6, 0), exts(5), ext(6, 0), tcp(9, 80)), PassedProtocol},
	{"shared, IPv6, atomic fragment", packet(v6, ip6(shared6, 44), frag6(6, 0), tcp(9, 80)), TakenPort},
	{"shared, IPv6, first fragment", packet(v6, ip6(shared6, 44), frag6(6, 1), tcp(9, 80)), PassedFragment},
	{"shared, IPv6, later fragment", packet(v6, ip6(shared6, 44), frag6(6, 8), tcp(9, 80)), PassedFragment},
	{"shared, IPv6, authentication header", packet(v6, ip6(shared6, 51), ext(6, 1), tcp(9, 80)), PassedProtocol},
	{"shared, first fragment", packet(v4, frag4(ip4(shared4, 6), 0x2000), tcp(9, 80)), PassedFragment},
	{"shared, later fragment", packet(v4, frag4(ip4(shared4, 6), 1), tcp(9, 80)), PassedFragment},
	{"shared, do not fragment", packet(v4, frag4(ip4(shared4, 6), 0x4000), tcp(9, 80)), TakenPort},
	{"shared, SCTP", packet(v4, ip4(shared4, 132), tcp(9, 80)), PassedProtocol},
	{"shared, ICMPv6 in IPv4", packet(v4, ip4(shared4, 58), icmp(129, 700)), PassedProtocol},
	{"shared, ICMP in IPv6", packet(v6, ip6(shared6, 1), icmp(0, 700)), PassedProtocol},

	{"shared, echo request", packet(v4, ip4(shared4, 1), icmp(8, 700)), PassedICMP},
	{"shared, echo reply to us", packet(v4, ip4(shared4, 1), icmp(0, 700)), TakenEcho},
	{"shared, echo reply to the host", packet(v4, ip4(shared4, 1), icmp(0, 699)), PassedICMP},
	{"shared, IPv6 echo request", packet(v6, ip6(shared6, 58), icmp(128, 700)), PassedICMP},
	{"shared, IPv6 echo reply to us", packet(v6, ip6(shared6, 58), icmp(129, 799)), TakenEcho},
	{"shared, IPv6 echo reply to the host", packet(v6, ip6(shared6, 58), icmp(129, 800)), PassedICMP},
	{"shared, IPv6 unicast solicitation", packet(v6, ip6(shared6, 58), nd(135, shared6)), PassedICMP},

	{"shared, error for our TCP", packet(v4, ip4(shared4, 1), icmp(3, 0, ip4(other4, 6), tcp(80, 9))), TakenICMPError},
	{"shared, error for our TCP, options", packet(v4, ip4(shared4, 1), icmp(11, 0, ip4(other4, 6, nop...), tcp(80, 9))), TakenICMPError},
	{"shared, error, eight bytes quoted", packet(v4, ip4(shared4, 1), icmp(12, 0, ip4(other4, 17), udp(49152, 9))), TakenICMPError},
	{"shared, error, seven bytes quoted", packet(v4, ip4(shared4, 1), icmp(12, 0, ip4(other4, 17), udp(49152, 9)[:7])), PassedICMP},
	{"shared, error for the host's TCP", packet(v4, ip4(shared4, 1), icmp(3, 0, ip4(other4, 6), tcp(9, 80))), PassedICMP},
	{"shared, error for our echo", packet(v4, ip4(shared4, 1), icmp(4, 0, ip4(other4, 1), icmp(8, 700))), TakenICMPError},
	{"shared, error for an echo reply", packet(v4, ip4(shared4, 1), icmp(3, 0, ip4(other4, 1), icmp(0, 700))), PassedICMP},
	{"shared, error for a fragment", packet(v4, ip4(shared4, 1), icmp(3, 0, frag4(ip4(other4, 6), 1), tcp(80, 9))), PassedICMP},
	{"shared, error quoting nonsense", packet(v4, ip4(shared4, 1), icmp(3, 0, make([]byte, 40))), PassedICMP},
	{"shared, error quoting nothing", packet(v4, ip4(shared4, 1), icmp(3, 0)), PassedICMP},
	{"shared, redirect", packet(v4, ip4(shared4, 1), icmp(5, 0, ip4(other4, 6), tcp(80, 9))), PassedICMP},
	{"shared, IPv6 error for our TCP", packet(v6, ip6(shared6, 58), icmp(1, 0, ip6(other6, 6), tcp(80, 9))), TakenICMPError},
	{"shared, IPv6 packet too big, options", packet(v6, ip6(shared6, 58), icmp(2, 0, ip6(other6, 60), ext(17, 2), udp(50000, 9))), TakenICMPError},
	{"shared, IPv6 error for our echo", packet(v6, ip6(shared6, 58), icmp(4, 0, ip6(other6, 58), icmp(128, 701))), TakenICMPError},
	{"shared, IPv6 error for the host's UDP", packet(v6, ip6(shared6, 58), icmp(3, 0, ip6(other6, 17), udp(9, 50000))), PassedICMP},
	{"shared, IPv6 error of type 0", packet(v6, ip6(shared6, 58), icmp(0, 0, ip6(other6, 6), tcp(80, 9))), PassedICMP},
	{"shared, IPv6 error of type 5", packet(v6, ip6(shared6, 58), icmp(5, 0, ip6(other6, 6), tcp(80, 9))), PassedICMP},
	{"shared, IPv6 error quoting IPv4", packet(v6, ip6(shared6, 58), icmp(1, 0, ip4(other4, 6), tcp(80, 9), make([]byte, 40))), PassedICMP},

	{"tagged", packet(eth(0x8100), be16(5), be16(0x0800), ip4(own4, 17), udp(9, 9)), PassedVLAN},
	{"doubly tagged", packet(eth(0x88a8), be16(5), be16(0x8100), be16(6), be16(0x0800), ip4(own4, 17)), PassedVLAN},
	{"LLDP", packet(eth(0x88cc), make([]byte, 46)), PassedEthertype},
	{"802.3 length", packet(eth(46), make([]byte, 46)), PassedEthertype},
	{"nothing but Ethernet", v4, PassedShort},
	{"IPv4, short", packet(v4, ip4(own4, 17)[:19]), PassedShort},
	{"IPv6, short", packet(v6, ip6(own6, 17)[:39]), PassedShort},
	{"shared, ports cut off", packet(v4, ip4(shared4, 6), tcp(9, 80)[:3]), PassedShort},
	{"shared, ICMP cut off", packet(v4, ip4(shared4, 1), icmp(0, 700)[:7]), PassedShort},
	{"shared, IPv6 ICMP cut off", packet(v6, ip6(shared6, 58), icmp(129, 700)[:7]), PassedShort},
	{"shared, options cut off", packet(v4, ip4(shared4, 6, make([]byte, 40)...)[:40]), PassedShort},
	{"shared, extension cut off", packet(v6, ip6(shared6, 0), ext(6, 0)[:7]), PassedShort},
	{"shared, extension longer than the packet", packet(v6, ip6(shared6, 0), ext(6, 255)[:100]), PassedShort},
	{"IPv4 with version 6", replace(packet(v4, ip4(own4, 17)), 14, 0x65), PassedMalformed},
	{"IPv6 with version 4", replace(packet(v6, ip6(own6, 17)), 14, 0x40), PassedMalformed},
	{"shared, header of 16", replace(packet(v4, ip4(shared4, 6), tcp(9, 80)), 14, 0x44), PassedMalformed},
	{"own, header of 16", replace(packet(v4, ip4(own4, 6), tcp(9, 80)), 14, 0x44), TakenIPv4},
}

// exts is a chain of n destination options.
func exts(n int) []byte { return bytes.Repeat(ext(60, 0), n) }

func replace(b []byte, at int, value byte) []byte {
	b[at] = value
	return b
}

func TestDecide(t *testing.T) {
	p := load(t, Config{Queues: 1, Filter: testFilter})
	for _, d := range decisions {
		t.Run(d.name, func(t *testing.T) {
			if ref := testFilter.reference(d.packet); ref != d.want {
				t.Errorf("the reference says %s, want %s", ref, d.want)
			}
			got, err := p.Match(d.packet)
			if err != nil {
				t.Fatal(err)
			}
			if got != d.want {
				t.Errorf("verdict %s, want %s", got, d.want)
			}
		})
	}
}

// Every verdict that decide can come to has a packet in the table.
func TestDecisionsAreComplete(t *testing.T) {
	seen := map[Verdict]bool{TakenAll: true, PassedSocket: true} // execute's
	for _, d := range decisions {
		seen[d.want] = true
	}
	for v := range Verdict(NumVerdicts) {
		if !seen[v] {
			t.Errorf("no packet of the table is %s", v)
		}
	}
}

// The program and the reference agree on packets of the table with bytes changed, cut or added.
func TestDecideAgreesWithReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	p := load(t, Config{Queues: 1, Filter: testFilter})
	for range 30000 {
		agree(t, p, mutate(rng, decisions[rng.IntN(len(decisions))].packet))
	}
}

func agree(t *testing.T, p *Program, b []byte) {
	t.Helper()
	got, err := p.Match(b)
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	if want := testFilter.reference(b); got != want {
		t.Fatalf("%x: verdict %s, the reference says %s", b, got, want)
	}
}

// mutate returns a changed copy of at least an Ethernet header, which BPF_PROG_TEST_RUN wants.
func mutate(rng *rand.Rand, b []byte) []byte {
	b = append([]byte(nil), b...)
	for range rng.IntN(4) {
		// The fields that decide are few: small values reach them more often.
		b[rng.IntN(len(b))] = byte(rng.IntN(256)) >> rng.IntN(8)
	}
	switch rng.IntN(4) {
	case 0:
		b = b[:14+rng.IntN(len(b)-13)]
	case 1:
		b = append(b, make([]byte, rng.IntN(64))...)
	}
	return b
}

// The filter answers XDP_PASS or XDP_REDIRECT to anything, counts each packet once, and
// changes none.
func TestFilterOnlyPassesOrRedirects(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	p := load(t, Config{Queues: 1, Filter: testFilter})
	if err := p.Register(0, socket(t)); err != nil {
		t.Fatal(err)
	}
	const packets = 10000
	var taken uint64
	for range packets {
		b := mutate(rng, decisions[rng.IntN(len(decisions))].packet)
		action, out, err := p.objects.XdpstackFilter.Test(b)
		if err != nil {
			t.Fatal(err)
		}
		want := uint32(xdpPass)
		if testFilter.reference(b).Taken() {
			want = xdpRedirect
			taken++
		}
		if action != want {
			t.Fatalf("%x: action %d, want %d", b, action, want)
		}
		if !bytes.Equal(out, b) {
			t.Fatalf("%x was changed to %x", b, out)
		}
	}
	counts, err := p.Verdicts()
	if err != nil {
		t.Fatal(err)
	}
	if counts.Taken() != taken || counts.Passed() != packets-taken {
		t.Errorf("counted %d taken and %d passed, want %d and %d", counts.Taken(), counts.Passed(), taken, packets-taken)
	}
}

// The answers of an XDP program, enum xdp_action of include/uapi/linux/bpf.h.
const (
	xdpPass     = 2
	xdpRedirect = 4
)

func FuzzDecide(f *testing.F) {
	for _, d := range decisions {
		f.Add(d.packet)
	}
	p := load(f, Config{Queues: 1, Filter: testFilter})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 14 && len(b) <= 2000 {
			agree(t, p, b)
		}
	})
}

// BenchmarkFilter measures what the program costs the kernel per packet.
func BenchmarkFilter(b *testing.B) {
	for _, c := range []struct {
		name   string
		filter Filter
		packet []byte
	}{
		{"all", Filter{All: true}, packet(v4, ip4(own4, 17), udp(9, 9))},
		{"own4", testFilter, packet(v4, ip4(own4, 17), udp(9, 9))},
		{"own6", testFilter, packet(v6, ip6(own6, 17), udp(9, 9))},
		{"shared4", testFilter, packet(v4, ip4(shared4, 6), tcp(9, 80))},
		{"other4", testFilter, packet(v4, ip4(other4, 6), tcp(9, 80))},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := load(b, Config{Queues: 1, Filter: c.filter})
			if err := p.Register(0, socket(b)); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			_, each, err := p.entry(c.filter.All).Benchmark(c.packet, max(b.N, 1000), b.ResetTimer)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(each.Nanoseconds()), "kernel-ns/packet")
		})
	}
}

func ExampleProgram_Match() {
	p, err := Load(Config{Queues: 1, Filter: testFilter})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	verdict, err := p.Match(packet(v4, ip4(own4, 17), udp(9, 9)))
	fmt.Println(verdict, err)
}
