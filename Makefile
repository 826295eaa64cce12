# xdpstack. "make" alone prints what there is to do.

# sudo often resets PATH to one without Go's usual folder.
export PATH := $(PATH):/usr/local/go/bin
GO ?= go

# Times, as in "make fuzz FUZZTIME=30m".
FUZZTIME  ?= 2m
SOAKTIME  ?= 1h
BENCHTIME ?= 200ms
DURATION  ?= 1s

# What runs often, for the compiler: a tenth less time in memory. "make profile" makes it anew.
PGO := $(CURDIR)/cmd/xdpstack/xdpstack.pgo

# One static binary. Where git does not answer (a tree of another owner, an archive), the
# binary goes without the commit's name.
export CGO_ENABLED ?= 0
VCS   := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
BUILD := $(GO) build -trimpath -buildvcs=$(VCS) -pgo=$(PGO)

.DEFAULT_GOAL := help
.PHONY: help setup build check fmt test fuzz soak demo bench peers profile generate clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## install by apt-get what the tests need (as root; quick when all is there)
	@scripts/setup

build: ## build the one static binary, bin/xdpstack
	$(BUILD) -o bin/xdpstack ./cmd/xdpstack

check: bin/tools/staticcheck ## format, vet (amd64, arm64), lint, tidy, unit tests: under a minute
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w these:"; echo "$$unformatted"; exit 1; }
	GOARCH=amd64 $(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	bin/tools/staticcheck ./...
	$(GO) run ./internal/testreport -short -only unit,e2e -slowest 0

fmt: ## format all Go files
	gofmt -l -w .

test: ## everything: unit, end to end, race detector, fuzzing for 2 minutes (as root; else it says what it leaves out)
	$(GO) run ./internal/testreport -fuzztime $(FUZZTIME)

fuzz: ## fuzz every target: FUZZTIME=2m for all together
	$(GO) run ./internal/testreport -only fuzz -fuzztime $(FUZZTIME)

soak: ## long runs, SOAKTIME=1h in all, reported in docs/reports/soak.txt (as root)
	$(GO) run ./internal/testreport -only soak -soaktime $(SOAKTIME) -out docs/reports/soak.txt

demo: build ## ping, UDP echo and packets per second in a lab of its own, in half a minute (as root)
	bin/xdpstack demo

bench: build ## benchmarks: BENCHTIME=200ms each in memory; over a veth in runs of DURATION=1s, beside asavie/xdp (as root)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	@if [ "$$(id -u)" -eq 0 ]; then bin/xdpstack bench table --duration $(DURATION); \
	else echo 'left out: benchmarks over a veth, because they need root: sudo make bench'; fi

peers: ## beside DPDK, asavie/xdp, gVisor, nginx, HAProxy and the kernel; reports in bench/peers, REPORT.txt of packets, REPORT-TCP.txt (as root)
	@scripts/setup peers
	$(GO) -C bench/peers run -pgo=$(PGO) . -only rxdrop,l2fwd,txonly,echo -out $(CURDIR)/bench/peers/REPORT.txt
	$(GO) -C bench/peers run -pgo=$(PGO) . -only tcp-memory,tcp,http,proxy -out $(CURDIR)/bench/peers/REPORT-TCP.txt

profile: ## make cmd/xdpstack/xdpstack.pgo anew, which the compiler is told what runs often by (a minute)
	@scripts/profile

generate: ## compile the XDP program and generate the SIMD code anew (needs clang; what is committed builds without)
	@scripts/setup generate
	$(GO) generate ./...

clean: ## remove what was built
	rm -rf bin

# The linter comes from a module of its own, so that its tree is not in go.mod.
bin/tools/staticcheck: tools/go.mod tools/go.sum
	$(GO) -C tools build -o ../bin/tools/ honnef.co/go/tools/cmd/staticcheck
	@touch $@
