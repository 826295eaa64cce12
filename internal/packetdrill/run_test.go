package packetdrill

import (
	"strings"
	"testing"
)

// established is the beginning of scripts with a connection.
const established = `0  socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
`

// run runs a script behind established, in both families, which must agree.
func run(t *testing.T, text string) (message string) {
	t.Helper()
	s, err := Parse("x", established+text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range Families {
		got := ""
		if err := Run(s, &Families[i]); err != nil {
			got = strings.ReplaceAll(err.Error(), "("+Families[i].Name+") ", "")
		}
		if i > 0 && got != message {
			t.Errorf("one family says\n%s\nthe other\n%s", message, got)
		}
		message = got
	}
	return message
}

// TestScriptsThatMustFail do, and say what is wrong, where and when.
func TestScriptsThatMustFail(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"too early": {"+0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1",
			"x:9: the time differs:\n  expected at 0.100000 > P. 1:11(10) ack 1\n  came at     0.000000 > P. 1:11(10) ack 1 win 65535\nthe last packets:\n"},
		"too late": {"+0 < P. 1:11(10) ack 1 win 65535\n+.038 > . 1:1(0) ack 11", "x:9: expected at 0.038000, and nothing came:\n  > . 1:1(0) ack 11"},
		"outside a range": {"+0 < P. 1:11(10) ack 1 win 65535\n+.05~+.06 > . 1:1(0) ack 11",
			"x:9: the time differs:\n  expected at 0.050000~0.060000 > . 1:1(0) ack 11\n  came at     0.040"},
		"never":              {"+0 > . 1:1(0) ack 1", "x:8: expected at 0.000000, and nothing came"},
		"flags":              {"+0 write(4, ..., 10) = 10\n+0 > . 1:11(10) ack 1", "x:9: the flags differ"},
		"sequence number":    {"+0 write(4, ..., 10) = 10\n+0 > P. 2:12(10) ack 1", "x:9: the sequence number differs"},
		"length":             {"+0 write(4, ..., 10) = 10\n+0 > P. 1:12(11) ack 1", "x:9: the length of the payload differs"},
		"acknowledgment":     {"+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2", "x:9: the acknowledgment number differs"},
		"window":             {"+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 win 5", "x:9: the window differs"},
		"options":            {"+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <nop>", "x:9: the options differ"},
		"no options":         {"+0 < :5 S 0:0(0) win 9\n+0 > :5 S. 0:0(0) ack 1", "x:9: the options differ:\n  expected at 0.000000 > :5 S. 0:0(0) ack 1\n  came"},
		"another option":     {"+0 < :5 S 0:0(0) win 9\n+0 > :5 S. 0:0(0) ack 1 <mss 1400>", "x:9: the options differ"},
		"ports":              {"+0 < :5 S 0:0(0) win 9\n+0 > S. 0:0(0) ack 1 <...>", "x:9: the ports differ"},
		"one too many":       {"+0 write(4, ..., 10) = 10\n+1 > P. 1:11(10) ack 1", "x:9: the time differs"},
		"not expected":       {"+0 write(4, ..., 10) = 10\n+1 < . 1:1(0) ack 11 win 9", "x:9: at 0.000000 there came, and nothing was expected before this line:\n  > P. 1:11(10) ack 1 win 65535"},
		"at the end":         {"+0 write(4, ..., 10) = 10", "x:8: at 0.000000, at the end of the script, there came, and was not expected:\n  > P. 1:11(10) ack 1 win 65535"},
		"result":             {"+0 write(4, ..., 10) = 9", "x:8: write gave 10, expected 9"},
		"an error":           {"+0 connect(4, ..., ...) = -1 EALREADY", "x:8: connect gave -1 EISCONN, expected -1 EALREADY"},
		"blocks":             {"+0 read(4, ..., 10) = 10", "x:8: read blocks; expected = 10"},
		"does not block":     {"+0...+.1 write(4, ..., 10) = 10", "x:8: write did not block: it gave 10 at once"},
		"blocks too long":    {"+0...+.1 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 9", "x:9: read of line 8 still blocks at 0.2"},
		"blocks too short":   {"+0...+.3 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 9", "x:9: read of line 8 gave 10 at 0.200000; expected at 0.300000"},
		"blocks for ever":    {"+0...+.3 read(4, ..., 10) = 10", "x:8: read of line 8 still blocks at the end of the script"},
		"another blocks":     {"+0...+.3 read(4, ..., 10) = 10\n+0 write(4, ..., 10) = 10", "x:9: read of line 8 still blocks"},
		"blocked result":     {"+0...+.2 read(4, ..., 10) = 9\n+.2 < P. 1:11(10) ack 1 win 9", "x:9: line 8: read gave 10, expected 9"},
		"assert":             {"+0 %{ assert tcpi_state == TCP_CLOSE }%", "x:8: at 0.000000 assert tcpi_state == TCP_CLOSE does not hold: tcpi_state is 4, TCP_CLOSE is 0"},
		"division":           {"+0 %{ assert 1 / (tcpi_state - tcpi_state) }%", "x:8: column 16: a division by 0"},
		"before":             {"+1 write(4, ..., 0) = 0\n.5 write(4, ..., 0) = 0", "x:9: the time 0.500000 is before that of the event before, 1.000000"},
		"an option":          {"+0 setsockopt(4, SOL_SOCKET, SO_MARK, [1], 4) = 0", "x:8: option SO_MARK of a socket is not supported"},
		"a value":            {"+0 setsockopt(4, SOL_SOCKET, SO_RCVBUF, x, 4) = 0", "x:8: SO_RCVBUF wants a number"},
		"lingering":          {"+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0", "x:8: SO_LINGER wants"},
		"a flag":             {"+0 recv(4, ..., 1, MSG_OOB) = 1", "x:8: MSG_OOB is not supported"},
		"the other side":     {"+0 shutdown(4, SHUT_RD) = 0", "x:8: only SHUT_WR is supported"},
		"an address":         {"+0 bind(4, {sin_addr=1}, ...) = 0", "x:8: column 12: an address is"},
		"datagrams":          {"+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5", "x:8: only SOCK_STREAM is supported"},
		"no descriptor":      {"+0 read(..., ..., 1) = 5", "x:8: read wants a descriptor"},
		"pending error":      {"+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [EPIPE], [4]) = 0", "x:8: SO_ERROR is 0, expected EPIPE"},
		"what can't be read": {"+0 getsockopt(4, SOL_SOCKET, SO_TYPE, [1], [4]) = 0", "x:8: option SO_TYPE of a socket cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t, c.script); !strings.Contains(got, c.want) {
				t.Errorf("it says\n%s\nand not\n%s", got, c.want)
			}
		})
	}
}

