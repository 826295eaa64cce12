/* The kernel's side of the program: the part of its BPF ABI that we use,
 * and nothing else, so that regenerating the object needs clang alone.
 * Numbers from include/uapi/linux/bpf.h (stable since the kernels named). */
#ifndef XDPSTACK_KERNEL_H
#define XDPSTACK_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* The context of an XDP program, struct xdp_md. */
struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

/* enum xdp_action: the two that this program answers. */
enum { XDP_PASS = 2, XDP_REDIRECT = 4 };

/* enum bpf_map_type. */
enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_XSK = 17, /* 4.18 */
};

/* Helpers by their number; neither asks for a GPL licence. The fallback
 * action in the flags of redirect_map is of 5.3. */
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const redirect_map)(void *map, u64 key, u64 flags) = (void *)51;

#define always_inline inline __attribute__((always_inline))
#define section(name) __attribute__((section(name), used))
#define likely(x) __builtin_expect(!!(x), 1)

/* Keeps clang from folding several tests of pointers into arithmetic on them
 * (a | b), which the verifier refuses. */
#define opaque(x) asm volatile("" : "+r"(x))

/* How a map is described in BTF (libbpf's convention, which cilium/ebpf reads). */
#define map_int(name, value) int(*name)[value]
#define map_type(name, type) typeof(type) *name

/* Both targets, amd64 and arm64, are little endian. */
#define be16(x) ((u16)__builtin_bswap16(x))
#define be32(x) ((u32)__builtin_bswap32(x))

#endif
