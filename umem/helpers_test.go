package umem

import "testing"

// newPool is a pool over plain memory: n chunks of 2 KiB, all of one worker.
func newPool(t testing.TB, n int, change ...func(*PoolConfig)) *Pool {
	t.Helper()
	r, err := NewRegion(make([]byte, n*MinChunk), MinChunk)
	if err != nil {
		t.Fatal(err)
	}
	cfg := PoolConfig{Workers: 1, Frames: n, SendQuota: n, ReceiveQuota: n}
	for _, c := range change {
		c(&cfg)
	}
	p, err := NewPool(r, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// get takes a frame that holds data.
func get(t testing.TB, p *Pool, data string) *Frame {
	t.Helper()
	f := p.Get(ClassSend)
	if f == nil {
		t.Fatal("the pool has no frame")
	}
	copy(f.Put(len(data)), data)
	return f
}

// balanced fails the test unless both sums of the ledger hold and every frame
// is free.
func balanced(t testing.TB, p *Pool) {
	t.Helper()
	if err := p.Balance(&Holders{}); err != nil {
		t.Error(err)
	}
	if err := p.Audit(); err != nil {
		t.Error(err)
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
