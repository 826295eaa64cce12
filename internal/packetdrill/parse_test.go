package packetdrill

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTextsThatAreRefused, each with line and column.
func TestTextsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"0 `sysctl x`":                                   `x:1:3: shell commands are not supported`,
		"--tolerance_usecs=1000\n":                       `x:1:3: option --tolerance_usecs is not supported`,
		"--ip_version=ipv5":                              `x:1:14: --ip_version=ipv5 is not possible`,
		"--mtu=9":                                        `x:1:7: --mtu=9 is not possible`,
		"\n0 sendfile(4, 5) = 0":                         `x:2:3: call sendfile is not supported`,
		"0 read(4, 5) = 0":                               `x:1:3: read has 3 arguments, not 2`,
		"0 close(4) = -1 EOWNERDEAD":                     `x:1:17: error EOWNERDEAD is not known`,
		"0 close(4) = -2 EPIPE":                          `x:1:15: "2", where a whole number up to 1 is expected`,
		"0 close(4) = -1 EPIPE (never":                   `x:1:17: brackets without an end`,
		"0 close(4)":                                     `x:1:11: the end of the script, where "=" is expected`,
		"0 close(4) = 0 1":                               `x:1:16: "1" is not expected here`,
		"0 < S 0:0(0)":                                   `x:1:5: a segment that arrives has to say its window: win`,
		"0 > . 0:0(0)":                                   `x:1:5: a segment with ACK has to say what of: ack`,
		"0 < X 0:0(0) win 1":                             `x:1:5: "X" is no flag, or is there already`,
		"0 < SS 0:0(0) win 1":                            `x:1:5: "S" is no flag, or is there already`,
		"0 < S 0:1(0) win 1":                             `x:1:9: 0 octets from 0 on end at 0`,
		"0 < S 0:9000(9000) win 1":                       `x:1:14: "9000", where a whole number up to 1600 is expected`,
		"0 < S 0:0(0) win 65536":                         `x:1:18: "65536", where a whole number up to 65535 is expected`,
		"0 < S 0:0(0) win 1 <...>":                       `x:1:20: any options are for segments that are sent`,
		"0 < S 0:0(0) win 1 <mptcp>":                     `x:1:21: option mptcp of a segment is not supported`,
		"0 < S 0:0(0) win 1 <sack 1:2 3:4 5:6 7:8 9:10>": `x:1:20: options of 44 octets`,
		"0 < 0:0(0) win 1":                               `x:1:5: "0", where flags are expected`,
		"0 < [ect0] . 0:0(0) ack 0 win 1":                `x:1:5: "[", where flags are expected`,
		"0 < icmp unreachable frag_needed [1:1(0)]":      `x:1:22: icmp unreachable frag_needed is not supported`,
		"0~1 < S 0:0(0) win 1":                           `x:1:1: only a segment that is sent has a range of times`,
		"0...1 > . 0:0(0) ack 0":                         `x:1:1: only a call blocks`,
		"2~1 > . 0:0(0) ack 0":                           `x:1:2: a range that ends before it begins`,
		"1~+2 > . 0:0(0) ack 0":                          `x:1:2: a range from an absolute to a relative time`,
		"9999999 close(4) = 0":                           `x:1:1: a time of 9999999 seconds: too large`,
		"0.1234567890 close(4) = 0":                      `x:1:1: a time of 0.1234567890 seconds: too large or too fine`,
		"x close(4) = 0":                                 `x:1:1: "x", where a time is expected`,
		"0 %{ print(1) }%":                               `x:1:6: "print", where "assert" is expected`,
		"0 %{ assert tcpi_foo }%":                        `x:1:13: tcpi_foo is not known`,
		"0 %{ assert nstat.Foo == 1 }%":                  `x:1:13: nstat.Foo is not known`,
		"0 %{ assert ; }%":                               `x:1:13: ";", where a value is expected`,
		"/* and":                                         `x:1:1: a comment without its end`,
		"0 f(\"a\nb\")":                                  `x:1:5: a string without its end`,
		"0 $":                                            `x:1:3: "$" is not known`,
		"0":                                              `x:1:2: the end of the script, where a segment, a call or %{ is expected`,
		"0 close(" + strings.Repeat("[", 100):            `more than 64 brackets within each other`,
	} {
		_, err := Parse("x", text)
		var e *Error
		if err == nil || !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}

// TestTextsAreUnderstood as they are written.
func TestTextsAreUnderstood(t *testing.T) {
	s, err := Parse("x", `--mtu=1000 # a comment
/* another,
   of two lines */ 1.5 < FP.E 1:3(2) ack 4 win 5 <mss 6,nop,wscale 7,sackOK,nop,nop,TS val 8 ecr 9> // and one
+.25~+.5 > :80>81 U. 1:1(0) ack 7 urg 3 <nop,nop,sack 1:2 3:4>
+0 > - 0:0(0)`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"FP.E 1:3(2) ack 4 win 5 <mss 6,nop,wscale 7,sackOK,nop,nop,TS val 8 ecr 9>",
		":80>81 U. 1:1(0) ack 7 urg 3 <nop,nop,sack 1:2 3:4>", "- 0:0(0)",
	}
	got := []string{s.Events[0].In.String(), s.Events[1].Out.String(), s.Events[2].Out.String()}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s is not %s", got[i], want[i])
		}
	}
	if w := s.Events[1].When; !w.Relative || !w.Range || w.Start != 250_000_000 || w.End != 500_000_000 || s.Events[0].When.Start != 1_500_000_000 {
		t.Errorf("times %+v, %+v", s.Events[0].When, w)
	}
	if s.Options["mtu"] != "1000" || s.Events[0].Line != 3 || s.Events[0].Col != 20 {
		t.Errorf("options %v, event at %d:%d", s.Options, s.Events[0].Line, s.Events[0].Col)
	}
}

// TestOptionsComeBack from the wire as they were written.
func TestOptionsComeBack(t *testing.T) {
	list := []Option{{Kind: optMSS, A: 1460}, {Kind: optSACKOK}, {Kind: optTS, A: 1, B: 2}, {Kind: optNOP}, {Kind: optScale, A: 7}}
	for _, list := range [][]Option{list, {{Kind: optNOP}, {Kind: optNOP}, {Kind: optSACK, Sack: []uint32{1, 2, 3, 4}}}} {
		got := &Packet{Options: readOptions(putOptions(list, 77), 77)}
		if !(&Packet{Options: list}).sameOptions(got) {
			t.Errorf("%v came back as %v", list, got.Options)
		}
	}
	for _, b := range []string{"\x02\x04\x05", "\x02\x00", "\x02", "\x05\x01"} {
		if got := readOptions([]byte(b), 0); len(got) != 1 || got[0].Kind != 255 {
			t.Errorf("% x was read as %v", b, got)
		}
	}
}

// FuzzParse wants an error with a place, or a script whose segments can be written and read again.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(scriptDir, "*.pkt"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("+0 < SFRPU.EWA 1:2(1) ack 4294967295 win 0 urg 1 <TS val 1 ecr 2>\n* > :1>2 . 1:1(0) ack 1 <...>")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("x", text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		for _, e := range s.Events {
			for mark, k := range map[string]*Packet{"<": e.In, ">": e.Out} {
				if k == nil {
					continue
				}
				again, err := Parse("x", "0 "+mark+" "+k.String())
				if err != nil {
					t.Fatalf("%v of %q", err, k.String())
				}
				got := again.Events[0].In
				if mark == ">" {
					got = again.Events[0].Out
				}
				if got.String() != k.String() {
					t.Fatalf("%q became %q", k.String(), got.String())
				}
			}
		}
	})
}
