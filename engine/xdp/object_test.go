package xdp

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The committed object was made from the committed source.
func TestObjectIsCurrent(t *testing.T) {
	f, err := os.Open("object.sha256")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	noted := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		noted[filepath.Join("bpf", name)] = sum
	}
	sources, err := filepath.Glob("bpf/*")
	if err != nil || len(sources) == 0 || len(sources) != len(noted) {
		t.Fatalf("%d sources in bpf/, %d noted in object.sha256 (%v): make generate", len(sources), len(noted), err)
	}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(source); hex.EncodeToString(sum[:]) != noted[name] {
			t.Errorf("%s changed since the object was made: make generate", name)
		}
	}
}

// The programs stay small: what an instruction more costs, every packet of the host pays.
func TestProgramSizes(t *testing.T) {
	spec, err := loadObject()
	if err != nil {
		t.Fatal(err)
	}
	for name, limit := range map[string]int{
		objectProgXdpstackFilter: 1000,
		objectProgXdpstackAll:    40,
		objectProgXdpstackDecide: 1000,
	} {
		if n := len(spec.Programs[name].Instructions); n > limit {
			t.Errorf("%s has %d instructions, more than %d", name, n, limit)
		}
	}
}