// TestScriptsThatHold are the same language, with what is right.
func TestScriptsThatHold(t *testing.T) {
	for name, script := range map[string]string{
		"a range":       "+0 < P. 1:11(10) ack 1 win 65535\n+.03~+.05 > . 1:1(0) ack 11",
		"whenever":      "+0 < P. 1:11(10) ack 1 win 65535\n* > . 1:1(0) ack 11\n+0 %{ assert sk_rmem == 10 }%",
		"absolute":      "1 < P. 1:11(10) ack 1 win 65535\n1.04 > . 1:1(0) ack 11",
		"other ports":   "+0 < :5>7 S 0:0(0) win 9\n+0 > :5>7 R. 0:0(0) ack 1",
		"blocks":        "+0...0.2 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 65535\n+.04 > . 1:1(0) ack 11",
		"expressions":   "+0 %{ assert 1 + 2 * 3 == 7 and not 0; assert (1 or 0) and -1 < 1 and 7 % 4 == 3 and 9 / 2 - 4 == 0 }%",
		"all compared":  "+0 %{ assert 1 < 2 and 1 <= 1 and 2 > 1 and 2 >= 2 and 1 != 2 and not 1 == 2 }%",
		"two in a row":  "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n+0 write(4, ..., 1) = 1\n+0 > P. 1001:1002(1) ack 1",
		"flags":         "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 fcntl(4, F_GETFL, 0) = 2\n+0 read(4, ..., 1) = -1 EAGAIN (a text)",
		"no connection": "+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+0 close(3) = 0",
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t, script); got != "" {
				t.Error(got)
			}
		})
	}
}

// TestOneFamilyAlone runs where --ip_version says.
func TestOneFamilyAlone(t *testing.T) {
	s, err := Parse("x", "--ip_version=ipv6\n0 > . 1:1(0) ack 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(s, &Families[0]); err != nil {
		t.Error(err)
	}
	if err := Run(s, &Families[1]); err == nil {
		t.Error("it did not run in its own family")
	}
}

// TestPayloadIsCompared with what was written: a pattern elsewhere is seen.
func TestPayloadIsCompared(t *testing.T) {
	s, err := Parse("x", established+"+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1")
	if err != nil {
		t.Fatal(err)
	}
	g, err := newRig(&Families[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{rig: g, script: s, base: epoch, flow: flow{servicePort, clientPort}, flows: map[flow]*numbers{}, fds: map[int64]*descriptor{}}
	for i := range s.Events {
		if r.event = &s.Events[i]; i == 7 {
			r.numbers(r.flow).written++
		}
		err = r.step()
	}
	if err == nil || !strings.Contains(err.Error(), "the octet at 1 is not what was written there") {
		t.Errorf("it says %v", err)
	}
}
