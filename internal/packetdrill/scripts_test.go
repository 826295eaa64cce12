package packetdrill

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var script = flag.String("script", "", "a script to run instead of those of stack/tcp")

// scriptDir is where they are.
const scriptDir = "../../stack/tcp/testdata/drill"

// leastScripts is how many there are at least: a folder that was not found, or not read, must not pass.
const leastScripts = 175

// TestScripts runs every script in both families; -script=file runs one.
func TestScripts(t *testing.T) {
	files := []string{*script}
	if *script == "" {
		files, _ = filepath.Glob(filepath.Join(scriptDir, "*.pkt"))
		if len(files) < leastScripts {
			t.Errorf("%d scripts in %s, not %d", len(files), scriptDir, leastScripts)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(filepath.Base(file), string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		for i := range Families {
			t.Run(strings.TrimSuffix(s.Name, ".pkt")+"/"+Families[i].Name, func(t *testing.T) {
				if err := Run(s, &Families[i]); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
