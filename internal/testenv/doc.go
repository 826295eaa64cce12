// Package testenv is what tests ask about the machine that they run on, and what the run
// wants of them.
//
//	testenv.Root(t)             the test makes namespaces and devices: as root, and not in make check
//	testenv.Tool(t, "tcpdump")  the test needs a program of Debian's; scripts/setup installs it
//	testenv.Seed(t)             the seed of what the test draws, printed, and settable
//	testenv.Soak(t)             the test runs as long as make soak says, and in make soak alone
//
// A test that cannot run here skips, and says why in one line: the end of make test repeats
// every such line (package testreport). No test skips without a reason; the tidy test holds
// that.
//
// # The environment
//
//	TEST_SEED=n   draws again what a failed run drew: every randomised test prints the line to set
//	SOAK=1h       the time that one soak test may take
//
// # What is not here
//
// No namespace and no device is made here (package internal/lab does that), and nothing is
// installed.
package testenv
