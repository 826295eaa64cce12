//go:build !amd64 || race

package rings

import "sync/atomic"

// storeRelease stores v at p so that everything read and written before is done
// before the other side sees it. arm64 has an instruction for it; the race
// detector sees only what package atomic does.
func storeRelease(p *uint32, v uint32) { atomic.StoreUint32(p, v) }
