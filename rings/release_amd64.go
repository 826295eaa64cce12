//go:build amd64 && !race

package rings

// storeRelease stores v at p so that everything read and written before is done
// before the other side sees it.
//
// On amd64 every store is a release (Intel SDM volume 3, section 8.2.2), and the
// kernel's smp_store_release is a plain store there. atomic.StoreUint32 is an
// exchange: it waits until all earlier stores of the batch have left the core,
// 1 ns a packet in batches of 64. What that buys beyond a release, that no later
// load overtakes the store, nobody here needs: need_wakeup, the one flag read
// after a store, is read anew every turn while entries are pending.
//
//go:noescape
func storeRelease(p *uint32, v uint32)
