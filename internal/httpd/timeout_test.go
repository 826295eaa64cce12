package httpd

import (
	"strings"
	"testing"
	"time"
)

func TestSlowHeads(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	r.ask(get("/a.txt"))
	r.say("GET / HT")
	for range 9 { // an octet a second does not help
		r.pass(time.Second)
		r.say("T")
	}
	if r.s.ended() || r.s.timeout != time.Second {
		t.Fatalf("%+v", r.s)
	}
	r.pass(time.Second)
	if resp, _ := r.reply("GET"); resp.StatusCode != 408 || !r.s.fin {
		t.Errorf("%d, %+v", resp.StatusCode, r.s)
	}
	if r.say("more"); r.s.closed {
		t.Errorf("%+v", r.s)
	}
	if r.pass(2 * time.Second); !r.s.closed {
		t.Error("it lingers for ever")
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	w := newTestWorker(t, Config{})
	r := newRig(t, w)
	if r.pass(10 * time.Second); !r.s.closed || len(r.s.out) > 0 {
		t.Errorf("one that never asked: %+v", r.s)
	}
	r = newRig(t, w)
	r.ask(get("/a.txt"))
	if r.pass(74 * time.Second); r.s.ended() || r.s.timeout != time.Second {
		t.Errorf("before its time: %+v", r.s)
	}
	r.ask(get("/a.txt"))
	if r.pass(74 * time.Second); r.s.ended() {
		t.Errorf("before its time: %+v", r.s)
	}
	if r.pass(time.Second); !r.s.closed || len(r.s.out) > 0 {
		t.Errorf("in its time: %+v", r.s)
	}
}

func TestSlowBodies(t *testing.T) {
	r := newRig(t, newTestWorker(t, Config{}))
	r.say(upload(strings.Repeat("x", 1<<20))[:200])
	for range 3 {
		r.say(strings.Repeat("x", 4<<10))
		if r.pass(20 * time.Second); r.s.ended() {
			t.Fatalf("it moves: %+v", r.s)
		}
	}
	r.say(strings.Repeat("x", 100))
	if r.pass(19 * time.Second); r.s.ended() {
		t.Errorf("before its time: %+v", r.s)
	}
	r.pass(time.Second)
	if resp, _ := r.reply("PUT"); resp.StatusCode != 408 || !r.s.fin {
		t.Errorf("%d, %+v", resp.StatusCode, r.s)
	}
}

func TestClientsThatDoNotRead(t *testing.T) {
	for _, path := range []string{"/edge", "/large.bin"} {
		r := newRig(t, newTestWorker(t, Config{}))
		r.s.room = 1000
		r.say(get(path))
		for range 3 {
			r.more(5000)
			if r.pass(20 * time.Second); r.s.ended() {
				t.Fatalf("it moves: %+v", r.s)
			}
		}
		if r.pass(20 * time.Second); !r.s.aborted {
			t.Errorf("%s: %v %v", path, r.s.closed, r.phase)
		}
	}
}

// TestTheEndOfInput: what was asked for is answered.
func TestTheEndOfInput(t *testing.T) {
	w := newTestWorker(t, Config{})
	for _, c := range []struct {
		name, said string
	}{{"between requests", get("/a.txt")}, {"in a head", "GET /"}, {"in a body", upload("hello")[:55]}} {
		r := newRig(t, w)
		r.say(c.said)
		if r.inputEnded(); !r.s.closed {
			t.Errorf("%s: %+v", c.name, r.s)
		}
	}
	r := newRig(t, w)
	r.s.room = 1000
	r.say(get("/large.bin"))
	if r.inputEnded(); r.s.ended() {
		t.Errorf("in a response: %+v", r.s)
	}
}
