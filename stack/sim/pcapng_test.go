package sim

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// example is a capture of two packets, on two taps.
func example() []byte {
	var b bytes.Buffer
	c := NewCapture(&b)
	first, second := c.tap("a sends"), c.tap("b receives")
	arp := make([]byte, 42)
	copy(arp, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x01\x01\x99\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01")
	c.packet(first, 1500000000*umem.Second+7, arp, "lost")
	c.packet(second, 1500000000*umem.Second+8, append(arp, 0), "")
	return b.Bytes()
}

// TestCaptureIsPcapng walks the blocks with a plain reader.
func TestCaptureIsPcapng(t *testing.T) {
	b := example()
	var kinds []uint32
	for len(b) > 0 {
		n := binary.LittleEndian.Uint32(b[4:])
		if n%4 != 0 || int(n) > len(b) || binary.LittleEndian.Uint32(b[n-4:]) != n {
			t.Fatalf("block %d: length %d, repeated as %d", len(kinds), n, binary.LittleEndian.Uint32(b[n-4:]))
		}
		kinds = append(kinds, binary.LittleEndian.Uint32(b))
		if kinds[len(kinds)-1] == blockPacket && binary.LittleEndian.Uint32(b[20:]) != binary.LittleEndian.Uint32(b[24:]) {
			t.Error("captured and original length differ")
		}
		b = b[n:]
	}
	want := []uint32{blockSection, blockInterface, blockInterface, blockPacket, blockPacket}
	if len(kinds) != len(want) {
		t.Fatalf("blocks %x, want %x", kinds, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("block %d is %x, want %x", i, kinds[i], want[i])
		}
	}
}

func TestTcpdumpReadsTheCapture(t *testing.T) {
	tcpdump := testenv.Tool(t, "tcpdump")
	path := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(path, example(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tcpdump, "-nr", path).Output()
	if err != nil || strings.Count(string(out), "ARP") != 2 {
		t.Errorf("tcpdump says %q, %v; want two ARP packets", out, err)
	}
}
