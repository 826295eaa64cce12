package checksum

import "github.com/klauspost/cpuid/v2"

// useVector says whether the AVX2 kernels run: the core has them and the
// operating system saves their registers. It is written once, before main.
var useVector = cpuid.CPU.Supports(cpuid.AVX2)

const (
	// vectorBlock is the granularity of the AVX2 kernels, in octets.
	vectorBlock = 32

	// The lengths in octets from which the AVX2 kernels are faster than plain
	// Go: measured on Zen 5, Go 1.26, by BenchmarkKernels.
	sumVectorMin  = 128
	copyVectorMin = 64
)
