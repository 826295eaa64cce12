module github.com/xdpstack/xdpstack/bench/peers

go 1.26.0

toolchain go1.26.8

require (
	github.com/asavie/xdp v0.3.3
	github.com/safchain/ethtool v0.7.0
	github.com/xdpstack/xdpstack v0.0.0
	golang.org/x/sys v0.49.0
	gvisor.dev/gvisor v0.0.0-20250205023644-9414b50a5633
)

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // indirect
	github.com/cilium/ebpf v0.22.0 // indirect
	github.com/dchest/siphash v1.2.3 // indirect
	github.com/google/btree v1.1.2 // indirect
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/time v0.7.0 // indirect
)

replace github.com/xdpstack/xdpstack => ../..
