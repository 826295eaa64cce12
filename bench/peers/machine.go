package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fact is a line about the machine or a contender.
type fact struct{ name, value string }

// facts are what a reader of figures must know.
func facts(now time.Time) []fact {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	return []fact{
		{"date", now.UTC().Format("2006-01-02 15:04 MST")},
		{"kernel", kernel},
		{"processor", processor()},
		{"Go", runtime.Version()},
		{"testpmd", "Debian's dpdk-dev " + debian("dpdk-dev") + ", net_af_xdp of librte-net-af-xdp23 " + debian("librte-net-af-xdp23")},
		{"asavie/xdp", module("github.com/asavie/xdp")},
		{"gVisor", module("gvisor.dev/gvisor")},
		{"profile", profile()},
		{"nginx", "Debian's nginx-light " + debian("nginx-light")},
		{"wrk", "Debian's " + debian("wrk")},
	}
}

// processor is its name as the kernel knows it, and the number of cores.
func processor() string {
	const unknown = "unknown"
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	values := map[string]string{}
	for line := range bytes.Lines(b) {
		if key, value, ok := strings.Cut(string(line), ":"); ok {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	parts := []string{values["model name"]}
	for _, key := range []string{"cpu family", "model", "cpu MHz", "cpu cores"} {
		if values[key] != "" {
			parts = append(parts, key+" "+values[key])
		}
	}
	return strings.Join(parts, ", ")
}

// debian is the version of an installed package.
func debian(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return "(not installed)"
	}
	return string(out)
}

// profile is what this program, gVisor and all, was built with.
func profile() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-pgo" {
				return filepath.Base(s.Value) + ": the compiler knew what runs often in memory, of this project and of gVisor"
			}
		}
	}
	return "none"
}

// module is the version of a module that this program was built with.
func module(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
