// Package bare has programs without a stack: what the engine does by itself.
//
//	Drop       takes what arrives and frees it              (rxdrop)
//	Forward    sends what arrives out again, MACs swapped   (l2fwd)
//	Generate   sends copies of one packet                   (txonly)
//
// They are what benchmarks run, and what tests of the engine run, and an example of
// what a Program must do with the frames that it is given: each is freed, or has
// a hold and is counted in Holders, when the method returns.
//
// They keep no time, handle no events, and use one worker each; nothing here is
// meant to be reached from another goroutine.
//
// Read first: engine.Program.
package bare
