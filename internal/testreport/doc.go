// Command testreport runs the tests of the module in phases and reports them as one run.
// make test, make fuzz and make soak are this command, and the tests of make check.
//
//	go list ──▶ phases ──▶ go test -json ──▶ collector ──▶ report
//	            unit         one line per       one result    failures in full,
//	            e2e          event              per test      the slowest tests,
//	            race                                          what was left out and why,
//	            fuzz, soak                                    the failures by a line each,
//	                                                          "N passed, N failed, N skipped"
//
// A failure is printed three times, so that a log of which only the head or the tail was
// kept names it: by the end of its output right after its package's line, in full after
// the run, and by one line at the end.
//
// # The phases
//
// Which package is in which phase follows from what it imports, so that no list goes stale:
//
//	unit   all packages but those of e2e, in parallel
//	e2e    packages whose tests make namespaces (they import internal/lab, netlink or netns):
//	       one at a time, because they use the network and both cores
//	race   packages that share memory (they import sync, sync/atomic or unsafe), under the
//	       race detector, which checks unsafe pointers too; the short run of each
//	fuzz   every fuzz target, the time divided equally
//	soak   the tests named TestSoak, then the unit tests again and again with new seeds, then
//	       fuzzing, a third of the time each; only when asked for
//
// # What counts
//
// A result is a test without subtests. A parent counts only when it fails while its subtests
// pass. A package that does not build, a test that never ended, a go command that failed
// without naming a test, and a skip without a reason are failures each, and so is a run that
// executed nothing. The exit code is 0 when nothing failed.
//
// # What is not here
//
// It does not decide what a test may do, nor install anything; it has no configuration file.
//
// Read first: go doc test2json, which defines the events.
package main
