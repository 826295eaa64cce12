// Package wheel keeps a stack's timers: a hierarchical timing wheel in virtual
// time, bounded, without a Go pointer and without an allocation after New.
//
//	level 0   64 slots of a tick (65.5 µs)       the next 4.2 ms
//	level 1   64 slots of 64 ticks               the next 268 ms
//	level 2   64 slots of 4,096 ticks            the next 17 s
//	…         a level's slot is the whole of the level below
//	pending   timers whose slot has come, to be looked at by Expire
//
// A timer is a number below the wheel's capacity, given by whoever owns it: the
// index of a neighbour, of a connection. It is filed under the highest digit (of
// six bits) in which its tick differs from the current one, so that the earliest
// timer is always in the lowest level that has any, and a level with nothing
// before the present is skipped at once, however far time jumps.
//
// A timer that is moved to a later time stays where it is, and is filed again
// when its slot comes: a retransmission timer is moved with every ACK and hardly
// ever fires. A timer never fires early, and is late by less than a tick,
// besides what the caller is late.
//
// What it does not do: call anybody, or read a clock.
//
// Read first: G. Varghese and T. Lauck, Hashed and Hierarchical Timing Wheels,
// SOSP 1987.
package wheel
