// Package hosttest makes hosts for tests of packages that are built on package
// xdpstack: two of one process, joined by a cable in memory, without a device and
// without privileges.
//
//	a: 198.18.0.1/24, 2001:2::1/64 ───── b: 198.18.0.2/24, 2001:2::2/64
//
// Each checks its ledger of frames at every turn, and once more at its end: a
// frame that is lost fails the test.
//
// What it does not do: wrap ports. A test that wants to see or to lose packets
// makes its own with package engine/mem's Cable and xdpstack.NewOn, as Pair does,
// or sets Config.Impair.
//
// Read first: package engine/mem.
package hosttest
