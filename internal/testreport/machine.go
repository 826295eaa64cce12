package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine describes what the run was on: kernel, processor, Go, commit.
func machine() []string {
	release := firstLine("/proc/sys/kernel/osrelease")
	lines := []string{
		fmt.Sprintf("Linux %s, %s, %d cores", release, processor(), runtime.NumCPU()),
		fmt.Sprintf("%s %s", runtime.Version(), runtime.GOARCH),
	}
	if commit, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		lines = append(lines, "commit "+strings.TrimSpace(string(commit)))
	}
	return lines
}

// processor is the model name in /proc/cpuinfo, which arm64 kernels do not give.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "processor unknown"
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimLeft(strings.TrimSpace(name), ": \t")
		}
	}
	return "processor unnamed"
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
