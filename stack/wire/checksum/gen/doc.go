// Command gen writes the AVX2 checksum kernels, checksum_amd64.s and
// stub_amd64.go, with github.com/mmcloughlin/avo.
//
// It is a module of its own, so that avo and what it needs stay out of the
// project's dependencies; its output is committed, and building the project does
// not run it. After a change: "go generate" in the folder above, then its tests.
// The test here holds the committed files to what this program prints.
//
// What it does not do: choose among kernels (kernel_amd64.go does), or handle
// lengths that are not a multiple of 32 octets (the plain kernel adds the rest).
package main
