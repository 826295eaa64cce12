package httpd

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzConnection: however requests are cut, and however little room there is to send, the
// responses are the same.
func FuzzConnection(f *testing.F) {
	for i, h := range heads {
		f.Add([]byte(h+h), uint64(i))
	}
	for _, s := range []string{
		get("/a.txt") + get("/edge") + upload("hello") + get("/none"), uploadChunks("abc", "d") + get("/large.bin", "Range: bytes=-9"),
		get("/sub") + get("/", "Connection: close") + get("/"), get("/a.txt", "Range: bytes=1-2", "If-Range: "+resp304),
	} {
		f.Add([]byte(s), uint64(len(s)))
	}
	w := newTestWorker(f, Config{MaxBody: 1 << 20})
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		once := newRig(t, w)
		once.say(string(data))
		rng := rand.New(rand.NewPCG(seed, 0))
		cut := newRig(t, w)
		cut.s.room = rng.IntN(1000)
		for len(data) > 0 {
			n := min(len(data), 1+rng.IntN(1+rng.IntN(300)))
			cut.say(string(data[:n]))
			data = data[n:]
			cut.more(rng.IntN(5000))
		}
		for cut.phase == sending {
			cut.more(1 + rng.IntN(100_000))
		}
		if !bytes.Equal(once.s.out, cut.s.out) {
			t.Fatalf("at once %q\nin pieces %q", once.s.out, cut.s.out)
		}
		if once.s.fin != cut.s.fin || once.phase != cut.phase || len(once.held) != len(cut.held) {
			t.Fatalf("at once %v %v %d, in pieces %v %v %d", once.s.fin, once.phase, len(once.held), cut.s.fin, cut.phase, len(cut.held))
		}
		once.abandon()
		cut.abandon()
	})
}
