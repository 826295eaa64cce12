// Package table is what the stack's tables are built from: slabs linked by
// index, and a hash table that keeps no Go pointer and has a fixed bound on
// every look-up.
//
//	hash ──▶ two buckets of eight      slab
//	         ┌ tag tag tag … ┐        ┌──────────┐
//	         └ idx idx idx … ┘ ─────▶ │ key, …   │
//	         one cache line           └──────────┘
//
// # Nouns
//
//   - Slab hands out indices, and a generation for each: a handle {index,
//     generation} that outlived its entry is recognised.
//   - Map finds the index of a key. A key can be in two buckets, which its hash
//     names, so that a look-up reads two cache lines of tags at most, and a key
//     whose tag matches; an insertion that finds both full fails. Filled to a
//     half, as they are made here, that does not happen by chance.
//   - Secret is the key of the hash: a multiplication folded, over words that the
//     secret blinds. Whoever does not know it cannot aim at a bucket; if somebody
//     does, the bound above holds all the same.
//
// # What is not here
//
// No growing, no iteration (nothing in the stack walks a whole table), no
// locking. Entries belong to the package that owns the table: only keys are here.
//
// Read first: Azar, Broder, Karlin, Upfal, "Balanced allocations" (1994), on why
// two choices do.
package table
