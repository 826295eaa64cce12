//go:build !amd64

package checksum

// kernels runs f once for each kernel: there is but the plain one.
func kernels(f func(name string)) { f("plain") }
