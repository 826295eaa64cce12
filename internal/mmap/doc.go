// Package mmap maps the memory that packets live in, and the rings beside it.
//
//	memfd ──mmap──▶ Memory      packet memory: pinned by XDP_UMEM_REG, cut into
//	                            chunks by package umem, unmapped after the last
//	                            frame was used
//	socket ──mmap─▶ Shared      one ring of an AF_XDP socket
//
// # Nouns
//
//   - Memory: anonymous shared memory with a descriptor of its own, so that another
//     process, or a second registration with the kernel, can map the same pages. On
//     huge pages where that is asked for and there are any; Memory.Reason says why not.
//   - Shared: a mapping of part of a descriptor, shared with the kernel.
//
// Pages are populated when they are mapped: no packet waits for a page fault, and a
// machine that lacks memory says so at the start, not in traffic.
//
// # What it does not do
//
// It does not lock pages: UMEM registration pins them, and that is what counts
// against RLIMIT_MEMLOCK. It does not reserve huge pages: the administrator does
// ("sysctl vm.nr_hugepages"). NUMA placement follows the thread that calls New, as
// the kernel's default policy has it.
//
// Read first: memfd_create(2), mmap(2), and the kernel's
// Documentation/admin-guide/mm/hugetlbpage.rst.
package mmap
