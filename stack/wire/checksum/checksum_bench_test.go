package checksum

import (
	"fmt"
	"testing"
)

// sizes are header sizes, the neighbourhood of vectorMin, and payloads of usual
// MTUs.
var sizes = []int{8, 20, 40, 64, 96, 128, 192, 256, 512, 1460, 4096}

// sink keeps the compiler from dropping what a benchmark computes.
var sink uint32

func BenchmarkSum(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				sink += Sum(p, 0)
			}
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, q := make([]byte, n), make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				sink += Copy(q, p, 0)
			}
		})
	}
}

// BenchmarkCopyThenSum is what Copy saves.
func BenchmarkCopyThenSum(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, q := make([]byte, n), make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				copy(q, p)
				sink += Sum(q, 0)
			}
		})
	}
}

// BenchmarkKernels compares the kernels around the lengths from which the vector
// kernels are used.
func BenchmarkKernels(b *testing.B) {
	kernels(func(name string) {
		for _, n := range []int{96, 127, 128, 159, 192, 256, 1460} {
			p, q := make([]byte, n), make([]byte, n)
			b.Run(fmt.Sprintf("%s/sum/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					sink += Sum(p, 0)
				}
			})
			b.Run(fmt.Sprintf("%s/copy/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					sink += Copy(q, p, 0)
				}
			})
		}
	})
}

func BenchmarkPseudoV4(b *testing.B) {
	var src, dst [4]byte
	for b.Loop() {
		sink += PseudoV4(&src, &dst, 17, 72)
	}
}

func BenchmarkPseudoV6(b *testing.B) {
	var src, dst [16]byte
	for b.Loop() {
		sink += PseudoV6(&src, &dst, 17, 72)
	}
}

func BenchmarkSum20(b *testing.B) {
	var h [20]byte
	for b.Loop() {
		sink += uint32(Sum20(&h))
	}
}
